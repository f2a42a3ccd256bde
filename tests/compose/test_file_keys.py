"""What is wrong in a configuration file of one's own is told with the file's name."""

from pathlib import Path

import pytest

from normfree.compose.run import compose_run
from normfree.config import UserError


@pytest.mark.parametrize(
    ("place", "content", "words", "line"),
    [
        ("conf/model/mine.yaml", "model:\n  name: resnet20\n", "model=mine",
         "model=mine: conf/model/mine.yaml has no header; write # @package _global_ as its first line"),
        ("conf/model/mine.yaml", "model: {name: resnet20}\noptimizer: {name: sgd}\n", "model=mine", "has no header; "),
        ("experiments/mine.yaml", "experiment:\n  name: mine\n", "experiment=mine",
         "experiment=mine: experiments/mine.yaml has no header; write # @package _global_ as its first line"),
        ("experiments/mine.yaml", "# @package _global_\nexperiment: {name: mine}\nmodl: {name: resnet20}\n",
         "experiment=mine", "experiment=mine: experiments/mine.yaml: modl: no such key, did you mean 'model'?; "),
        ("conf/clip/theirs.yaml", "algorithm: value\nthreshold: 3\n", "clip=theirs",
         "clip=theirs: conf/clip/theirs.yaml: clip.algorithm: no such key; take it out, or the file if it is another"),
        ("conf/optimizer/theirs.yaml", "_target_: torch.optim.SGD\nlr: 0.1\n", "optimizer=theirs",
         "optimizer=theirs: conf/optimizer/theirs.yaml: optimizer.lr: no such key"),
        ("conf/model/theirs.yaml", "# @package _global_\nmodel: {nme: a}\n", "model=theirs",
         "model=theirs: conf/model/theirs.yaml: model.nme: no such key, did you mean 'name'?; take it out"),
    ],
)  # fmt: skip
def test_the_file_is_named(
    place: str, content: str, words: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / place
    file.parent.mkdir(parents=True)
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as told:
        compose_run([words])
    assert line in str(told.value)


def test_one_that_is_right_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place, content in (
        ("conf/clip/mine.yaml", "defaults:\n  - agc\n  - _self_\nclip_factor: 0.5\narguments: null\n"),
        ("experiments/mine.yaml", "# @package _global_\nhydra:\n  mode: MULTIRUN\nexperiment: {name: mine}\nlr: 0.5\n"),
    ):
        file = tmp_path / place
        file.parent.mkdir(parents=True)
        file.write_text(content, encoding="utf-8")
    config = compose_run(["clip=mine", "experiment=mine"]).config
    assert (config.clip.clip_factor, config.experiment.name, config.lr) == (0.5, "mine", 0.5)


@pytest.mark.parametrize(("unit", "value"), [("warmup_steps", 3), ("warmup_share", 0.25), ("warmup_epochs", 0.5)])
@pytest.mark.parametrize("words", [[], ["model=nfnet_f0"], ["optimizer=mine"], ["optimizer.warmup_steps=7"]])
def test_the_nearest_word_on_warm_up_counts(
    unit: str, value: float, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inside, whole = tmp_path / "conf/optimizer/mine.yaml", tmp_path / "experiments/mine.yaml"
    for file in (inside, whole):
        file.parent.mkdir(parents=True)
    inside.write_text(f"defaults:\n  - sgd\n  - _self_\n{unit}: {value}\n", encoding="utf-8")
    warmup = f"optimizer: {{{unit}: {value}}}\n" if words != ["optimizer=mine"] else ""
    whole.write_text(f"# @package _global_\nexperiment: {{name: mine}}\n{warmup}", encoding="utf-8")
    optimizer = compose_run(["experiment=mine", *words]).config.optimizer
    said = {one: getattr(optimizer, one) for one in ("warmup_epochs", "warmup_steps", "warmup_share")}
    expected = {"warmup_steps": 7} if words == ["optimizer.warmup_steps=7"] else {unit: value}
    assert {one: length for one, length in said.items() if length is not None} == expected


def test_two_words_on_warm_up_in_one_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "experiments/mine.yaml"
    file.parent.mkdir()
    file.write_text("# @package _global_\noptimizer: {warmup_steps: 3, warmup_share: 0.1}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"optimizer\.warmup_steps and optimizer\.warmup_share are given: keep one"):
        compose_run(["experiment=mine"])
