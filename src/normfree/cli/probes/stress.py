"""The highest learning rate that an arm stands: one training a seed, its rate raised until it breaks."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from normfree.cli.probe_keys import MOST_NETWORKS, ProbeKeys, networks, normalizers, with_normalizers
from normfree.cli.probe_page import Page, train_sizes
from normfree.config import Resolved, UserError
from normfree.config.key_readers import number, some_text, tupled, whole_number
from normfree.config.keys import key

if TYPE_CHECKING:
    import pandas as pd

INTERRUPTED = "interrupted; trainings that had ended are kept, the same command goes on"
MOST_CLIPS, MOST_SEEDS, MOST_STAGES = 8, 20, 200
_CLIP = re.compile(r"\w+(:\w+=[\w.+-]+)*")
_DIGITS = "mnist5k"


def clips(text: str) -> tuple[str, ...]:
    """Reads clippings with commas between them; their options stand behind colons: ``agc:eps=0.1``."""
    names = tuple(text.split(","))
    if not all(_CLIP.fullmatch(name) for name in names) or len(set(names)) < len(names) or len(names) > MOST_CLIPS:
        raise ValueError(f"give up to {MOST_CLIPS} clippings, each once, such as none,norm:max_norm=0.1,agc:eps=0.1")
    return names


def above_0(text: str) -> float:
    """Reads a rate."""
    value = number(text)
    if value <= 0:
        raise ValueError("give a number above 0")
    return value


@dataclass(frozen=True, kw_only=True)
class KEYS(ProbeKeys):
    """What `probe=stress` can be told.

    Raises:
        UserError: rates that leave no stage, or too many.
    """

    about: ClassVar[str] = "the learning rate raised until training breaks: how much an arm stands"
    example: ClassVar[str] = "model=resnet20,nf_resnet20 clip=none,agc"

    model: tuple[str, ...] = key((), f"up to {MOST_NETWORKS} networks with commas between them", networks)
    normalizer: tuple[str, ...] = key(
        (), "each network with each of these, or all; default: its own", normalizers, typed="model.normalizer"
    )
    clip: tuple[str, ...] = key(("none",), "of each, such as none,norm:max_norm=0.1,agc,agc:eps=0.1", clips)
    seeds: tuple[int, ...] = key(
        (0, 1, 2), "a training each", tupled(whole_number(0, 2**31 - 1), MOST_SEEDS, ordered=True)
    )
    data: str = key(_DIGITS, "option of the group", some_text("the name of an option"))
    root: str | None = key(None, "data.root: where its files are", some_text("a directory"))
    image_size: int | None = key(
        None, "side in pixels; default: 10 for the digits, else the data set's", whole_number(7)
    )
    batch: int = key(64, "images in one optimizer step", whole_number(1))
    lr: float = key(0.0125, "of the first stage", above_0)
    highest: float = key(100.0, "no stage has a higher rate", above_0)
    factor: float = key(math.sqrt(2), "from one stage to the next", above_0)
    steps: int | None = key(None, "of a stage; default: one pass over the training images", whole_number(4))

    def __post_init__(self) -> None:
        if self.factor <= 1 or self.highest <= self.lr:
            raise UserError(f"lr={self.lr:g}: is to rise by factor={self.factor:g} up to highest={self.highest:g}")
        if math.log(self.highest / self.lr) / math.log(self.factor) > MOST_STAGES:
            raise UserError(f"factor={self.factor:g}: makes more than {MOST_STAGES} stages; give a greater one")

    def check(self) -> None:
        train_sizes(self.model)
        with_normalizers(self.model, self.normalizer)


def run(keys: KEYS, page: Page) -> dict[str, bytes]:
    """Train what is not there yet, and give the report's files.

    Raises:
        UserError: an arm that cannot be trained so.
    """
    from normfree.report.build import write
    from normfree.report.probes import stress_page as report
    from normfree.runs import clip_label

    folder = Path(keys.reports_dir) / "probes" / "stress"
    path = folder / f"{page.name}.csv"
    trainings = list(_trainings(keys))
    table = report.read_stages(path)
    code = {each[:2]: _own_code(each[3]) for each in trainings}
    arms = zip(table["model"], table["clip"], table["code"], strict=True)
    stale = [code.get((model, clip), own) != own for model, clip, own in arms]
    if any(stale):
        page.console.print(f"code of yours has changed since {path}: its arms are trained anew", highlight=False)
        table = table[[not one for one in stale]]
    there = {*zip(table["model"], table["clip"], table["seed"], strict=True)}
    left = [each for each in trainings if each[:3] not in there]
    if len(left) < len(trainings):
        page.console.print(f"{len(trainings) - len(left)} of {len(trainings)} trainings are in {path}", highlight=False)
    for model, clip, seed, resolved in left:
        stages = _trained(keys, f"{model} {clip} seed {seed}", resolved, page)
        about = {"model": model, "clip": clip, "label": clip_label(resolved), "seed": seed, "code": code[model, clip]}
        table = _with(table, about, stages)
        write({path.name: report.stages_csv(table)}, folder)
    first = trainings[0][3]
    page.console.print(report.stress_terminal(table))
    conditions = report.StressConditions(
        data=first.config.data.label,
        size=first.config.data.train_size,
        batch=keys.batch,
        steps=_steps(keys, first),
        lr=keys.lr,
        factor=keys.factor,
        highest=keys.highest,
        outcome=first.config.outcome,
    )
    with page.console.status("drawing"):
        return report.stress_files(table, conditions, page.name, page.command, page.made_with)


def _trainings(keys: KEYS) -> Iterator[tuple[str, str, int, Resolved]]:
    from normfree.compose.run import composing
    from normfree.config import resolve

    size = keys.image_size or (10 if keys.data == _DIGITS else None)
    shared = [f"data={keys.data}", f"batch={keys.batch}", "steps=1000", f"lr={keys.lr}", "optimizer.warmup_steps=0"]
    shared += [f"data.train_size={size}", f"data.test_size={size}"] if size is not None else []
    shared += [f"data.root={keys.root}"] if keys.root is not None else []
    with composing() as compose:
        looked = with_normalizers(keys.model, keys.normalizer)
        for network, clip, seed in product(looked, keys.clip, keys.seeds):
            name, *options = clip.split(":")
            words = [f"model={network.name}", f"clip={name}", *(f"clip.{each}" for each in options), *shared]
            words += [f"seed={seed}"]
            words += [f"model.normalizer={network.normalizer}"] if network.normalizer is not None else []
            yield network.label, clip, seed, resolve(compose(words), words)


def _steps(keys: KEYS, resolved: Resolved) -> int:
    return keys.steps or resolved.steps_per_epoch


def _trained(keys: KEYS, name: str, resolved: Resolved, page: Page) -> list[Any]:
    from normfree.train.stress import stress

    with page.console.status(name) as status:

        def told(lr: float, step: int) -> None:
            status.update(f"{name}: learning rate {lr:.3g}, step {step} of {_steps(keys, resolved)}")

        stages = stress(resolved, keys.factor, _steps(keys, resolved), keys.highest, told)
    last = stages[-1]
    end = f"broke at {last.lr:.3g} ({last.broke})" if last.broke else f"did not break up to {last.lr:.3g}"
    page.console.print(f"{name}: {end}", highlight=False, markup=False, soft_wrap=True)
    return stages


def _own_code(resolved: Resolved) -> str:
    """The digest of what is the user's own in an arm; empty where nothing is."""
    from normfree.runs.identity import with_own_code

    return "-".join(with_own_code(resolved).own_code.values())


def _with(table: pd.DataFrame, about: dict[str, Any], stages: list[Any]) -> pd.DataFrame:
    import pandas as pd

    rows = [{**about, **vars(each)} for each in stages]
    return pd.concat([table, pd.DataFrame(rows)], ignore_index=True) if len(table) else pd.DataFrame(rows)
