"""Train twins on real digits, or take the ones that are there, and open a page for the camera: ``make demo-webcam``.

Words are added to the page's: ``python scripts/demo_webcam.py port=9000``.
"""

import sys

from normfree import api
from normfree.cli.door import entered
from normfree.cli.main import run
from normfree.host.exit_codes import EXIT_OK

TWINS = (("resnet20", "none"), ("nf_resnet20", "agc"))


def main(words: list[str]) -> int:
    """The exit code."""
    paths: list[str] = []

    def train() -> int:
        for model, clip in TWINS:
            print(f"{model} on 28 px digits, about a minute unless it is there already", flush=True)
            trained = api.run([f"model={model}", f"clip={clip}", "steps=400", "experiment.name=demo_webcam"])
            paths.append(str(trained.path))
        return EXIT_OK

    code = entered(train, "interrupted; the same command goes on where it stopped")
    return code or run("predict", [f"run={','.join(paths)}", "source=browser", "open=true", *words])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
