"""Panels over many values: marks in place of texts that nobody could read; and no mark that is not there."""

from dataclasses import replace

import pytest
from tests.report import synthetic

from normfree.report.caption import caption_of
from normfree.report.figures import kind_of
from normfree.report.layout import _context
from normfree.report.style import new_figure
from normfree.study import Collection, Experiment, Panel, Study, collect
from normfree.study.experiment import parse_experiment

RATES = [round(0.05 * 1.2**number, 4) for number in range(30)]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Collection]:
    folder = tmp_path_factory.mktemp("many")
    runs = [synthetic.made("nf_resnet20", "none", 64, lr, seed, None, ["g"]) for lr in RATES for seed in range(2)]
    synthetic.write(runs, folder / "exp")
    return parse_experiment({}, "exp"), collect("exp", folder)


def drawn(
    study: tuple[Experiment, Collection], kind: str, where: dict[str, object]
) -> tuple[list[str], list[str], str]:
    """Texts within the axes, labels of the ticks, and the caption; of a panel whose every line has a place."""
    panel = Panel("p", kind, "Title", where, (), {"x": "lr"})
    context = _context(panel, Study(replace(study[0], panels=(panel,)), study[1]))
    axes = new_figure(4, 3).add_subplot()
    kind_of(panel).draw(axes, context)
    # One that is empty and not clipped takes part in the layout, and panels shrink.
    assert all(len(line.get_xdata()) for line in axes.lines)  # type: ignore[arg-type]
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    return [text.get_text() for text in axes.texts], ticks, caption_of([context])


@pytest.mark.parametrize(
    ("kind", "said"), [("accuracy_over", "too many for its counts"), ("trained_share", "too many")]
)
def test_many_values_have_marks_and_few_ticks(many: tuple[Experiment, Collection], kind: str, said: str) -> None:
    texts, ticks, caption = drawn(many, kind, {})
    assert not [text for text in texts if "/2" in text]
    assert 4 < len(ticks) <= 8
    assert said in caption
    texts, ticks, caption = drawn(many, kind, {"lr": {"min": 0.2, "max": 2}})
    assert [text for text in texts if "/2" in text]
    assert len(ticks) == sum(0.2 <= lr <= 2 for lr in RATES)
    assert said not in caption


def test_curves_of_nothing_are_no_error(many: tuple[Experiment, Collection]) -> None:
    panel = Panel("p", "learning_curves", "Title", {}, (), {"y": "grad/norm_before"})
    context = _context(panel, Study(many[0], many[1]))
    axes = new_figure(4, 3).add_subplot()
    kind_of(panel).draw(axes, context)
    assert not axes.collections
    assert axes.get_ylabel() == "gradient norm before clipping"
