"""``evaluate_also``: the end of a run on other images, which changes nothing of the run."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import command_line
from tests.data.images import digits_as_parquet, encoded, write_parquet

from normfree import api
from normfree.config import UserError
from normfree.study.measures import derived_measure

WORDS = [
    *("data=parquet", "data.loader=workers", "data.workers=0", "data.validation_samples=4"),
    *("data.train_size=14", "data.test_size=14", "model=resnet20", "clip=none", "augment=none", "steps=6", "batch=10"),
    *("trainer.threads=1", "optimizer.ema_decay=0.5"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    digits_as_parquet(root / "own", 40, 20)
    digits_as_parquet(root / "few", 16, 10)
    contents, labels = encoded("test", 20)
    for split in ("train", "test"):
        write_parquet(root / "turned" / f"{split}-0.parquet", contents, [1 - each for each in labels])
        write_parquet(root / "others" / f"{split}-0.parquet", contents, labels, names=("cat", "dog"))
    return root


def trained(place: Path, runs: Path, *words: str) -> dict[str, Any]:
    run = api.run([*WORDS, f"data.root={place / 'own'}", f"runs_dir={runs}", *words], progress=False)
    return dict(run.result)


def test_other_images_are_measured_and_the_run_is_the_same(place: Path, tmp_path: Path) -> None:
    also = f"evaluate_also={{few: {{root: {place / 'few'}}}, turned: {{root: {place / 'turned'}}}}}"
    plain, more = trained(place, tmp_path / "a"), trained(place, tmp_path / "b", also)
    assert more["run_id"] == plain["run_id"]
    found = {key: value for key, value in more["metrics"].items() if key.startswith("also/")}
    assert {key: value for key, value in more["metrics"].items() if key not in found} == plain["metrics"]
    accuracy = more["metrics"]["test/accuracy"]
    assert found["also/turned/accuracy"] == pytest.approx(1 - accuracy)
    assert found["also/turned/ema_accuracy"] == pytest.approx(1 - more["metrics"]["test/ema_accuracy"])
    assert found["also/few/accuracy"] * 10 == pytest.approx(round(found["also/few/accuracy"] * 10))
    assert found["also/few/loss"] > 0


def test_a_finished_run_says_that_it_was_not_applied(place: Path, tmp_path: Path) -> None:
    trained(place, tmp_path)
    also = f"evaluate_also.few.root={place / 'few'}"
    answer = command_line("train.py", *WORDS, f"data.root={place / 'own'}", f"runs_dir={tmp_path}", also)
    assert answer.returncode == 0, answer.stderr
    assert "was not applied" in answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("also", "line"),
    [
        ("{few: {rot: PLACE/few}}", "evaluate_also.few.rot=PLACE/few: no such key of data, did you mean 'root'?"),
        ("{few: PLACE/few}", "evaluate_also.few=PLACE/few: give keys of data, such as"),
        ("{few: {root: PLACE/none}}", "there is no file or folder"),
        ("{few: {root: PLACE/others}}", "its classes are others (cat for zero); give images of the same classes"),
        ("{a%b: {root: PLACE/few}}", "evaluate_also.a%b: a name of up to 40 letters, digits and dashes is needed"),
        ("few", "evaluate_also=few: give names with keys of data, such as"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_trained(also: str, line: str, place: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        trained(place, tmp_path, f"evaluate_also={also.replace('PLACE', str(place))}")
    assert line.replace("PLACE", str(place)) in str(error.value)
    assert not list(tmp_path.glob("*/*/result.json"))


def test_it_is_a_measure_of_reports() -> None:
    measure = derived_measure("also/few/accuracy")
    assert measure is not None
    assert (measure.label, measure.share, measure.better) == ("few accuracy", True, "higher")
    assert derived_measure("also/few/nothing") is None
    assert json.dumps(measure.name) == '"also/few/accuracy"'
