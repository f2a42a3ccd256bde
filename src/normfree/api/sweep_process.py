"""The process of :func:`normfree.api.sweep`: the folder of the configuration, then overrides."""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from normfree.cli import command, told_in_one_line
from normfree.config import TrainConfig

if __name__ == "__main__":
    folder, *overrides = sys.argv[1:]

    @hydra.main(version_base="1.3", config_path=folder, config_name="train")
    def main(config: DictConfig) -> None:
        from normfree.cli.train import train

        with told_in_one_line():
            train(config)

    sys.argv[1:] = ["-m", *overrides]
    command(main, TrainConfig, Path(folder))
