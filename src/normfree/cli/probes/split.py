"""What cutting one batch over devices and accumulation changes."""

from __future__ import annotations

import math
import tempfile
import time
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, NamedTuple

from normfree.cli.probe_keys import MOST_NETWORKS, MOST_NUMBERS, ProbeKeys, networks
from normfree.cli.probe_page import Page, train_sizes
from normfree.config import Resolved, UserError
from normfree.config.key_readers import tupled, whole_number
from normfree.config.keys import key

DIGIT_SIZES = (7, 10, 14, 20, 28)


def digit_size(text: str) -> int:
    """Reads a size at which the embedded digits exist."""
    if not text.isascii() or not text.isdigit() or int(text) not in DIGIT_SIZES:
        raise ValueError(f"give one of {', '.join(map(str, DIGIT_SIZES))}")
    return int(text)


class Cut(NamedTuple):
    """One way to cut a batch: ``devices x micro_batch x accumulation``."""

    devices: int
    micro_batch: int
    accumulation: int


def _counts(most: int) -> Any:
    return tupled(whole_number(1, most), MOST_NUMBERS, ordered=True)


@dataclass(frozen=True, kw_only=True)
class KEYS(ProbeKeys):
    """What `probe=split` can be told.

    Raises:
        UserError: a batch or a ghost batch that does not divide.
    """

    about: ClassVar[str] = "one batch cut over devices and accumulation: what that changes"
    example: ClassVar[str] = "model=nf_resnet20,nfnet_nano,resnet20"

    model: tuple[str, ...] = key(("nf_resnet20", "nfnet_nano", "resnet20"), f"up to {MOST_NETWORKS} networks", networks)
    batch: int = key(48, "digits in one optimizer step", whole_number(2, 1024))
    devices: tuple[int, ...] = key((1, 2), "processes, with commas between them", _counts(64))
    accumulation: tuple[int, ...] = key((1, 2, 4), "micro batches a device adds up to one step", _counts(64))
    ghost_batch: tuple[int, ...] | None = key(
        None, "each a case of every BatchNorm network; default: 1 and the smallest micro batch", _counts(1024)
    )
    steps: int = key(4, "optimizer steps", whole_number(1, 1000))
    image_size: int = key(14, f"side in pixels: {', '.join(map(str, DIGIT_SIZES))}", digit_size)

    def __post_init__(self) -> None:
        for devices in self.devices:
            for count in self.accumulation:
                if self.batch % (unit := devices * count):
                    lower, upper = self.batch // unit * unit, (self.batch // unit + 1) * unit
                    nearest = f"batch={lower} or batch={upper}" if lower else f"batch={upper}"
                    raise UserError(
                        f"batch={self.batch}: does not divide into devices={devices} x accumulation={count} = {unit}; "
                        f"use {nearest}"
                    )
        for ghost in self.ghost_batches:
            for cut in self.cuts:
                if cut.micro_batch % ghost:
                    raise UserError(
                        f"ghost_batch={ghost}: does not divide the micro batch of {cut.micro_batch} images "
                        f"(devices={cut.devices} x accumulation={cut.accumulation}); "
                        f"use a divisor of {math.gcd(*(one.micro_batch for one in self.cuts))}"
                    )

    def check(self) -> None:
        train_sizes(self.model)

    @property
    def cuts(self) -> list[Cut]:
        """The batch in one piece, then every other cut, from large to small micro batches."""
        asked = {(devices, count) for devices in self.devices for count in self.accumulation} | {(1, 1)}
        found = [Cut(devices, self.batch // (devices * count), count) for devices, count in asked]
        return sorted(found, key=lambda cut: (-cut.micro_batch, cut.devices))

    @property
    def ghost_batches(self) -> tuple[int, ...]:
        """Those asked for, or one image and the smallest micro batch."""
        if self.ghost_batch is not None:
            return self.ghost_batch
        return tuple(sorted({1, math.gcd(*(cut.micro_batch for cut in self.cuts))}))


class _Case(NamedTuple):
    """A network with its clipping and its ghost batches; the names are those of the report's columns."""

    model: str
    clip: str
    ghost_batch: int | None


def run(keys: KEYS, page: Page) -> dict[str, bytes]:
    """Train every case in every cut, and give the report's files.

    Raises:
        UserError: an unknown network, or more processes than cores.
    """
    from normfree.nets import model_info
    from normfree.train.cut_law import CutRow, cut_law
    from normfree.train.lightning_noise import quieten
    from normfree.train.ranks.rank import check_cores

    quieten()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="normfree-split-") as place:
        cases: dict[_Case, list[Resolved]] = {}
        for model in keys.model:
            normed = model_info(model).normalizer == "batchnorm"
            for ghost in (None, *(keys.ghost_batches if normed else ())):
                case = _Case(model, "none" if normed else "agc", ghost)
                cases[case] = [
                    _cut_run(keys, case, cut, f"{place}/{len(cases)}-{cut.devices}-{cut.accumulation}")
                    for cut in keys.cuts
                ]
        for run in (run for runs in cases.values() for run in runs):
            check_cores(run.config.trainer)
        from normfree.report.probes.cut_figure import cut_label
        from normfree.report.probes.cut_page import CutConditions, case_name, cut_files, cut_table, cut_terminal

        for case, runs in cases.items():
            name = case_name(case.model, case.clip, case.ghost_batch, runs[0].norm_batch is not None)
            with page.console.status(name) as status:

                def told(row: CutRow, name: str = name, status: Any = status) -> None:
                    status.update(f"{name}: {cut_label(row.devices, row.micro_batch, row.accumulation)} done")

                began = time.monotonic()
                measured = cut_law(runs, told)
            rows += [{"case": name, **case._asdict(), **asdict(row)} for row in measured]
            seconds = time.monotonic() - began
            page.console.print(f"{name}: {len(runs)} cuts, {seconds:.1f} s", highlight=False)
    table = cut_table(rows)
    page.console.print(cut_terminal(table))
    conditions = CutConditions(keys.batch, keys.steps, keys.seed, keys.image_size)
    with page.console.status("drawing"):
        return cut_files(table, conditions, page.name, page.command, page.made_with)


def _cut_run(keys: KEYS, case: _Case, cut: Cut, place: str) -> Resolved:
    """The run of one cut: nothing in it is random but what the seed and the image decide."""
    from normfree.compose.run import compose_run

    options = [
        f"model={case.model}", f"clip={case.clip}", "data=mnist5k", "augment=shift", "recipe=small",
        f"data.train_size={keys.image_size}", f"data.test_size={keys.image_size}", f"batch={keys.batch}",
        f"steps={keys.steps}", f"seed={keys.seed}", f"optimizer.warmup_steps={min(1, keys.steps - 1)}",
        "precision=64-true", "model.drop_rate=0", "model.stochastic_depth_rate=0", "trainer=ddp_cpu",
        f"trainer.devices={cut.devices}", f"trainer.micro_batch={cut.micro_batch}", "trainer.threads=1",
        f"runs_dir={place}",
    ]  # fmt: skip
    if case.ghost_batch is not None:
        options.append(f"model.ghost_batch={case.ghost_batch}")
    return compose_run(options)
