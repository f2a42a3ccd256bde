"""A network, a data set and an optimizer of the user's own train like the others, and what is wrong is told first."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from tests.conftest import command_line
from tests.train import own_modules
from tests.train.ranks.test_ranks import furthest, weights
from tests.train.test_laws import StopAfter
from tests.train.test_resume import OFTEN, must_equal
from timm.layers import EvoNorm2dS0, FilterResponseNormTlu2d, RmsNorm2d
from torch import nn

from normfree.config import Resolved, UserError, resolve_stored
from normfree.config.own_model import normalizer_of
from normfree.data import build_source
from normfree.nets import create_model
from normfree.nets.normalizers.found import found_normalizer
from normfree.runs import RunDirectory, run_id
from normfree.slurm.submission import read_run, run_file, take_snapshot
from normfree.train.parts.network import build_network, network_cost
from normfree.train.plan import describe_plan
from normfree.train.run import run_one

OWN = "tests.train.own_modules"
MODEL = ("model=custom", f"model._target_={OWN}.PlainCNN")
DATA = ("data=custom", f"data._target_={OWN}.Blobs", "data.train_size=8", "batch=24", "epochs=null", "steps=8",
        "augment=none")  # fmt: skip
OPTIMIZER = ("optimizer=custom", f"optimizer._target_={OWN}.Descent", "optimizer.arguments={momentum: 0.9}", "lr=0.2")
ALL = (*MODEL, *DATA, *OPTIMIZER)

Tiny = Callable[..., Resolved]


def test_a_run_of_own_parts_alone(tiny: Tiny) -> None:
    run = tiny(*ALL, "steps=60", "clip=norm")
    result = run_one(run, [])
    assert result["status"] == "finished"
    assert result["metrics"]["test/accuracy"] > 0.6
    assert result["model"]["name"] == "PlainCNN"
    assert result["model"]["normalizer"] == "none"
    assert result["data"]["label"] == "Blobs, 8 px"
    assert (result["data"]["train"], result["data"]["validation"], result["data"]["test"]) == (216, 24, 240)
    assert (RunDirectory.of(run).path / "attempts/1/own_code/tests/train/own_modules.py").is_file()
    assert run_one(run, []) == json.loads((RunDirectory.of(run).path / "result.json").read_text(encoding="utf-8"))
    assert "custom, tests.train.own_modules.Descent {'momentum': 0.9}" in describe_plan(run)


def test_a_stopped_one_goes_on_to_the_same_bits(tiny: Tiny, tmp_path: Path) -> None:
    words = (*ALL, "model.drop_rate=0.2", "augment=crop_flip", *OFTEN)
    whole = tiny(*words, f"runs_dir={tmp_path / 'whole'}")
    expected = whole, run_one(whole, [])
    run = tiny(*words)
    assert run_one(run, [], stop=StopAfter(5))["status"] == "preempted"
    must_equal(run, run_one(run, []), expected)


@pytest.mark.cli
def test_ranks_compute_what_one_process_would(tiny: Tiny, tmp_path: Path) -> None:
    words = (*ALL, "model.drop_rate=0.2", "precision=64-true", "steps=4")
    whole, parts = tiny(*words, f"runs_dir={tmp_path / 'whole'}"), tiny(*words, "trainer=ddp_cpu")
    one, several = run_one(whole, []), run_one(parts, [])
    assert several["run_id"] == one["run_id"]
    assert several["status"] == one["status"], several["reason"]
    assert furthest(weights(parts), weights(whole)) < 1e-10


@pytest.mark.cli
def test_the_pool_trains_them(tmp_path: Path) -> None:
    answer = command_line("train.py", "-m", *ALL, "trainer=cpu", "optimizer.warmup_steps=2", "seed=0,1",
                          f"runs_dir={tmp_path}")  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    results = [json.loads(path.read_text(encoding="utf-8")) for path in tmp_path.rglob("result.json")]
    assert [result["model"]["name"] for result in results] == ["PlainCNN"] * 2
    assert len({result["arm_id"] for result in results}) == 1


def test_a_snapshot_has_their_sources(tiny: Tiny, tmp_path: Path) -> None:
    run = tiny(*ALL)
    folder = take_snapshot(tmp_path / "experiment", [(run, list(ALL))])
    assert (folder / "code/tests/train/own_modules.py").is_file()
    read, overrides = read_run(run_file(folder, run_id(run)))
    assert run_id(read) == run_id(run)
    assert overrides == list(ALL)


def test_what_a_network_normalises_by_is_seen(tiny: Tiny) -> None:
    found = {
        norm: tiny(*MODEL, f"model.arguments={{norm: {norm}}}").config.model.normalizer
        for norm in ("batch", "group", "''")
    }
    assert found == {"batch": "batchnorm", "group": "groupnorm", "''": "none"}
    ghost = tiny(*MODEL, "model.arguments={norm: batch}", "model.ghost_batch=25")
    assert ghost.norm_batch == 25
    assert "GhostBatchNorm2d" in str(build_network(ghost))
    with pytest.raises(UserError, match=r"^model.normalizer=none: .*PlainCNN has batchnorm; leave it out"):
        build_network(tiny(*MODEL, "model.arguments={norm: batch}", "model.normalizer=none"))


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), "none"),
        (nn.Sequential(nn.GroupNorm(2, 4), nn.LayerNorm(4), nn.LayerNorm(4)), "layernorm"),
        (nn.Sequential(nn.GroupNorm(2, 4), nn.GroupNorm(2, 4), nn.SyncBatchNorm(4)), "batchnorm"),
        (nn.Sequential(FilterResponseNormTlu2d(4), EvoNorm2dS0(4), EvoNorm2dS0(4)), "evonorm_s0"),
        (nn.Sequential(RmsNorm2d(4), nn.InstanceNorm2d(4), nn.RMSNorm(4)), "rmsnorm"),
        (nn.Sequential(own_modules.ScaleNorm(4)), "other"),
    ],
    ids=["none", "most", "batchnorm", "timm", "rmsnorm", "own"],
)
def test_own_networks_are_told_by_the_table_of_other_libraries(network: nn.Module, expected: str) -> None:
    assert normalizer_of(network) == found_normalizer(network) == expected


@pytest.mark.parametrize("name", ["batchnorm", "frn", "evonorm_s0", "dyt", "derf", "fixup", "none"])
def test_own_networks_made_of_ours_have_what_ours_have(name: str) -> None:
    network = create_model("resnet20", 10, normalizer=name)
    assert normalizer_of(network) == found_normalizer(network) == name


def test_a_normaliser_that_the_user_registered_is_not_none() -> None:
    network = create_model("nf_resnet20", 10)
    network.normalizer = "image_rms"
    assert normalizer_of(network) == "other"
    network.normalizer = nn.Identity()
    assert normalizer_of(network) == found_normalizer(network) == "none"


def test_of_a_norm_that_is_not_known_the_user_may_say_more(tiny: Tiny) -> None:
    words = (*DATA, "model=custom", f"model._target_={OWN}.ScaleNormed")
    seen, told = tiny(*words), tiny(*words, "model.normalizer=rmsnorm")
    assert (seen.config.model.normalizer, seen.norm_batch) == ("other", 24)
    assert (told.config.model.normalizer, told.norm_batch) == ("rmsnorm", None)
    assert [build_network(each).normalizer for each in (seen, told)] == ["other", "rmsnorm"]


def test_stages_and_the_classifier_are_found(tiny: Tiny) -> None:
    words = ("model=custom", f"model._target_={OWN}.Staged")
    network = build_network(tiny(*words))
    assert isinstance(network.classifier, torch.nn.Linear)
    assert len(network.blocks) == 1
    assert not [name for name in network.state_dict() if name.startswith("blocks")]
    assert run_one(tiny(*words, "clip.stages=[stem,0]"), [])["status"] in ("finished", "untrained")


def test_one_that_works_with_numbers_is_built_with_memory(tiny: Tiny) -> None:
    words = (*DATA, "model=custom", f"model._target_={OWN}.Counting")
    run = tiny(*words, "model.arguments={numbers: 3}", "data.channels=1")
    assert network_cost(run).macs_train == 3 * 64
    assert run_one(run, [])["status"] in ("finished", "untrained")
    with pytest.raises(UserError, match="layer has no shape before it sees images; give it its numbers"):
        run_one(tiny(*words, "model.arguments={numbers: 1}"), [])


def test_both_loaders_and_kinds_of_image_give_the_same_batches(tiny: Tiny) -> None:
    statistics = ("data.mean=[0.3]", "data.std=[0.2]", "augment=crop_flip")
    held = tiny(*DATA, *statistics)
    read = tiny(*DATA, *statistics, "data.loader=workers")
    pil = tiny(*DATA, *statistics, f"data._target_={OWN}.Named")
    sources = [build_source(run, 24) for run in (held, read, pil)]
    for split in ("validation", "test"):
        images = [torch.cat([batch.images for batch in source.evaluation_batches(split, 50)]) for source in sources]
        assert torch.equal(images[0], images[2])
        assert torch.allclose(images[0], images[1], atol=1e-5)
    assert sources[2].read["class_names"] == ["left", "middle", "right"]
    batches = [next(iter(source.training_batches(0, 1))) for source in (sources[0], sources[2])]
    assert torch.equal(batches[0].images, batches[1].images)
    assert torch.equal(batches[0].labels, batches[1].labels)


def test_a_place_is_given_and_is_no_part_of_the_name(tiny: Tiny) -> None:
    names = {run_id(tiny(*DATA, f"data.root={root}")) for root in ("here", "there")}
    assert len(names) == 1
    assert run_id(tiny(*DATA, "data.arguments={images: 120}")) not in names


def test_a_logger_hears_all_and_costs_a_warning_where_it_fails(tiny: Tiny) -> None:
    words = ("clip=none", "logger=custom", f"logger._target_={OWN}.Loud")
    own_modules.Loud.told.clear()
    run = tiny(*words)
    assert run_id(run) == run_id(tiny("clip=none"))
    result = run_one(run, [])
    *rows, status = own_modules.Loud.told
    assert [row["step"] for row in rows] == [2, 4, 6, 8, 8]
    assert status == result["status"]
    assert (RunDirectory.of(run).path / "attempts/1/own_code/tests/train/own_modules.py").is_file()
    with pytest.warns(
        UserWarning, match=r"Loud fails at write \(OSError: nobody listens\); the run goes on with metrics"
    ):
        assert run_one(tiny(*words, "logger.arguments={fails: true}", "seed=1"), [])["traceback"] is None


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((*MODEL, "model.arguments={depth: 3}"), r"model.arguments={'depth': 3}: .*unexpected keyword argument"),
        ((*MODEL, "model.alpha=0.2", "model.se_ratio=0.5"),
         "PlainCNN: model.se_ratio=0.5, which it does not take; model.alpha=0.2, which it does not take$"),
        ((*MODEL, "model.ghost_batch=10", "model.normalizer=batchnorm"), "has no BatchNorm; leave it out$"),
        ((*MODEL, "clip.stages=[0]"), "has no modules with a whole number `stage`, which clip.stages needs$"),
        (("model=custom", f"model._target_={OWN}.Maps", "clip.stages=[0]"),
         r"Maps: has no linear layer, which clip.scope=deepmind leaves out: .*; has no modules with a whole "
         r"number `stage`.*; gives a tensor \[2, 10, 5, 5\] for 2 images of data.train_size=7, and must give logits "),
        (("model=custom", f"model._target_={OWN}.Counting", "model.arguments={numbers: 3}"),
         r"cannot take images \[2, 1, 7, 7\] of data.train_size=7 \(RuntimeError: .*\); traceback in "),
        (("model=custom", f"model._target_={OWN}.Raises"), r"\(ArithmeticError: not these\); traceback in .*Raises"),
        (("model=custom", f"model._target_={OWN}.no_module"), "gives dict, and must give a torch.nn.Module"),
        (("model=custom", f"model._target_={OWN}.Cut", "model.arguments={how: detached}"),
         "Cut: gives logits without a gradient, so that nothing of it could be trained$"),
        (("model=custom", f"model._target_={OWN}.Cut", "model.arguments={how: whole}"),
         "Cut: gives logits of torch.int64, and must give floating-point numbers$"),
        (("model=custom", f"model._target_={OWN}.Cut", "model.arguments=3"),
         "model.arguments=3: give names and values, such as "),
        (("model=custom", f"model._target_={OWN}.Nowhere"), "model._target_=.* has no Nowhere; there are: Blobs, "),
        ((*MODEL, "model.name=resnet20"), "model.name=resnet20: is a network of normfree, and .*PlainCNN is yours"),
        (("model=custom",), "model._target_=null: model=custom needs a value, such as model._target_=my_nets.PlainCNN"),
        (("data=custom",), "data._target_=null: data=custom needs a value, such as data._target_=my_data.Blobs"),
        ((f"optimizer._target_={OWN}.Descent",), "optimizer=sgd has its own code; add optimizer=custom"),
        ((*OPTIMIZER[:2], "optimizer.arguments={lr: 3}"), "lr is given by normfree; leave it out"),
        ((*OPTIMIZER[:1], f"optimizer._target_={OWN}.no_optimizer"), "gives float, and must give a torch.optim.Opt"),
        ((*OPTIMIZER[:1], f"optimizer._target_={OWN}.first_only"), "leaves out .* of the network's parameters"),
        ((*OPTIMIZER[:1], "optimizer._target_=torch.optim.Rprop"), "Rprop has no weight decay; add optimizer"),
        (("logger=custom", f"logger._target_={OWN}.Loud", "logger.arguments={a: 1}"), "does not take them"),
        ((*DATA, "data.arguments={split: 3}"), "split is given by normfree; leave it out"),
        ((*DATA, "data.loader=workers"), "data.mean=null: with data.loader=workers"),
        (("data=custom", f"data._target_={OWN}.no_data"), "gives int without __len__ and __getitem__"),
        (("data=custom", f"data._target_={OWN}.Blobs", "data.arguments=[3]"),
         r"data.arguments=\[3\]: give names and values, such as "),
        (("data=custom", f"data._target_={OWN}.FewTargets"), "has 2 targets for .* images; give one for each"),
        *((("data=custom", f"data._target_={OWN}.Wrong", f"data.arguments={{how: {how}}}", "~data.train_size"), line)
          for how, line in {
              "random": "gives another image each time that item 0 is asked for; leave chance to augment=",
              "raises": r"item 5 cannot be read \(KeyError: 'no such file'\); traceback in .*Wrong_train_.txt",
              "pil": "item 0 is a uint8 tensor of 1 channel, item 5 a PIL image; give all alike",
              "colour": "item 0 is a uint8 tensor of 1 channel, item 5 a uint8 tensor of 3 channels; give all alike",
              "float": r"item 5 is a tensor of torch.float32 \[1, 8, 8\], not a PIL image or a uint8 tensor",
              "text": "item 5 has a str for a label, not a whole number",
              "negative": "item 5 has label -1; labels count from 0",
              "hashed": "item 5 has label 1000000000000; labels count from 0, one number a class",
              "alone": "item 5 is a Tensor, not an image and a label",
          }.items()),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_before_anything_is_written(
    words: tuple[str, ...], line: str, tiny: Tiny, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=line) as error:
        run_one(tiny(*(word for word in words if not word.startswith("~"))), [])
    assert "\n" not in str(error.value)
    assert not list(tmp_path.rglob("environment.json"))


def test_images_of_several_sizes_need_one(tmp_path: Path) -> None:
    words = ("data=custom", f"data._target_={OWN}.Wrong", "data.arguments={how: sizes}", f"runs_dir={tmp_path}")
    answer = command_line("train.py", *words, "plan=true")
    assert answer.returncode == 2
    assert "data.train_size=???: " in answer.stderr
    assert "has images of 4 x 8, 8 x 8 px; give data.train_size=" in answer.stderr


def test_a_traceback_is_in_the_file(tiny: Tiny) -> None:
    with pytest.raises(UserError) as error:
        run_one(tiny("model=custom", f"model._target_={OWN}.Raises", "clip=none"), [])
    kept = Path(str(error.value).rpartition("traceback in ")[2]).read_text(encoding="utf-8")
    assert 'raise ArithmeticError("not these\\nnor others")' in kept


def test_a_stored_configuration_calls_no_code(tiny: Tiny) -> None:
    stored = asdict(tiny(*ALL).config)
    assert run_id(resolve_stored(stored)) == run_id(tiny(*ALL))
    for group, key in (("data", "classes"), ("model", "normalizer")):
        open_ended = {**stored, group: {**stored[group], key: "???", "_target_": "shutil.rmtree"}}
        with pytest.raises(UserError, match=r"leaves open what shutil.rmtree would have to say"):
            resolve_stored(open_ended)
