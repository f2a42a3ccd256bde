"""Where configurations lie: the user's own before normfree's."""

from pathlib import Path

import pytest
from tests.conftest import ROOT

from normfree.config import UserError
from normfree.config.places import Places, packaged, short


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_in_an_empty_folder_all_is_normfrees(here: Path) -> None:
    places = Places.of()
    assert packaged() == ROOT / "conf"
    assert places.folders == [packaged()]
    assert places.find("model/resnet20.yaml") == packaged() / "model" / "resnet20.yaml"
    assert "quickstart" in places.options("experiment")
    assert places.is_group("model")
    assert not places.is_group("modle")
    assert places.find("model/none.yaml") is None


def test_ones_own_are_added_and_come_first(here: Path) -> None:
    mine = write(here / "conf/model/mine.yaml")
    other = write(here / "conf/model/resnet20.yaml")
    question = write(here / "experiments/question.yaml")
    places = Places.of()
    assert places.find("model/mine.yaml") == mine
    assert list(places.every("model/resnet20.yaml")) == [other, packaged() / "model" / "resnet20.yaml"]
    assert places.find("experiment/question.yaml") == question
    assert {"mine", "resnet20", "resnet56"} <= set(places.options("model"))
    assert {"question", "quickstart"} <= set(places.options("experiment"))
    assert places.folders_of("experiment") == [here / "experiments", packaged() / "experiment"]
    assert short(question) == Path("experiments/question.yaml")


def test_the_repository_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert Places.of(beside=ROOT / "train.py").layers == Places.of().layers
    assert Places.of().folders == [packaged()]
    assert [path.name for path in Places.of().folders_of("experiment")] == ["experiment"]


def test_a_folder_that_is_named_takes_the_place_of_conf(here: Path) -> None:
    write(here / "conf/model/mine.yaml")
    named = write(here / "other/model/named.yaml")
    places = Places.of(here / "other")
    assert places.find("model/named.yaml") == named
    assert places.find("model/mine.yaml") is None
    with pytest.raises(UserError, match=r"^conf=nowhere: no configuration there"):
        Places.of(Path("nowhere"))


def test_a_folder_beside_the_script_comes_after_ones_own(here: Path) -> None:
    beside = write(here / "clone/conf/model/resnet20.yaml")
    write(here / "clone/conf/model/beside.yaml")
    own = write(here / "conf/model/resnet20.yaml")
    places = Places.of(beside=here / "clone/train.py")
    assert list(places.every("model/resnet20.yaml"))[:2] == [own, beside]
    assert places.find("model/beside.yaml") is not None


def test_a_link_that_was_checked_out_as_a_text_is_no_group(here: Path) -> None:
    write(here / "conf/experiment", "../experiments")
    assert Places.of().folders_of("experiment") == [packaged() / "experiment"]
    assert "quickstart" in Places.of().options("experiment")


def test_a_folder_that_cannot_be_read_is_one_line(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "conf").mkdir()
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(UserError, match=r"conf: cannot be read; make it readable"):
        Places.of()


@pytest.mark.parametrize(("text", "ours"), [("defaults: [schema, _self_]\n", True), ("defaults: [db: mysql]\n", False)])
def test_the_primary_configuration_of_another_project_is_none(here: Path, text: str, ours: bool) -> None:
    own = write(here / "conf/train.yaml", text)
    assert Places.of().find("train.yaml") == (own if ours else packaged() / "train.yaml")
