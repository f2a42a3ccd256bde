"""docs/experiments.md is what the code says, and its examples can be drawn."""

from pathlib import Path

import pytest
import yaml
from tests.report import synthetic

from normfree.report import experiments_page
from normfree.report.experiments_page import CLAIMS, KEYS, OPTIONS, PANELS, SERIES
from normfree.report.figures import kind_of, kinds
from normfree.report.layout import _context
from normfree.report.style import new_figure
from normfree.study import Study, judge
from normfree.study.claims import kinds as claim_kinds
from normfree.study.collect import collect
from normfree.study.derived import with_derived
from normfree.study.experiment import _KEYS, parse_experiment

TRIALS = (
    "trial,outcome,accuracy,short_accuracy,latency_ms,arm_id,lr\n0,finished,0.9,0.4,8,x,0.1\n1,pruned,,0.2,9,,0.4\n"
)
LATENCY = "arm_id,latency_ms,latency_low,latency_high\nresnet20-none-b64-lr0.1-bn64,10,9,11\n"
ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_code_says() -> None:
    stored = (ROOT / experiments_page.PAGE).read_text(encoding="utf-8")
    assert stored == experiments_page.page(), "docs/experiments.md is stale: make experiments"


def test_every_kind_and_key_is_told() -> None:
    assert set(PANELS) == set(kinds())
    assert set(CLAIMS) == set(claim_kinds())
    assert set(_KEYS) <= set(KEYS)
    own = {option for kind in kinds().values() for option in kind.options}
    own |= {option for _, options in claim_kinds().values() for option in options - {"a", "b", "where"}}
    assert own <= set(OPTIONS)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    arms = [("resnet20", "none"), ("nf_resnet20", "none"), ("nf_resnet20", "agc01")]
    made = [
        synthetic.made(model, clip, 64, lr, seed, 64 if model == "resnet20" else None, ["g"])
        for model, clip in arms
        for lr in (0.1, 0.4)
        for seed in range(3)
    ]
    synthetic.write(made, folder / "exp")
    (folder / "exp" / "trials.csv").write_text(TRIALS)
    (folder / "exp" / "latency.csv").write_text(LATENCY)
    return folder


def test_the_examples_are_drawn_and_decided(runs: Path) -> None:
    experiment = parse_experiment(
        {
            "series": yaml.safe_load(SERIES),
            "panels": {name: yaml.safe_load(text) for name, text in PANELS.items()},
            "claims": {name: yaml.safe_load(text) for name, text in CLAIMS.items()},
        },
        "exp",
    )
    study = Study(experiment, with_derived(experiment, collect("exp", runs)))
    for panel in experiment.panels:
        kind_of(panel).draw(new_figure(4, 3).add_subplot(), _context(panel, study))
    assert len(judge(experiment, study.collection.table)) == len(CLAIMS)
