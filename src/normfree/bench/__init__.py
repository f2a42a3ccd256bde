"""Speed and memory beside peers, measured side by side. `python bench.py` is the way in."""
