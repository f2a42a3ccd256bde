"""What ``evaluate.py`` can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from normfree.config import UserError
from normfree.config.errors import nearest
from normfree.config.key_readers import choice, listed, plain_text, some_text, whole_number
from normfree.config.keys import key, rows
from normfree.config.network_keys import NetworkKeys, read_network_keys
from normfree.evaluate.evaluators import evaluators

COMMAND = "python evaluate.py"
KINDS = ("raw", "ema", "both")
SPLITS = ("test", "validation", "train", "all")

HELP = """\
Evaluate a trained network on a whole split, every image counted once: FOLDER/index.html, evaluation.json and, image by
image, predictions.parquet

  python evaluate.py run=runs/single/RUN
  python evaluate.py run=runs/single/RUN kind=both evaluate=test,corruptions,shift
  python evaluate.py run=runs/single/RUN data=folder data.root=PATH classes=by_name
  python evaluate.py weights=FILE model=nfnet_f0 data=imagenet data.root=PATH
  python evaluate.py compare=runs/single/A,runs/single/B

Keys and their defaults:

{keys}

data=NAME and any data.KEY=VALUE are other images, or where the run's own lie now; model=NAME and model.KEY=VALUE say
of which network weights=FILE is. Evaluators:

{evaluators}
"""


@dataclass
class EvaluateKeys(NetworkKeys):
    """What is evaluated, on what, and where it is written."""

    out: str = key("", "folder of the result; default: evaluations/NAME", some_text("a folder"))
    evaluate: list[str] = key(["test"], "evaluators, see below", listed(plain_text))
    compare: list[str] = key([], "two run directories, on the same images", listed(plain_text))
    kind: str = key("raw", "weights as trained, ema (their moving average) or both", choice(*KINDS))
    fold: bool = key(False, "with the weights worked out once: same outputs, less work")
    split: str = key("test", "or validation, train; all for a set without a split of its own", choice(*SPLITS))
    device: str = key("auto", "cpu or cuda", choice("auto", "cpu", "cuda"))
    devices: int = key(1, "processes that share the images, on cuda each with a GPU")
    batch: int = key(250, "images at a time")
    mistakes: int = key(24, "images of the sheet of the most confident mistakes", whole_number(0, 100))
    corruptions: list[str] = key([], "for evaluate=corruptions: which; default: all", listed(plain_text))
    shifts: list[int] = key([], "for evaluate=shift: pixels; default: 1, 2, 3, 4 at 32 px and in proportion",
                            listed(whole_number(1)))  # fmt: skip
    reaches: list[int] = key([], "for evaluate=attack: of 255, a pixel's largest change; default: 1, 2, 4, 8",
                             listed(whole_number(1, 255)))  # fmt: skip


def help_text() -> str:
    """What ``--help`` prints."""
    told = "\n".join(f"  {name:12} {module.ABOUT}" for name, module in evaluators().items())
    return HELP.replace("{keys}", "\n".join(rows(EvaluateKeys))).replace("{evaluators}", told)


def read_evaluate(words: Sequence[str]) -> EvaluateKeys:
    """The keys of a command line.

    Raises:
        UserError: an unknown word or evaluator, nothing to evaluate or too much of it.
    """
    keys = read_network_keys(
        EvaluateKeys,
        words,
        command=COMMAND,
        alone="an evaluation is of one network; run evaluate.py once for each",
        of={"run": "run=DIR", "weights": "weights=FILE model=NAME", "compare": "compare=RUN_A,RUN_B"},
    )
    _check(keys)
    return keys


def _check(keys: EvaluateKeys) -> None:
    if "," in keys.run and not Path(keys.run).exists():
        raise UserError(f"run={keys.run}: an evaluation is of one run; two are compared with compare={keys.run}")
    if keys.compare and len(keys.compare) != 2:
        raise UserError(f"compare={','.join(keys.compare)}: give two run directories, with a comma between them")
    if keys.compare and keys.kind == "both":
        raise UserError("kind=both: a comparison is of two networks; choose kind=raw or kind=ema")
    for name in keys.evaluate:
        if name not in evaluators():
            known = ", ".join(evaluators())
            raise UserError(f"evaluate={name}: no such evaluator{nearest(name, evaluators())}; there are: {known}")
    if not keys.evaluate:
        raise UserError(f"evaluate: is empty; there are: {', '.join(evaluators())}")
    for name, evaluator, values in (
        ("corruptions", "corruptions", keys.corruptions),
        ("shifts", "shift", keys.shifts),
        ("reaches", "attack", keys.reaches),
    ):
        if values and evaluator not in keys.evaluate:
            raise UserError(
                f"{name}={','.join(map(str, values))}: is of evaluate={evaluator}; add that, or leave it out"
            )
    for name in keys.evaluate:
        evaluators()[name].check(keys)
