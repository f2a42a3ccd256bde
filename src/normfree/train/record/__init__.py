"""What a run writes down while it trains: metrics.csv, clip.csv, and loggers beside them."""
