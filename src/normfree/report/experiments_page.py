"""docs/experiments.md: the keys of an experiment file, its kinds of panel and claim, factors and measures, by example.

python -m normfree.report.experiments_page docs/experiments.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from normfree.report.figures import kinds
from normfree.runs.outcomes import DEFINITIONS
from normfree.study.claims import kinds as claim_kinds
from normfree.study.factor_names import COLUMNS, FACTOR_NAMES, word_of
from normfree.study.measures import MEASURES, SECONDS_PER_STEP

PAGE = "docs/experiments.md"

KEYS: dict[str, str] = {
    "name": "of the folders of its runs and of its report: that of the file; runs go to `single` without it",
    "question": "what is asked, in one sentence",
    "command": "how its runs are made; `normfree train -m experiment=NAME` where it is left out",
    "grids": "what is trained: names of grids, each with `arms` (lines of overrides) and keys with values or `search`",
    "trials": "a search by Optuna over a space of configurations ([search.md](search.md))",
    "sizes": "the same question elsewhere, as `size=gpu`: names with `set` (overrides), `seed`, `grids`, `cost`, ...",
    "series": "the lines of its figures: names with `label` and `where`, or `by: [model, clip]` for all combinations",
    "panels": "the figures: names with `kind`, `title`, `where`, `series` and the keys of the kind",
    "figure": "the panels of the main figure, in order; the first four where it is left out",
    "claims": "sentences that runs support, refute or leave open: names with `kind`, `claim` and the keys of the kind",
    "rules": "`alpha` 0.05, of all claims together; `level` 0.95, of intervals; `minimum_seeds` 3, to conclude",
    "threats": "what limits the conclusions, as sentences; more are found in the runs",
}
OPTIONS: dict[str, str] = {
    "x": "the factor along the axis",
    "y": "the factor upwards; of `learning_curves` a column of metrics.csv",
    "x_label": "what stands along the axis, in place of the factor's name",
    "y_label": "what stands beside the axis",
    "y_scale": "`log` or `linear`; by itself what becomes the measure",
    "measure": "what is shown or compared, in place of the test accuracy",
    "conditions": "measures by what stands along the axis for them",
    "best_of": "a factor, such as `lr`, of whose values validation chooses one for each series and place",
    "baseline": "the series that the others are compared with",
    "threshold": "the largest difference that counts as none, such as 1.0e-9",
    "at_least": "how many seeds have to train; all where it is left out",
    "target": "validation accuracy, or value of the measure, to reach: a share of 1",
    "unit": "`epochs`, `steps`, `seconds` of the run or `training_seconds` of its steps; in claims the first or last",
    "budget": "milliseconds, where the dashed line stands",
    "published": "columns of published numbers by series",
    "factor": "the factor of which the highest value that trains is compared; `lr` where it is left out",
    "ratio": "how many times as much A is claimed to take; 1 where it is left out",
    "margin": "by how much, as a share of 1 or in the measure's unit",
    "under": "the condition of which it is claimed, as `where` with a `label`",
    "beside": "the condition that it is compared with",
    "minimum_difference": "of the shares of runs that train, for the claim to be supported",
    "minimum_runs": "runs a side from which it is decided; `rules.minimum_seeds` where it is left out",
}
PANELS: dict[str, str] = {
    "accuracy_over": "{kind: accuracy_over, title: Accuracy, x: batch, where: {lr: 0.4}}",
    "bars": "{kind: bars, title: Time of a step, measure: seconds_per_step, baseline: bn}",
    "batch_dependence": "{kind: batch_dependence, title: Dependence, where: {batch: 64}, threshold: 1.0e-9}",
    "clipped_layers": "{kind: clipped_layers, title: What AGC clipped, where: {batch: 64, seed: 0}, series: [agc]}",
    "difference_over": "{kind: difference_over, title: To BatchNorm, x: lr, baseline: bn, where: {batch: 64}}",
    "frontier": "{kind: frontier, title: Largest rate that trains, x: batch, y: lr, at_least: 2}",
    "heat_map": "{kind: heat_map, title: Rate and batch, x: batch, y: lr, series: [agc]}",
    "ladder": "{kind: ladder, title: Ablation, where: {batch: 64, lr: 0.4}, published: {table 2: {bn: 83.6}}}",
    "learning_curves": "{kind: learning_curves, title: Training loss, y: train/loss, where: {batch: 64}}",
    "over_conditions": "{kind: over_conditions, title: Else, where: {batch: 64, lr: 0.4}, conditions: {a: test/loss}}",
    "pareto": "{kind: pareto, title: Accuracy for its latency, budget: 16, x_label: latency of 32 images (ms)}",
    "skip_gain": "{kind: skip_gain, title: How far skip gains opened, x: lr, where: {batch: 64}, series: [nf, agc]}",
    "time_to_target": "{kind: time_to_target, title: Epochs to 90 %, x: lr, target: 0.9, where: {batch: 64}}",
    "trained_share": "{kind: trained_share, title: Runs that trained, x: lr, where: {batch: 64}}",
    "trials_over": "{kind: trials_over, title: Learning rate, x: lr}",
}
CLAIMS: dict[str, str] = {
    "batch_independent": "{kind: batch_independent, claim: NF sees images alone., a: nf, b: bn, threshold: 1.0e-9}",
    "costs_more": "{kind: costs_more, claim: NF takes 1.5 x, a: nf, b: bn, ratio: 1.5, measure: 'epochs_to:0.9'}",
    "equal_accuracy": "{kind: equal_accuracy, claim: AGC is as accurate to 2 points., a: agc, b: bn, margin: 0.02}",
    "higher_accuracy": "{kind: higher_accuracy, claim: BN is faster., a: bn, b: agc, measure: 'epochs_to:0.9'}",
    "higher_frontier": "{kind: higher_frontier, claim: BN stands higher rates by an octave., a: bn, b: nf, margin: 1}",
    "interaction": "{kind: interaction, claim: AGC gives more at 64., a: agc, b: nf, "
    "under: {where: {batch: 64}}, beside: {where: {batch: 16}}, margin: 0.01}",
    "longer_schedule": "{kind: longer_schedule, claim: NF trains longer., a: nf, b: bn, target: 0.9, ratio: 1.5}",
    "trains_more_often": "{kind: trains_more_often, claim: AGC steadies., a: agc, b: nf, minimum_difference: 0.25}",
}
SERIES = """\
    bn: {label: BN-ResNet, where: {model: resnet20}}
    nf: {label: "NF-ResNet, no clipping", where: {model: nf_resnet20, clip: none}}
    agc: {label: "NF-ResNet, AGC 0.01", where: {clip: AGC 0.01}}"""
_HEAD = f"""\
# The experiment file

