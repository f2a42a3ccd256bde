"""Turn the runs of an experiment into a report: python report.py experiment=quickstart"""

import sys

import hydra
from omegaconf import DictConfig

from normfree.report.command import answer, check_arguments, register, report


@hydra.main(version_base="1.3", config_path=None, config_name="report")
def main(config: DictConfig) -> None:
    answer(lambda: report(config))


if __name__ == "__main__":
    answer(lambda: check_arguments(sys.argv[1:]) or 0)
    register()
    main()
