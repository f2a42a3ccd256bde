"""Runs as SLURM jobs: submitting an array, asking what became of it, and what happens inside a job. Knows no torch."""
