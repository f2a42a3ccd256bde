"""Writes docs/normalizers.md: a card for each normaliser, of what it says of itself and what was counted and measured.

``python -m normfree.nets.normalizer_cards`` writes the page, ``--check`` says whether it is stale.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from pathlib import Path

from normfree.nets.activations import activation
from normfree.nets.normalizer_choice import choice_table
from normfree.nets.normalizer_measured import STRESS, STUDY, accuracy_rows, stable_rate_rows
from normfree.nets.normalizer_prices import PRICES, price_table
from normfree.nets.normalizers import DEFAULT, SEEN, Normalizer, list_normalizers, normalization, normalizer
from normfree.nets.traffic import layer_bytes

PAGE = Path("docs/normalizers.md")
FIGURE = PRICES.with_suffix(".png")
SIGNAL = Path("reports/probes/signal/resnet50-nf_resnet50-normalizerall-image_size128.csv")

_CHANNELS = 64
_TITLES = {"batch": "Of the batch", "sample": "Of a sample", "none": "Without statistics"}
_ACTIVATIONS = {
    "after": "follows the layer",
    "replaced": "is the layer's own; `model.activation` is refused",
    "inside": "is applied by the layer",
}

_INTRODUCTION = """\
<!-- Written by `make models` from src/normfree/nets/normalizers; edit the files there instead. -->

# Normalisers

What stands where a ResNet has BatchNorm, as one key:

```bash
normfree train -m model=resnet20 model.normalizer=batchnorm,groupnorm
```

and `normfree.create_model("resnet20", normalizer="groupnorm", groups=4)`. Every BatchNorm network of this package takes
one: the ResNets, pre- and post-activation, wide and with Squeeze-and-Excitation, and the NFNet twins. NF networks have
blocks of their own and take none. A run is named by a normaliser that is not its network's own
(`resnet20_groupnorm-...`); parameters keep the names they have with BatchNorm (`blocks.0.bn0.weight`).

What statistics are taken over decides the rest. **Of the batch**: an image's result depends on the images beside it, so
micro batch, devices and accumulation are part of what is trained, and `norm_batch` is recorded. **Of a sample** or
**none**: gradients of a batch in parts are those of the whole. Gains, biases, slopes, thresholds and multipliers have
no weight decay, and each is one unit of AGC.

**Passes** are what forward and backward pass of one layer and a ReLU behind it (its own nonlinearity where it has one)
read and write, in passes over the map, counted by `nets.traffic` from the operations of an eager step in bfloat16; a
BatchNorm takes {batchnorm:.0f}. `torch.compile` fuses most of them. `normfree bench normalizers` measures each beside
torch's or timm's: [on a processor](../reports/benchmarks/README.md).
`fold` (export, serving) makes of a network what can be worked out before images are seen, or refuses in one line.
{measured}"""

_MEASURED = """
**Accuracy** is of the test images, with its 95 % interval over seeds that had no part in choosing the rate; a run has
**failed** if it diverged or did no better than guessing at its end. All of one small network: a ranking of its setting.
"""
_STABLE = """
**The highest stable rate** is the last at which training, its rate raised in stages, had learned and did not break.
"""

_ADVICE = """\
## Together

| beside | what happens |
|---|---|
| `model.ghost_batch`, `model.sync_norm`, `model.freeze_norm` | of BatchNorm; refused with every other |
| `model.groups`, `model.channels_per_group` | of GroupNorm, GroupNorm with weight standardisation, EvoNorm-S0; one of \
the two, and it has to divide the channels of every layer |
| `model.activation` | refused with FRN and EvoNorm, which bring their own |
| `model.alpha_init`, `model.preserve_variance` | of DyT and Derf |
| SkipInit, ReZero | branches begin closed: `outcome.stalled_skip_gain` tells when they stay so |
"""


_SIGNAL = """\
## Signal propagation in a ResNet-50

