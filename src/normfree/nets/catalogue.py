"""Writes docs/models.md: every network with its twin, what it costs, and what the paper says of it.

``python -m normfree.nets.catalogue`` writes the page, ``--check`` says whether it is stale.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from normfree.nets.cost import count_macs, count_parameters
from normfree.nets.published import FINETUNED, FINETUNED_SIZES, PUBLISHED, TABLE_4, Published
from normfree.nets.registry import create_model, list_models, model_info

PAGE = Path("docs/models.md")

_INTRODUCTION = """\
<!-- Written by `make models` from the registry; edit src/normfree/nets/catalogue.py or published.py instead. -->

# Networks

A name is what `normfree train model=NAME` and `normfree.create_model("NAME")` take; a twin has the same stages, widths
and shortcuts and the other normaliser.

- **Parameters** and **G multiply-adds** are counted from the networks as they are here, with 1000 classes and 3 input
  channels. A multiply-add, which the NFNet paper calls a FLOP, is one multiplication with its addition in a
  convolution, a Squeeze-and-Excitation or the classifier; the table has 10⁹ of them for the forward pass of one image.
  The paper prints those at the size of testing. They do not tell how fast a network is: [bench.py](../bench.py)
  measures it beside timm, torchvision or the twin, as `normfree bench nets`.
