"""Runs that start from weights: what they start with, what of it is trained, and what their names depend on."""

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.runs_on_disk import rows, weights
from tests.train.ranks.test_ranks import furthest
from tests.train.test_laws import StopAfter, without_time

from normfree.api import load_run
from normfree.config import Resolved, UserError
from normfree.nets import save_weights
from normfree.runs import RunDirectory, arm_id, run_id
from normfree.train.parts.network import build_network
from normfree.train.parts.weights import give_weights
from normfree.train.preflight import preflight
from normfree.train.run import run_one

BN = ("model=resnet20", "clip=none")
NF = ("model=nf_resnet20",)
STRIPES = ("data=synthetic", "data.channels=1", "data.mean=[0]", "data.std=[1]", "data.test_size=7", "batch=50")
"""Other images of digits' shape, which have their classes but for their number."""
Tiny = Callable[..., Resolved]


def trained(tiny: Tiny, *overrides: str) -> Path:
    """The directory of a run that came to its end."""
    run = tiny(*overrides)
    run_one(run, [])
    return RunDirectory.of(run).path


def values(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix("network."): value for name, value in state.items()}


def finished(run: Path, status: str = "finished") -> None:
    """Call a run so, whatever eight steps have taught it."""
    file = run / "result.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | {"status": status}), encoding="utf-8")


