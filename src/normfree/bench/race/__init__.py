"""The contestants of ``bench.py train``, a file each, and what all of them are given."""
