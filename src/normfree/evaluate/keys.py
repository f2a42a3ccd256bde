"""What ``evaluate.py`` can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from normfree.config import UserError
from normfree.config.errors import nearest
from normfree.config.key_readers import choice, listed, optional, plain_text, some_text, whole_number
from normfree.config.keys import key, read_keys, rows
from normfree.evaluate.evaluators import evaluators

COMMAND = "python evaluate.py"
KINDS = ("raw", "ema", "both")
SPLITS = ("test", "validation", "train", "all")
CLASSES = ("same", "by_name", "by_number")
PASSED_ON = ("data", "model")
"""Groups whose words go to where a run's configuration is composed."""

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
class EvaluateKeys:
    """What is evaluated, on what, and where it is written."""

    run: str = key("", "a run directory", some_text("a run directory"))
    weights: str = key("", "or a file of weights", some_text("a file of weights"))
    out: str = key("", "folder of the result; default: evaluations/NAME", some_text("a folder"))
    evaluate: list[str] = key(["test"], "evaluators, see below", listed(plain_text))
    compare: list[str] = key([], "two run directories, on the same images", listed(plain_text))
    checkpoint: str = key("final", "or best, of a run with trainer.evaluate_every", choice("final", "best"))
    kind: str = key("raw", "weights as trained, ema (their moving average) or both", choice(*KINDS))
    fold: bool = key(False, "with the weights worked out once: same outputs, less work")
    split: str = key("test", "or validation, train; all for a set without a split of its own", choice(*SPLITS))
    size: int | None = key(None, "side of the images in pixels; default: as the run tested", optional(whole_number(1)))
    classes: str = key("same", "of other images: by_name finds each by its name, by_number takes numbers as they are",
                       choice(*CLASSES))  # fmt: skip
    device: str = key("auto", "cpu or cuda", choice("auto", "cpu", "cuda"))
    devices: int = key(1, "processes that share the images, on cuda each with a GPU")
    batch: int = key(250, "images at a time")
    mistakes: int = key(24, "images of the sheet of the most confident mistakes", whole_number(0, 100))
    corruptions: list[str] = key([], "for evaluate=corruptions: which; default: all", listed(plain_text))
    shifts: list[int] = key([], "for evaluate=shift: pixels; default: 1, 2, 3, 4 at 32 px and in proportion",
                            listed(whole_number(1)))  # fmt: skip
    reaches: list[int] = key([], "for evaluate=attack: of 255, a pixel's largest change; default: 1, 2, 4, 8",
                             listed(whole_number(1, 255)))  # fmt: skip
    data_words: list[str] = field(default_factory=list)
    model_words: list[str] = field(default_factory=list)


def help_text() -> str:
    """What ``--help`` prints."""
    told = "\n".join(f"  {name:12} {module.ABOUT}" for name, module in evaluators().items())
    return HELP.replace("{keys}", "\n".join(rows(EvaluateKeys))).replace("{evaluators}", told)


def read_evaluate(words: Sequence[str]) -> EvaluateKeys:
    """The keys of a command line.

    Raises:
        UserError: an unknown word or evaluator, nothing to evaluate or too much of it.
    """
    passed = {group: [word for word in words if is_passed_on(group, word)] for group in PASSED_ON}
    rest = [word for word in words if not any(is_passed_on(group, word) for group in PASSED_ON)]
    alone = "an evaluation is of one network; run evaluate.py once for each"
    keys = read_keys(EvaluateKeys, rest, command=COMMAND, further=PASSED_ON, flags={"-m": alone, "--multirun": alone})
    keys.data_words, keys.model_words = passed["data"], passed["model"]
    _check(keys)
    return keys


def is_passed_on(group: str, word: str) -> bool:
    """Whether a word is of one of the groups of `PASSED_ON`."""
    name, equals, _ = word.partition("=")
    return bool(equals) and name.split(".")[0] == group


def _check(keys: EvaluateKeys) -> None:
    given = [name for name in ("run", "weights", "compare") if getattr(keys, name)]
    if not given:
        raise UserError("run: is missing; give run=DIR, weights=FILE model=NAME, or compare=RUN_A,RUN_B")
    if len(given) > 1:
        first, second = given[:2]
        both = f"{first}={_typed(keys, first)} and {second}={_typed(keys, second)}"
        raise UserError(f"{both}: give one of them")
    if "," in keys.run and not Path(keys.run).exists():
        raise UserError(f"run={keys.run}: an evaluation is of one run; two are compared with compare={keys.run}")
    if keys.compare and len(keys.compare) != 2:
        raise UserError(f"compare={','.join(keys.compare)}: give two run directories, with a comma between them")
    if keys.model_words and not keys.weights:
        raise UserError(f"{keys.model_words[0]}: a run says of which network it is; model= is for weights=FILE")
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


def _typed(keys: EvaluateKeys, name: str) -> str:
    value = getattr(keys, name)
    return value if isinstance(value, str) else ",".join(value)
