"""How means and variances travel through fresh networks."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

from normfree.cli.probe_keys import MOST_NETWORKS, ProbeKeys, networks, normalizers, with_normalizers
from normfree.cli.probe_page import Page, train_sizes
from normfree.config import UserError
from normfree.config.key_readers import number, whole_number
from normfree.config.keys import key
from normfree.config.normalizers import facts_of
from normfree.config.normalizers.facts import NormalizerFacts
from normfree.config.normalizers.own import seen_by
from normfree.config.parts import is_target


@dataclass(frozen=True, kw_only=True)
class KEYS(ProbeKeys):
    """What `probe=signal` can be told."""

    about: ClassVar[str] = "means and variances block by block, of fresh networks on Gaussian noise"
    example: ClassVar[str] = "model=resnet50,nf_resnet50"

    model: tuple[str, ...] = key((), f"up to {MOST_NETWORKS} networks with commas between them", networks)
    normalizer: tuple[str, ...] = key(
        (), "each network with each of these, or all; default: its own", normalizers, typed="model.normalizer"
    )
    batch: int = key(16, "images", whole_number(2, 1024))
    image_size: int | None = key(None, "side in pixels; default: each network's training size", whole_number(8, 1024))
    skip_gain: float = key(1.0, "of every NF block; 0 is how they begin, with closed branches", number)

    def check(self) -> None:
        train_sizes(self.model)
        with_normalizers(self.model, self.normalizer)


def run(keys: KEYS, page: Page) -> dict[str, bytes]:
    """Measure, and give the report's files.

    Raises:
        UserError: an unknown network, or one that cannot be measured so.
    """
    found = train_sizes(keys.model)
    from normfree.nets import model_info
    from normfree.probe import signal_at_initialisation
    from normfree.report.probes.signal_page import SignalConditions, signal_files, signal_table, signal_terminal
    from normfree.train.parts.own_normalizer import normalizer_of

    looked = with_normalizers(keys.model, keys.normalizer)
    kinds = {each: _facts(each.normalizer or model_info(each.name).normalizer) for each in looked}
    sizes = {each.label: keys.image_size or found[each.name] for each in looked}
    rows: list[dict[str, Any]] = []
    for each, kind in kinds.items():
        began, size = time.monotonic(), sizes[each.label]
        with page.console.status(f"{each.label}: {keys.batch} images of {size} x {size} px"):
            try:
                measured = signal_at_initialisation(
                    each.name, seed=keys.seed, batch=keys.batch, image_size=size, skip_gain=keys.skip_gain,
                    normalizer=normalizer_of(each.normalizer),
                )  # fmt: skip
            except ValueError as error:
                raise UserError(f"model={each.label}: {error}; give another network or other keys") from error
        about = {"model": each.label} | ({"sees": kind.sees} if keys.normalizer else {})
        rows += [about | asdict(row) for row in measured]
        seconds = time.monotonic() - began
        page.console.print(f"{each.label}: {len(measured) - 1} blocks at {size} px, {seconds:.1f} s", highlight=False)
    table = signal_table(rows)
    page.console.print(signal_terminal(table))
    of_the_batch = tuple(dict.fromkeys(kind.title for kind in kinds.values() if kind.sees == "batch"))
    conditions = SignalConditions(keys.batch, sizes, keys.seed, keys.skip_gain, of_the_batch)
    with page.console.status("drawing"):
        return signal_files(table, conditions, page.name, page.command, page.made_with)


def _facts(normalizer: str) -> NormalizerFacts:
    """What is known of a normaliser, what its statistics see too where it is the user's own."""
    facts = facts_of(normalizer)
    sees: Any = seen_by(normalizer) if is_target(normalizer) else facts.sees
    return replace(facts, sees=sees)
