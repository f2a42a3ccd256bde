"""Turn runs or a probe into a report: python report.py experiment=quickstart"""

import sys

import hydra
from omegaconf import DictConfig

from normfree.cli import told_in_one_line
from normfree.report.command import check_arguments, register, report


@hydra.main(version_base="1.3", config_path=None, config_name="report")
def main(config: DictConfig) -> None:
    with told_in_one_line():
        sys.exit(report(config))


if __name__ == "__main__":
    with told_in_one_line():
        probe_keys = check_arguments(sys.argv[1:])
        if probe_keys is not None:
            from normfree.cli.probe import probe

            sys.exit(probe(probe_keys))
    register()
    main()
