"""From options, files and plugins to a configuration, with Hydra. Knows no torch."""
