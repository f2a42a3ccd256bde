"""The same training images under each augmentation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from normfree.cli.probe_keys import MOST_NUMBERS, ProbeKeys
from normfree.cli.probe_page import Page
from normfree.config.key_readers import number, some_text, tupled, whole_number
from normfree.config.keys import key
from normfree.config.sources import SOURCES

MOST_OPTIONS = 12


def options(text: str) -> tuple[str, ...]:
    """Reads names of options with commas between them."""
    names = tuple(text.split(","))
    if not all(re.fullmatch(r"\w+", name) for name in names) or len(set(names)) < len(names):
        raise ValueError("give each option once, with commas between them, such as crop_flip,mixup")
    if len(names) > MOST_OPTIONS:
        raise ValueError(f"give up to {MOST_OPTIONS} options")
    return names


def option(text: str) -> str:
    """Reads the name of an option."""
    if not re.fullmatch(r"\w+", text):
        raise ValueError("give the name of an option, such as mnist5k")
    return text


@dataclass(frozen=True, kw_only=True)
class KEYS(ProbeKeys):
    """What `probe=augment` can be told."""

    about: ClassVar[str] = "a contact sheet: the same training images under each augmentation"
    example: ClassVar[str] = "augment=crop_flip,mixup,paper_f0"

    augment: tuple[str, ...] = key((), f"up to {MOST_OPTIONS} options of the group with commas between them", options)
    data: str = key("mnist5k", "option of the group", option)
    root: str | None = key(None, "data.root: where its files are", some_text("a directory"))
    image_size: int | None = key(None, "side in pixels; default: the data set's, or 128", whole_number(7, 512))
    magnitude: tuple[float, ...] = key(
        (),
        "augment.magnitude, or several with commas between them; default: each option's",
        tupled(number, MOST_NUMBERS),
    )
    images: int = key(10, "columns of the sheet", whole_number(2, 16))


def run(keys: KEYS, page: Page) -> dict[str, bytes]:
    """Draw the sheet, and give the report's files.

    Raises:
        UserError: an unknown option, or no images.
    """
    from normfree.compose.run import compose_run

    size = keys.image_size
    # Sets without a size of their own take the network's, of which there is none here.
    if size is None and any(keys.data in source.names and not source.own_size for source in SOURCES):
        size = 128
    options = [f"data={keys.data}", f"batch={keys.images}", "steps=1000", f"seed={keys.seed}", "data.workers=0"]
    options += [f"data.train_size={size}", f"data.test_size={size}"] if size is not None else []
    options += [f"data.root={keys.root}"] if keys.root is not None else []
    runs = {}
    for name in ("none", *(name for name in keys.augment if name != "none")):
        run = compose_run([*options, f"augment={name}"])
        if not keys.magnitude or not run.config.augment.randaugment_layers:
            runs[name] = run
            continue
        for magnitude in keys.magnitude:
            row = name if len(keys.magnitude) == 1 else f"{name} {magnitude:g}"
            runs[row] = compose_run([*options, f"augment={name}", f"augment.magnitude={magnitude}"])
    with page.console.status("reading images"):
        from normfree.data import contact_sheet

        rows = {name: contact_sheet(run) for name, run in runs.items()}
    from normfree.report.probes.augment_page import augment_files

    settings = {name: run.config.augment for name, run in runs.items()}
    with page.console.status("drawing"):
        return augment_files(rows, settings, runs["none"].config.data, page.name, page.command, page.made_with)