- **px** is the side of the square images in the paper's recipe, and 32 for the small networks; a run can change it.
- **top-1 / top-5** and **TPUv3 / V100** are printed in the NFNet paper
  ([arXiv 2102.06171](https://arxiv.org/abs/2102.06171), the table in the last column) and not measured here: accuracy
  on the validation images of ImageNet, with a single crop at the size of testing; time of a training step with 32
  images a device, on the V100 in float16. A blank or a dash means that this paper prints no such number.
"""

_FAMILIES = {
    "nfnet": "NFNets",
    "bn_nfnet": "NFNets with BatchNorm",
    "nf_resnet": "NF-ResNets",
    "resnet": "ResNets with BatchNorm",
    "nf_regnet": "NF-RegNets",
    "speednet": "Small fast networks",
    "efficientnet": "EfficientNets",
}
"""Titles, in the page's order; a family that is not in here follows under its own name."""

_NOTES = {
    "nfnet": """\
F7 is in the released code and not in the paper. Of F4+ the paper (table 5) gives 527 M parameters and 367 G
multiply-adds; the released code, which this network equals, has 524.95 M and 333.39 G. SAM is no part of that code.

With `model.standardization=timm model.activation=gelu_erf` an NFNet computes what timm's `dm_nfnet` computes with the
same weights; left alone, it computes what the released code does. `load_weights` reads the weights of both.""",
    "bn_nfnet": """\
The paper's ablation gives numbers of its BatchNorm NFNets and few details, and the released code has none of them:
where BatchNorm goes is this package's reading, and the paper's network may differ from it. With BatchNorm, F4 and F5
were unstable in the paper; they are not here.""",
    "nf_resnet": """\
Their paper is arXiv 2101.08692, from which this page quotes nothing. Accuracies after pre-training, which the NFNet
paper prints, are in a table below.""",
    "resnet": """\
The rows ResNet-50 and SENet-50 of table 3 do not say whether activation comes before the convolutions, as in all of
these but one, or after them, as in `resnet50_v1`; ResNet-50 is shown with both.""",
    "nf_regnet": """\
Their paper is arXiv 2101.08692, from which this page quotes nothing. At sizes that are no multiple of 32 the released
code counts fewer multiply-adds, because it halves odd sides to fractions where the network rounds up.""",
    "speednet": """\
Keller Jordan's airbench network (arXiv 2404.00498) for 32 px, with BatchNorm, with nothing in its place and with scaled
weight standardisation; no residual branches. Its first convolution whitens patches: its filters are set from training
images when a run begins, and are not trained. The one without normalisation wants `optimizer=sphere`.""",
    "efficientnet": """\
Built by torchvision, as peers to hold NFNets against. Accuracies are those that the NFNet paper quotes; it has no rows
for B1 and B2.""",
}

_HEADER = (
    "name",
    "twin",
    "parameters",
    "G multiply-adds, training",
    "G multiply-adds, testing",
    "top-1 / top-5, %",
    "TPUv3 / V100, ms",
    "paper",
)

_END = """\
## Networks of timm

With timm installed, `normfree train model=timm model.name=resnet18` trains any network of timm, and
`normfree.create_model("timm/resnet18")` builds it; one without BatchNorm needs what its
layers are as well, such as `model.normalizer=layernorm`.
`normfree.list_models("timm")` names them. Weights are fresh; none are fetched.
"""


@dataclass(frozen=True)
class Cost:
    """Learnable numbers, and multiply-adds of one image at the sizes of training and testing."""

    parameters: int
    train_macs: int
    test_macs: int


def cost(name: str) -> Cost:
    """Counts on the meta device, with 1000 classes and 3 input channels.

    Raises:
        ValueError: no such network, or its library is not installed.
    """
    info = model_info(name)
    with torch.device("meta"):
        model = create_model(name)
    macs = {size: count_macs(model, size) for size in {info.train_size, info.test_size}}
    return Cost(count_parameters(model), macs[info.train_size], macs[info.test_size])


def page(cost_of: Callable[[str], Cost] = cost) -> str:
    """The whole page in Markdown; `cost_of` is asked once for every registered network."""
    found = {model_info(name).family for name in list_models()}
    families = [*(family for family in _FAMILIES if family in found), *sorted(found - set(_FAMILIES))]
    sections = [_INTRODUCTION]
    for family in families:
        names = sorted(list_models(family), key=_natural)
        rows = [row for name in names for row in _rows(name, cost_of(name))]
        table = _table(_HEADER, rows, right=(2, 3, 4, 5, 6))
        parts = [f"## {_FAMILIES.get(family, family)}", table, *([_NOTES[family]] if family in _NOTES else [])]
        sections.append("\n\n".join(parts) + "\n")
    return "\n".join([*sections, _finetuned(), _END])


def _rows(name: str, cost: Cost) -> list[tuple[str, ...]]:
    info = model_info(name)
    told = PUBLISHED.get(name, ())
    first, *others = (_told(row) for row in told) if told else [("", "", "")]
    counted = (
        f"`{name}`",
        f"`{info.twin}`" if info.twin else "",
        f"{cost.parameters:,}",
        f"{_giga(cost.train_macs)} at {info.train_size} px",
        f"{_giga(cost.test_macs)} at {info.test_size} px",
    )
    return [(*counted, *first), *((f"`{name}`", "", "", "", "", *other) for other in others)]


def _told(row: Published) -> tuple[str, str, str]:
    source = f"{row.source}, {row.how}" if row.how else row.source
    return _pair(row.top1, row.top5), _pair(row.tpu_ms, row.gpu_ms), source


def _pair(first: float | None, second: float | None) -> str:
    """Both numbers as printed, with one decimal; an absent one is a dash, and two of them are nothing."""
    if first is None and second is None:
        return ""
    return " / ".join("-" if number is None else f"{number:,.1f}" for number in (first, second))


def _giga(macs: int) -> str:
    return f"{macs / 1e9:.2f}" if macs >= 1e9 else f"{macs / 1e9:.3f}"


def _finetuned() -> str:
    header = ("name", *(f"{size} px" for size in FINETUNED_SIZES), "paper")
    rows = [(f"`{name}`", *(f"{top1:.1f}" for top1 in row), TABLE_4) for name, row in FINETUNED.items()]
    return f"""\
## After pre-training on JFT-300M

Top-1 in percent on ImageNet, as the NFNet paper prints it, of networks pre-trained on 300 million labelled images that
are not public, and fine-tuned at three sizes. The paper gives NFNet-F4+, pre-trained for 20 epochs, 89.2 (table 5).

{_table(header, rows, right=(1, 2, 3))}
"""


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int]) -> str:
    """A Markdown table whose source is aligned too; columns in `right` are set to the right."""
    lines = [header, *rows]
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(header))]

    def line(fields: Sequence[str]) -> str:
        padded = (c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(fields, widths, strict=True)))
        return f"| {' | '.join(padded)} |"

    rule = ("-" * (width - 1) + ":" if i in right else "-" * width for i, width in enumerate(widths))
    return "\n".join([line(header), f"| {' | '.join(rule)} |", *(line(row) for row in lines[1:])])


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts f9 before f10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _counted_aloud(name: str) -> Cost:
    """`cost`, with the name on a terminal's last line meanwhile."""
    if sys.stderr.isatty():
        print(f"\r\033[Kcounting {name}", end="", file=sys.stderr, flush=True)
    return cost(name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0; 1 if the page is stale under ``--check``; 2 after one line on standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m normfree.nets.catalogue",
        description="Write the page of all networks: twins, parameters, multiply-adds, published accuracy and latency. "
        "It counts on no device and takes half a minute.",
    )
    parser.add_argument("path", metavar="PAGE", nargs="?", type=Path, default=PAGE, help=f"default: {PAGE}")
    parser.add_argument("--check", action="store_true", help="write nothing; end with exit code 1 if the page is stale")
    given = parser.parse_args(arguments)
    try:
        if not given.path.parent.is_dir():
            raise ValueError(f"{given.path}: there is no folder {given.path.parent}; make it, or give another PAGE")
        if given.check and not given.path.exists():
            raise ValueError(
                f"{given.path}: there is no such page; leave out --check to write it, or give another PAGE"
            )
        before = given.path.read_text(encoding="utf-8") if given.check else None
        text = page(_counted_aloud)
        if before is None:
            given.path.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        print(f"catalogue: {error}", file=sys.stderr)
        return 2
    finally:
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)
    if before is None:
        print(f"{given.path}: {len(list_models())} networks")
    elif before != text:
        print(f"{given.path} is stale; make models writes it again", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
