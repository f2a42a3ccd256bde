"""Train one network, or a sweep of them: ``python train.py --help``."""

import hydra
from omegaconf import DictConfig

from normfree.cli import command, told_in_one_line
from normfree.config import TrainConfig


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(config: DictConfig) -> None:
    from normfree.cli.train import train

    with told_in_one_line():
        train(config)


if __name__ == "__main__":
    command(main, TrainConfig)
