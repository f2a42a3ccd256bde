"""An arm of one seed is one mark; series stand beside each other only where there are others, a mark's width apart."""

from pathlib import Path

import numpy as np
import pytest
from tests.report import synthetic

from normfree.report.axes import Places
from normfree.report.caption import caption_of
from normfree.report.figures import Context, kind_of
from normfree.report.layout import _context, _legend
from normfree.report.style import new_figure
from normfree.study import Study, collect
from normfree.study.experiment import parse_experiment

PANEL = {"panels": {"p": {"kind": "accuracy_over", "x": "lr"}}}


def study(folder: Path, seeds: int) -> Context:
    arms = (("resnet20", "none", 0.1), ("resnet20", "none", 0.2), ("nf_resnet20", "norm", 0.2))
    runs = [synthetic.made(net, clip, 64, lr, seed, 64, ["g"]) for net, clip, lr in arms for seed in range(seeds)]
    synthetic.write(runs, folder / "exp")
    found = Study(parse_experiment(PANEL, "exp"), collect("exp", folder))
    return _context(found.experiment.panels[0], found)


def drawn(context: Context) -> list[float]:
    axes = new_figure(4, 3).add_subplot()
    kind_of(context.panel).draw(axes, context)
    return sorted(float(x) for line in axes.lines for x in np.asarray(line.get_xdata()) if line.get_marker() != "None")


def labels(context: Context) -> list[str]:
    return [str(entry.get_label()) for entry in _legend([context])][2:]


def test_the_only_seed_is_one_mark(tmp_path: Path) -> None:
    context = study(tmp_path, 1)
    # The first stands at its rate, as no other series is there.
    assert drawn(context) == pytest.approx([0.0, 0.97, 1.03])
    assert labels(context) == ["the only seed"]
    assert "A large mark without a bar is the only seed of its arm." in caption_of([context])


def test_several_have_their_mean_beside_them(tmp_path: Path) -> None:
    context = study(tmp_path, 2)
    assert labels(context) == ["mean, 95 % interval", "one seed"]
    assert "the only seed" not in caption_of([context])


@pytest.mark.parametrize(("values", "count"), [(2, 2), (2, 7), (4, 3), (9, 12)])
def test_series_keep_to_their_value(values: int, count: int) -> None:
    where = Places(tuple(float(value) for value in range(values)))
    shifts = [where.dodge(index, count) for index in range(count)]
    assert sum(shifts) == pytest.approx(0)
    assert max(shifts) <= 0.24 + 1e-9
    assert shifts[1] - shifts[0] == pytest.approx(where.step(count))
    assert where.aside(count) < where.step(count)
    assert Places((1.0,)).dodge(0, 1) == 0
