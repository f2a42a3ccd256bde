"""The ground: files, processes, cores and devices, exit codes. Knows nothing of this package."""
