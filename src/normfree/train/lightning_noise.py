"""Lightning's banner, advice on SLURM and a deprecation inside its own code, which say nothing about a run."""

import logging
import warnings

import pytorch_lightning  # sets its own logging level when it is imported


def quieten() -> None:
    """Leave Lightning's warnings about the run; drop what it says of itself."""
    logging.getLogger(pytorch_lightning.__name__).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", "The `srun` command is available", UserWarning)
    warnings.filterwarnings("ignore", r"`?isinstance\(treespec, LeafSpec\)", FutureWarning)