@pytest.mark.parametrize("network", [BN, NF, ("model=nfnet_nano",)], ids=lambda words: words[0])
@pytest.mark.parametrize("kind", ["raw", "ema"])
def test_without_a_step_it_is_the_source(tiny: Tiny, network: tuple[str, ...], kind: str) -> None:
    source = trained(tiny, *network, "optimizer.ema_decay=0.9", "trainer.channels_last=true")
    run = tiny(*network, f"model.weights={source}", f"model.weights_kind={kind}", "seed=5")
    made = build_network(run)
    give_weights(made, run)
    images = torch.rand(6, 1, 7, 7, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(made.eval()(images), load_run(source).load_network(weights=kind)(images))


@pytest.mark.parametrize("freeze", ["stem,0,2", "all"])
@pytest.mark.parametrize("network", [BN, NF], ids=lambda words: words[0])
def test_what_is_frozen_stays_to_the_bit_and_all_else_moves(tiny: Tiny, network: tuple[str, ...], freeze: str) -> None:
    source = trained(tiny, *network)
    words = (f"model.weights={source}", f"model.freeze=[{freeze}]", "optimizer.ema_decay=0.5", "optimizer.sam_rho=0.05")
    run = tiny(*network, *words, "optimizer.weight_decay=0.1", "steps=30")
    result = run_one(run, [])
    before, after = values(weights(source)), values(weights(run))
    average = load_run(RunDirectory.of(run).path).load_network(weights="ema").state_dict()
    frozen = {name for name, one in build_network(run).named_parameters() if not one.requires_grad}
    stages = ("stem", "blocks.0.", "blocks.1.", "blocks.2.", "blocks.6.", "blocks.7.", "blocks.8.")
    head = ("classifier.",)
    names = {name for name, _ in build_network(run).named_parameters()}
    assert frozen == {name for name in names if (name.startswith(stages) if freeze != "all" else name[:11] not in head)}
    for name in before:
        same = torch.equal(before[name], after[name])
        assert same == (name in frozen), name
        assert not same or torch.equal(average[name], before[name]), name
    assert result["model"]["freeze"] == freeze.split(",")
    assert result["model"]["trained_parameters"] == sum(before[name].numel() for name in names - frozen)


@pytest.mark.parametrize("freeze", [(), ("model.freeze=[stem,0]",)])
def test_frozen_statistics_stay_as_they_are(tiny: Tiny, freeze: tuple[str, ...]) -> None:
    source = trained(tiny, *BN)
    run = tiny(*BN, f"model.weights={source}", "model.freeze_norm=true", "lr=0.002", *freeze)
    result = run_one(run, [])
    assert result["status"] != "diverged", result["reason"]
    before, after = values(weights(source)), values(weights(run))
    buffers = [name for name, _ in build_network(run).named_buffers()]
    assert len(buffers) > 50
    assert all(torch.equal(before[name], after[name]) for name in buffers)
    assert not torch.equal(before["blocks.4.conv0.weight"], after["blocks.4.conv0.weight"])
    assert not torch.equal(before["blocks.4.bn1.weight"], after["blocks.4.bn1.weight"])
    assert (result["model"]["freeze_norm"], result["batch"]["norm_batch"]) == (True, None)
    assert result["batch_dependence"] is not None
    assert result["batch_dependence"]["logits_train_vs_eval"] == 0
    assert max(result["batch_dependence"].values()) < 1e-12
    network = build_network(run).train()
    images = torch.rand(6, 1, 7, 7)
    trained_as = network(images)
    assert torch.equal(trained_as, network.eval()(images))
    assert torch.equal(trained_as[:2], network.train()(images[:2]))


@pytest.mark.parametrize("network", [(*BN, "model.freeze_norm=true"), NF], ids=lambda words: words[0])
def test_accumulation_equals_the_big_batch(tiny: Tiny, tmp_path: Path, network: tuple[str, ...]) -> None:
    source = trained(tiny, *network[:2])
    common = (*network, f"model.weights={source}", "model.freeze=[stem,0]", "precision=64-true", "steps=4", "lr=0.1")
    common = (*common, "optimizer.layer_decay=0.5")
    whole = tiny(*common, f"runs_dir={tmp_path / 'whole'}")
    parts = tiny(*common, "trainer.micro_batch=10")
    run_one(whole, [])
    result = run_one(parts, [])
    assert result["batch"]["accumulation"] == 5
    assert run_id(parts) == run_id(whole)
    for name, value in weights(parts).items():
        torch.testing.assert_close(value, weights(whole)[name], rtol=1e-10, atol=1e-12)


def test_ranks_equal_one_process(tiny: Tiny, tmp_path: Path) -> None:
    source = trained(tiny, *BN)
    common = (*BN, f"model.weights={source}", "model.freeze_norm=true", "model.freeze=[stem,0]", "precision=64-true")
    common = (*common, "steps=4", "lr=0.1", "batch=48")
    whole = tiny(*common, f"runs_dir={tmp_path / 'whole'}")
    parts = tiny(*common, "trainer=ddp_cpu")
    one, several = run_one(whole, []), run_one(parts, [])
    assert several["run_id"] == one["run_id"]
    assert furthest(weights(parts), weights(whole)) < 1e-10
    before, after = values(weights(source)), values(weights(parts))
    assert all(
        torch.equal(before[name].double(), after[name].double()) for name, _ in build_network(parts).named_buffers()
    )


@pytest.mark.parametrize(
    "words",
    [
        (*BN, "lr=0.05", "model.freeze=[stem,1]", "model.freeze_norm=true"),
        (*NF, "optimizer.layer_decay=0.7", "model.head=new"),
    ],
)
def test_resuming_changes_nothing_and_needs_no_weights(tiny: Tiny, tmp_path: Path, words: tuple[str, ...]) -> None:
    source = trained(tiny, *words[:2], "lr=0.02")
    moved = tmp_path / "moved"
    shutil.copytree(source, moved)
    whole = tiny(*words, f"model.weights={source}", f"runs_dir={tmp_path / 'whole'}")
    expected = run_one(whole, [])
    command = (*words, f"model.weights={moved}", "seed=0")
    stopped = run_one(tiny(*command), [], stop=StopAfter(4))
    assert stopped["status"] == "preempted"
    shutil.rmtree(moved)
    again = tiny(*command)
    assert again.config.model.weights_sha256 == whole.config.model.weights_sha256
    resumed = run_one(again, [])
    assert resumed["attempts"] == 2
    ours, theirs = without_time(dict(resumed)), without_time(dict(expected))
    for each in (ours, theirs):
        each["weights"] = {key: value for key, value in each["weights"].items() if key not in ("name", "run")}
    assert ours == theirs
    for name, value in weights(again).items():
        assert torch.equal(value, weights(whole)[name]), name


def test_one_rate_for_all_is_as_without(tiny: Tiny, tmp_path: Path) -> None:
    plain = tiny(*NF)
    one = tiny(*NF, "optimizer.layer_decay=1", f"runs_dir={tmp_path / 'one'}")
    assert run_id(plain) == run_id(one)
    run_one(plain, [])
    run_one(one, [])
    assert all(torch.equal(value, weights(one)[name]) for name, value in weights(plain).items())


def test_the_rate_in_the_record_is_that_of_the_head(tiny: Tiny, tmp_path: Path) -> None:
    decayed, plain = tiny(*NF, "optimizer.layer_decay=0.5"), tiny(*NF, f"runs_dir={tmp_path / 'plain'}")
    for run in (decayed, plain):
        run_one(run, [])
    assert [row["lr"] for row in rows(decayed)] == [row["lr"] for row in rows(plain)]
    assert run_id(decayed) != run_id(plain)


def test_a_run_is_named_by_its_weights_and_not_by_their_place(tiny: Tiny, tmp_path: Path) -> None:
    source, other = trained(tiny, *NF), trained(tiny, *NF, "seed=1")
    moved = tmp_path / "elsewhere"
    shutil.copytree(source, moved)
    network = load_run(source).load_network()
    save_weights(network, tmp_path / "own.safetensors", architecture="nf_resnet20")
    torch.save(network.state_dict(), tmp_path / "bare.pt")
    final = "checkpoints/final.ckpt"
    places = (source, moved, source / final, moved / final, tmp_path / "own.safetensors", tmp_path / "bare.pt")
    assert len({run_id(tiny(*NF, f"model.weights={place}")) for place in places}) == 1
    fresh, here = tiny(*NF), tiny(*NF, f"model.weights={source}")
    assert len({run_id(run) for run in (fresh, here, tiny(*NF, f"model.weights={other}"))}) == 3
    for words in ("model.head=new", "model.freeze=[stem]", "model.freeze=[all]", "optimizer.layer_decay=0.9"):
        assert run_id(tiny(*NF, f"model.weights={source}", words)) != run_id(here), words
    assert run_id(here).startswith("nf_resnet20-ft-agc")
    assert arm_id(here) != arm_id(tiny(*NF, f"model.weights={other}"))


def test_of_an_experiment_the_run_of_the_same_seed_is_taken(tiny: Tiny, tmp_path: Path) -> None:
    pre = ("experiment.name=pre",)
    sources = {seed: trained(tiny, *NF, *pre, f"seed={seed}") for seed in (0, 1)}
    sources[2] = trained(tiny, *NF, *pre, "seed=1", "clip=none")
    trained(tiny, *BN, *pre, "seed=1")
    for run in sources.values():
        finished(run)
    runs = [tiny(*NF, "model.weights=pre", f"seed={seed}") for seed in (0, 1)]
    assert [run.config.model.weights_run for run in runs] == [sources[0].name, sources[1].name]
    unclipped = tiny(*NF, "model.weights=pre", "seed=1", "clip=none")
    assert unclipped.config.model.weights_run == sources[2].name
    assert run_id(runs[0]) != run_id(runs[1])
    assert arm_id(runs[0]) == arm_id(runs[1]) != arm_id(tiny(*NF))
    alone = tiny(*NF, f"model.weights={sources[1]}", "seed=1")
    assert run_id(alone) == run_id(runs[1])
    result = run_one(runs[1], [])
    assert result["weights"] == {
        "name": "pre", "kind": "raw", "sha256": runs[1].config.model.weights_sha256, "run": sources[1].name,
        "head": "keep",
    }  # fmt: skip
    assert result["arm_id"] == arm_id(runs[0])


def test_a_classifier_of_other_classes_is_that_of_a_fresh_network(tiny: Tiny) -> None:
    source = trained(tiny, *NF)
    run = tiny(*NF, *STRIPES, "data.classes=7", f"model.weights={source}", "seed=4")
    assert run.config.model.head == "new"
    torch.manual_seed(4)
    made, plain = build_network(run), torch.manual_seed(4) and build_network(run)
    give_weights(made, run)
    state, fresh, before = made.state_dict(), plain.state_dict(), values(weights(source))
    for name, value in state.items():
        assert torch.equal(value, fresh[name] if name.startswith("classifier.") else before[name]), name
    assert run_one(run, [])["weights"]["head"] == "new"


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_050"])
def test_a_network_of_timm_starts_from_timms_own_weights(tiny: Tiny, tmp_path: Path, name: str, wrapped: bool) -> None:
    """Its names and padding are those of the network here; DistributedDataParallel writes ``module.`` before them."""
    timm = pytest.importorskip("timm")
    state = timm.create_model(name, num_classes=10).state_dict()
    held = {"state_dict": {f"module.{key}": value for key, value in state.items()}}
    torch.save(held if wrapped else state, tmp_path / "timm.pth")
    size = ("data=synthetic", "data.classes=10", "data.train_size=32", "data.test_size=32")
    run = tiny("model=timm", f"model.name={name}", "clip=none", *size, f"model.weights={tmp_path / 'timm.pth'}")
    network = build_network(run)
    give_weights(network, run)
    found = network.state_dict()
    assert all(torch.equal(found[f"network.{key}"], value) for key, value in state.items())


def test_other_images_have_a_classifier_of_their_own_unless_told(tiny: Tiny) -> None:
    """Ten classes of one data set are not the ten of another."""
    source = trained(tiny, *NF)
    words = (*NF, *STRIPES, "data.classes=10")
    assert tiny(*words, f"model.weights={source}").config.model.head == "new"
    assert tiny(*words, f"model.weights={source}", "model.head=keep").config.model.head == "keep"
    assert tiny(*NF, f"model.weights={source}").config.model.head == "keep"


WRONG = [
    (NF, ("model.weights=nowhere",), r"model\.weights=nowhere: there is no such file or folder.*experiment=nowhere"),
    (NF, ("model.weights=SOURCE", *BN), r"^model=resnet20: .* are of a run of model=nf_resnet20; give that"),
    (NF, ("model.weights=SOURCE", "model.width=[8,16,32]"), r"width=\[8, 16, 32\]: .*give model\.width=\[16, 32, 64\]"),
    (NF, ("model.weights=SOURCE", "model.alpha=0.3"), r"model\.alpha=0\.3: .* of a run of model\.alpha=0\.2; give"),
    (NF, ("model.weights=SOURCE/checkpoints/final.ckpt", "model.activation=gelu"), r"activation=gelu.*activation=relu"),
    (NF, ("model.weights=COPY", *BN), r"model\.weights=.*: does not fit model=resnet20: .* missing .*; give the model"),
    (NF, ("model.weights=SOURCE", "model.freeze=[3]"), r"model\.freeze=\[3\]: the parts of nf_resnet20 are stem, 0, 1"),
    (NF, ("model.weights=SOURCE", "model.freeze=[head]"), r"model\.freeze=\[head\]: choose from stem"),
    (NF, ("model.freeze=[]",), r"model\.freeze=\[\]: choose from stem"),
    (NF, ("model.freeze=[all,0]",), r"give \[all\] alone"),
    (NF, ("model.freeze_norm=true",), r"model\.freeze_norm=true: nf_resnet20 has no BatchNorm"),
    (BN, ("model.freeze_norm=true", "model.ghost_batch=10"), r"model\.ghost_batch=10: frozen statistics see no batch"),
    (BN, ("model.freeze_norm=true", "model.sync_norm=true"), r"model\.sync_norm=true: frozen statistics see no batch"),
    (NF, ("model.freeze=[stem]", "clip.stages=[stem]"), r"clip\.stages=\[stem\]: all of it is frozen"),
    (NF, ("model.weights=SOURCE", "model.weights_kind=ema"), r"keeps no moving average"),
    (NF, ("model.weights=NAN",), r"model\.weights=.*nan\.ckpt: classifier\.bias has numbers that are not finite"),
    (NF, ("model.weights=SOURCE", "model.weights_sha256=abc"), r"give 64 hexadecimal digits"),
    (NF, ("model.weights=SOURCE", f"model.weights_sha256={'a' * 64}"), r"aaaaaaaaaaaa\.\.\.: the weights in .* have"),
    (NF, ("model.weights=SOURCE", *STRIPES, "data.classes=7", "model.head=keep"), r"is for 10 classes and .* has 7"),
    (
        NF,
        ("model.weights=SOURCE", "data=synthetic", "data.channels=3", "data.test_size=7"),
        r"data\.channels=3: model\.weights=.* was trained on images of 1 channels",
    ),
    (NF, ("model.weights=FOLDER",), r"no weights, no run and no runs lie in"),
    (NF, ("optimizer.layer_decay=0",), r"optimizer\.layer_decay=0\.0: must be greater than 0"),
    (NF, ("optimizer.layer_decay=2",), r"optimizer\.layer_decay=2\.0: must be greater than 0 and at most 1"),
]


@pytest.mark.parametrize(("network", "words", "line"), WRONG, ids=lambda each: "" if each in (BN, NF) else None)
def test_what_does_not_fit_is_one_line_before_anything_starts(
    tiny: Tiny, tmp_path: Path, network: tuple[str, ...], words: tuple[str, ...], line: str
) -> None:
    (tmp_path / "empty").mkdir()
    source = (
        trained(tiny, *network, "steps=1", "optimizer.warmup_steps=0") if "model.weights=SOURCE" in str(words) else ""
    )
    if "model.weights=COPY" in words:
        source = shutil.copy(trained(tiny, *network) / "checkpoints/final.ckpt", tmp_path / "copy.ckpt")
    if "model.weights=NAN" in words:
        state = values(weights(trained(tiny, *network)))
        state["classifier.bias"] = torch.full_like(state["classifier.bias"], math.inf)
        torch.save(state, source := str(tmp_path / "nan.ckpt"))
    known = {"NAN": str(source), "SOURCE": str(source), "COPY": str(source), "FOLDER": str(tmp_path / "empty")}
    filled = [re.sub("SOURCE|COPY|FOLDER|NAN", lambda found: known[found[0]], word) for word in words]
    with pytest.raises(UserError, match=line) as told:
        preflight(tiny(*network, *filled))
    assert "\n" not in str(told.value)


def test_of_an_experiment_what_is_there_is_told(tiny: Tiny) -> None:
    run = trained(tiny, *NF, "experiment.name=pre", "seed=1")
    finished(run, "untrained")
    with pytest.raises(UserError, match=r"no finished run of model=nf_resnet20 to take: .* is untrained"):
        tiny(*NF, "model.weights=pre")
    with pytest.raises(UserError, match=r"has runs of nf_resnet20, and none of model=resnet20"):
        tiny(*BN, "model.weights=pre")
    finished(run)
    assert tiny(*NF, "model.weights=pre").config.model.weights_run == run.name
    second = trained(tiny, *NF, "experiment.name=pre", "seed=2")
    finished(second)
    with pytest.raises(UserError, match=r"has model=nf_resnet20 with seeds 1, 2, and not with seed=0"):
        tiny(*NF, "model.weights=pre")
    finished(trained(tiny, *NF, "experiment.name=pre", "seed=2", "lr=0.3"))
    with pytest.raises(UserError, match=r"2 runs of model=nf_resnet20 to take with seed 2: .*; name one of them"):
        tiny(*NF, "model.weights=pre", "seed=2")
    (run / "checkpoints/final.ckpt").unlink()
    with pytest.raises(UserError, match=r"is finished, without checkpoints/final.ckpt"):
        tiny(*NF, "model.weights=pre", "seed=1")


def test_weights_that_changed_since_the_plan_are_told(tiny: Tiny) -> None:
    source, other = trained(tiny, *NF), trained(tiny, *NF, "seed=1")
    run = tiny(*NF, f"model.weights={source}")
    shutil.copyfile(other / "checkpoints/final.ckpt", source / "checkpoints/final.ckpt")
    with pytest.raises(UserError, match=r"has other weights than when the run was planned \(sha256"):
        run_one(run, [])
    assert run_id(tiny(*NF, f"model.weights={source}")) != run_id(run)


def test_a_run_that_ended_is_found_when_its_weights_are_gone(tiny: Tiny) -> None:
    source = trained(tiny, *NF)
    words = (*NF, f"model.weights={source}", "model.freeze=[all]")
    run = tiny(*words)
    result = run_one(run, [])
    (source / "checkpoints/final.ckpt").unlink()
    assert run_id(tiny(*words)) == run_id(run)
    assert run_one(tiny(*words), []) == result
    for other in ("seed=1", "model.head=new"):
        with pytest.raises(UserError, match=r"without checkpoints/final\.ckpt"):
            tiny(*words, other)


def test_what_a_run_keeps_is_enough_to_be_it(tiny: Tiny) -> None:
    from dataclasses import asdict

    from normfree.config import resolve_stored

    source = trained(tiny, *NF)
    run = tiny(*NF, f"model.weights={source}")
    content: dict[str, Any] = asdict(run.config)
    shutil.rmtree(source)
    assert run_id(resolve_stored(content)) == run_id(run)
    content["model"]["weights_sha256"] = None
    with pytest.raises(UserError, match="does not say which weights it starts from"):
        resolve_stored(content)
