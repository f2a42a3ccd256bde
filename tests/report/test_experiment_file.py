"""The experiment file: mistakes are told by their key, and the shipped file is sound."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from normfree.config.errors import UserError
from normfree.report.figures import Context, kind_of, kinds
from normfree.study import Collection, Study
from normfree.study.claims import kinds as claim_kinds
from normfree.study.experiment import load_experiment, parse_experiment

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
GOOD: dict[str, Any] = {
    "series": {"bn": {"where": {"model.name": "resnet20"}}},
    "panels": {"p": {"kind": "accuracy_over", "x": "lr"}},
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"panel": {}, "panels": None}, "experiment.panel: no such key, did you mean 'panels'"),
        ({"rules": {"alfa": 0.1}}, "rules.alfa: no such rule, did you mean 'alpha'"),
        ({"rules": {"alpha": 5}}, "between 0 and 1"),
        ({"figure": ["q"]}, "'q' is no panel"),
        ({"panels": {"p": {"title": "x"}}}, "panels.p: give it a `kind`"),
        (
            {"panels": {"p": {"kind": "accuracy_over", "series": ["bm"]}}},
            "'bm' is no series, did you mean 'bn'",
        ),
        ({"claims": {"c": {"kind": "x"}}}, "claims.c: give it a `kind` and the `claim`"),
        ({"series": {"bn": {}}}, "series.bn: give it a `where`"),
        ({"series": []}, None),
    ],
)
def test_mistakes(changes: dict[str, Any], message: str | None) -> None:
    content = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    if message is None:
        parse_experiment(content, "exp")
        return
    with pytest.raises(UserError, match=message):
        parse_experiment(content, "exp")


@pytest.mark.parametrize(
    ("panel", "message"),
    [
        ({"kind": "accuracy_ovr", "x": "lr"}, "did you mean 'accuracy_over'"),
        ({"kind": "accuracy_over", "xlabel": "lr"}, "did you mean 'x_label'"),
    ],
)
def test_panel_mistakes(panel: dict[str, Any], message: str) -> None:
    parsed = parse_experiment({**GOOD, "panels": {"p": panel}}, "exp")
    with pytest.raises(UserError, match=message):
        kind_of(parsed.panels[0])


def test_a_file_without_the_node_says_so(tmp_path: Path) -> None:
    (tmp_path / "bare.yaml").write_text("seed: 0\n")
    with pytest.raises(UserError, match="no `experiment:` node"):
        load_experiment("bare", tmp_path)
    (tmp_path / "broken.yaml").write_text("a: [1\n")
    with pytest.raises(UserError, match="cannot be read"):
        load_experiment("broken", tmp_path)


@pytest.mark.parametrize("name", sorted(path.stem for path in EXPERIMENTS.glob("*.yaml")))
def test_shipped_experiments_are_sound(name: str) -> None:
    experiment = load_experiment(name, EXPERIMENTS)
    assert experiment.question
    for panel in experiment.panels:
        kind_of(panel)
    for claim in experiment.claims:
        assert claim.kind in claim_kinds()


def test_every_kind_of_panel_explains_its_marks() -> None:
    assert {"accuracy_over", "batch_dependence"} <= set(kinds())
    for name, kind in kinds().items():
        experiment = parse_experiment({**GOOD, "panels": {"p": {"kind": name, "x": "lr"}}}, "exp")
        study = Study(experiment, Collection(pd.DataFrame({"test/accuracy": [0.5], "lr": [1.0]}), Path()))
        context = Context(experiment.panels[0], (), {}, study)
        assert len(kind.caption(context)) > 40