One file a question, `experiments/NAME.yaml`: what is trained, what is drawn, what is claimed. `normfree train -m
experiment=NAME` trains what is missing, `normfree report experiment=NAME` draws it. This page is written from the
code: `make experiments`.

A sweep needs no file: `normfree report experiment=NAME` draws any runs, `x=batch series=model,clip panel=lr
where='clip=agc lr=0.1,0.4' measure=test/loss` choose, and `write=experiments/NAME.yaml` saves the figure with the sweep
as a file to be edited. With `size=column` (3.3 in) or `size=page` (6.9 in) the figures are also written for a paper,
with their captions as texts, to `reports/NAME/paper/`; a panel alone has no title there.

```yaml
# @package _global_
# Question, command, expected result, hardware and time: for who reads it.
hydra: {{mode: MULTIRUN}}
steps: 300

experiment:
  name: rates
  question: Up to which learning rate does a residual network train without BatchNorm?
  rules: {{alpha: 0.05, level: 0.95, minimum_seeds: 3}}
  grids:
    rates:
      arms:
        - model=resnet20 clip=none
        - model=nf_resnet20 clip=none
        - model=nf_resnet20 clip=agc
      batch: 16,64
      lr: 0.1,0.4,1.6
      seed: 0,1,2
  series:
{SERIES}
  panels:
    accuracy: {PANELS["accuracy_over"]}
    trained: {PANELS["trained_share"]}
  claims:
    clipping: {CLAIMS["trains_more_often"]}
```
"""


def page() -> str:
    """The text."""
    return "\n".join([
        _HEAD,
        "## Keys of `experiment:`\n",
        _table(("key", "what it is"), ((f"`{key}`", text) for key, text in KEYS.items())),
        _CONDITIONS,
        _factors(),
        "Any other key of the configuration that differs between runs goes by its own name, such as `model.width`.\n",
        "## Kinds of panel\n",
        "Each takes `title`, `where` and `series` (names of some series, in order) beside its own keys.\n",
        *map(_panel, kinds()),
        _SIDES,
        *map(_claim, claim_kinds()),
        "## Measures\n",
        _measures(),
        _outcomes(),
    ])  # fmt: skip


_CONDITIONS = """\
## Conditions