Means and variances block by block at initialisation, with each normaliser: [the page](../{page}),
made by `normfree report probe=signal`. With BatchNorm the variance after the last block is {batchnorm[avg_var]:.2g},
with GroupNorm {groupnorm[avg_var]:.2g}, with DyT {dyt[avg_var]:.2g}. DyT bounds what is large and does not lift what
is small: at its first alpha of 0.5 a small value leaves it at half its size. A convolution behind a ReLU, whose first
values have a variance of 0.77 / fan_in here, more than halves the mean square again; BatchNorm undoes both at every
layer. So the branch of the first block has a variance of {first[res_avg_var]:.1g} (with BatchNorm
{first_batchnorm[res_avg_var]:.2g}), that of the last one {dyt[res_avg_var]:.1g}: branches add next to nothing, and the
first shortcut of each stage shrinks what there is. After the last block the squared channel mean is {share:.0f} times
the variance: little of what is carried tells images apart. In BatchNorm's place in ResNet-50 on ImageNet the authors
of DyT report 68.9 % for 76.2 % (arXiv 2503.10622), and no loss in that of LayerNorm. What is measured here fits that
and does not prove it: nothing was trained, and other first values shrink less. `model.preserve_variance=true` and a
greater `model.alpha_init` are there to be tried.
"""


def propagation(rows: Path) -> str:
    """What the signal probe's rows tell of DyT in a ResNet-50; empty where there are none."""
    if not rows.exists():
        return ""
    with rows.open(newline="", encoding="utf-8") as file:
        found = {(row["model"], int(row["block"])): row for row in csv.DictReader(file)}
    last = max(block for _, block in found)

    def of(model: str, block: int) -> dict[str, float]:
        return {name: float(found[model, block][name]) for name in ("avg_sq_mean", "avg_var", "res_avg_var")}

    dyt = of("resnet50_dyt", last)
    return _SIGNAL.format(
        page=SIGNAL.with_suffix(".md"),
        batchnorm=of("resnet50", last),
        groupnorm=of("resnet50_groupnorm", last),
        dyt=dyt,
        first=of("resnet50_dyt", 1),
        first_batchnorm=of("resnet50", 1),
        share=dyt["avg_sq_mean"] / dyt["avg_var"],
    )


def passes(name: str) -> float:
    """Of a layer and the ReLU behind it, in passes over the map."""
    from torch import Tensor, nn

    class Activated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = chosen.layer(_CHANNELS, relu)

        def forward(self, x: Tensor) -> Tensor:
            return chosen.overwriting_activation(relu)(self.layer(x))

    chosen, relu = normalization(name), activation("relu")
    return layer_bytes(Activated(), _CHANNELS)


def page(study: Path = STUDY, signal: Path = SIGNAL, prices: Path = PRICES, stress: Path = STRESS) -> str:
    """The whole page in Markdown; it tells of `study`, `signal`, `prices` and `stress` as far as they are there."""
    of_study, of_stress = accuracy_rows(study), stable_rate_rows(stress)
    measured = _MEASURED * bool(of_study) + _STABLE * bool(of_stress)
    parts = [_INTRODUCTION.format(batchnorm=passes(DEFAULT), measured=measured)]
    parts += [table] if (table := choice_table(study, stress, prices, STUDY, FIGURE)) else []
    kinds = [normalizer(name) for name in list_normalizers()]
    for sees, title in _TITLES.items():
        parts.append(f"## {title}\n")
        first = sorted(
            (kind for kind in kinds if kind.sees == sees), key=lambda kind: (kind.name != DEFAULT, kind.name)
        )
        parts += [_card(kind, of_study.get(kind.name, {}) | of_stress.get(kind.name, {})) for kind in first]
    parts.append(_ADVICE)
    parts += [told for told in (price_table(prices), propagation(signal)) if told]
    if (study / "report.md").exists():
        parts.append(
            f"## What we measured\n\nThe same networks and recipe with each: [the report](../{STUDY}/report.md).\n"
        )
    return "\n".join(parts)


def _card(kind: Normalizer, measured: Mapping[str, str]) -> str:
    options = ", ".join(f"`model.{option}`" for option in kind.options) or "none"
    rows = {
        "formula": f"`{kind.formula}`",
        "source": kind.source,
        "statistics see": SEEN[kind.sees],
        "nonlinearity": _ACTIVATIONS[kind.activation],
        "options": options,
        "passes": f"{passes(kind.name):.0f}",
        "fold": "yes" if kind.folds else "refused",
        **measured,
    }
    table = "\n".join(f"| {key} | {value} |" for key, value in rows.items())
    return f"### {kind.title}\n\n`model.normalizer={kind.name}`. {kind.advice}\n\n| | |\n|---|---|\n{table}\n"


def main(arguments: list[str] | None = None) -> int:
    """0, or 1 if ``--check`` finds the page stale."""
    given = sys.argv[1:] if arguments is None else arguments
    text = page()
    if "--check" not in given:
        PAGE.write_text(text, encoding="utf-8")
        print(f"{PAGE}: {len(list_normalizers())} normalisers")
    elif PAGE.read_text(encoding="utf-8") != text:
        print(f"{PAGE} is stale; make models writes it again", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
