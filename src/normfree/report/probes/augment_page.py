"""The report of an augmentation probe: a contact sheet and its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from normfree.config.schema import AugmentConfig, DataConfig
from normfree.report.style import GREY, TWO_COLUMNS, encode, new_figure, paper_style

ORIGINAL = "none"


class Row(Protocol):
    """Images ``[n, H, W, C]`` in [0, 1], and their labels."""

    @property
    def images(self) -> Any: ...

    @property
    def labels(self) -> list[str]: ...


def augment_files(
    rows: Mapping[str, Row],
    settings: Mapping[str, AugmentConfig],
    data: DataConfig,
    name: str,
    command: str,
    made_with: str,
) -> dict[str, bytes]:
    """The sheet as PNG (pictures are pixels) and its page."""
    parts = "\n".join(f"| {row} | {describe(augment)} |" for row, augment in settings.items())
    text = _PAGE.format(
        data=data.label, command=command, name=name, size=data.train_size, parts=parts, made_with=made_with
    )
    return {f"{name}.png": draw_sheet(rows), f"{name}.md": text.encode()}


_PAGE = """\
# Augmentation of {data}, {size} px

    {command}

![The same training images under each augmentation]({name}.png)

*Each column is one training image, each row an augmentation; the first row is the image as it is. Under an image is its
class, or the share of each class where images were mixed.*

| augment | what it does |
| --- | --- |
{parts}

Made with {made_with}.
"""


def describe(augment: AugmentConfig) -> str:
    """The parts of an augmentation in the order in which they act."""
    said = []
    if augment.random_resized_crop:
        said.append("random resized crop")
    if augment.shift:
        said.append(f"crop after padding by {augment.shift} px")
    if augment.flip:
        said.append("flip")
    layers = f"RandAugment, {augment.randaugment_layers} layers of magnitude {augment.magnitude:g}"
    layers += "" if augment.increasing or not augment.randaugment_layers else " on the paper's scale"
    if augment.randaugment_layers and not augment.mix_first:
        said.append(layers)
    mixed = [f"{part} {alpha:g}" for part, alpha in (("MixUp", augment.mixup), ("CutMix", augment.cutmix)) if alpha]
    if mixed:
        said.append(" or ".join(mixed))
    if augment.randaugment_layers and augment.mix_first:
        said.append(layers)
    if augment.erasing:
        said.append(f"erasing of {augment.erasing:.0%} of the images")
    return ", ".join(said) or "nothing"


def draw_sheet(rows: Mapping[str, Row]) -> bytes:
    """One row an augmentation, one column an image."""
    columns = max(len(row.labels) for row in rows.values())
    side = 0.88 * (TWO_COLUMNS - 0.8) / columns
    with paper_style():
        figure = new_figure(TWO_COLUMNS, len(rows) * (side + 0.13) + 0.1)
        grid = figure.subplots(len(rows), columns, squeeze=False)
        for axes, (name, row) in zip(grid, rows.items(), strict=True):
            _draw_row(axes, name, row)
        return encode(figure)["png"]


def _draw_row(axes: Sequence[Any], name: str, row: Row) -> None:
    for place, image, label in zip(axes, row.images, row.labels, strict=True):
        grey = image.shape[-1] == 1
        place.imshow(image[..., 0] if grey else image, cmap="gray" if grey else None, vmin=0, vmax=1)
        place.set_xticks([])
        place.set_yticks([])
        for spine in place.spines.values():
            spine.set_visible(False)
        place.set_xlabel(label, fontsize=4.6, labelpad=1.5, color=GREY)
    axes[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=6.5, labelpad=4)