A `where` holds factors with a value, a list of values (any of them), a range `{min: 0.4, max: 3.2}`, or null (none
recorded). `grids` asks for the runs of a grid, `clip` for the name of a clipping or its label. A series or a `where`
that matches no run is told among the threats.
"""
_SIDES = """\
## Kinds of claim

`a` and `b` are the two sides: a series, or `{series:, where:, label:}`; `where` holds for both. Claims that need a test
are corrected for their number (Holm). [Why](decisions/0008-report-verdicts.md).
"""


def _panel(name: str) -> str:
    kind = kinds()[name]
    return f"### `{name}`\n\n{kind.about}\n\n{_options(kind.options)}{_example(name, PANELS)}"


def _claim(name: str) -> str:
    _, options = claim_kinds()[name]
    about = " ".join((import_module(f"normfree.study.claims.{name}").__doc__ or "").split())
    own = options - {"a", "b", "where"}
    return f"### `{name}`\n\n{about}\n\n{_options(own)}{_example(name, CLAIMS)}"


def _example(name: str, examples: Mapping[str, str]) -> str:
    return f"```yaml\n{name}: {examples[name]}\n```\n" if name in examples else ""


def _options(names: Iterable[str]) -> str:
    order = list(OPTIONS)
    known = [name for name in order if name in names] + sorted(set(names) - set(order))
    rows = [f"- `{name}`: {OPTIONS[name]}" if name in OPTIONS else f"- `{name}`" for name in known]
    return "\n".join(rows) + "\n\n" if rows else ""


def _factors() -> str:
    words = {word_of(column): name.label for column, name in FACTOR_NAMES.items() if column != "clip.name"}
    columns = {word: column for word, column in COLUMNS.items() if word_of(column) == word}
    rows = [(f"`{word}`", f"`{columns.get(word, word)}`", label) for word, label in sorted(words.items())]
    return _table(("factor", "column of runs.csv", "what it is"), rows)


def _measures() -> str:
    rows = [(f"`{one.name}`", one.axis, one.better) for one in (*MEASURES.values(), SECONDS_PER_STEP)]
    names = "`epochs_to:0.9`, `steps_to:0.9`, `seconds_to:0.9`, `training_seconds_to:0.9`"
    targets = (names, "until 90 % validation accuracy was first reached", "lower")
    return _table(("measure", "what it is", "better"), [*rows, targets])


def _outcomes() -> str:
    rows = [f"- **{name}**: {text}" for name, text in DEFINITIONS.items()]
    return "## Outcomes\n\n" + "\n".join(rows) + "\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def main(words: Sequence[str]) -> None:
    """Write the page to the path that is given."""
    path = Path(words[0] if words else PAGE)
    path.write_text(page(), encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
