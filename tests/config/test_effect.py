"""Keys that change nothing are no part of a run's name, and are told where they were typed."""

import json
from pathlib import Path

import pytest
from tests.conftest import TINY, command_line, resolved

import normfree.config
from normfree import clip
from normfree.config import TrainConfig
from normfree.config.effect import EFFECT, PUBLISHED_EPS, THROUGH
from normfree.config.schema_keys import schema_keys
from normfree.config.validate import CHOICES
from normfree.nets import list_models
from normfree.nets.registry import model_options
from normfree.runs import run_id

ALWAYS = {
    "augment.cutmix", "augment.erasing", "augment.flip", "augment.test_flip", "augment.mixup", "augment.name",
    "augment.random_resized_crop", "augment.shift", "batch", "clip._target_", "clip.name", "data._target_",
    "logger._target_",
    "model._target_", "model.arguments", "optimizer._target_",
    "attack.name", "private.name",
    "again", "clip.stages", "evaluate_also", "data.channels", "data.classes", "data.label", "data.loader",
    "data.mean", "data.name", "data.std",
    "data.test_samples", "data.test_size", "data.train_samples", "data.train_size", "data.validation_samples", "epochs",
    "logger.name", "lr", "model.activation", "model.alpha", "model.depth", "model.drop_rate", "model.family",
    "model.ghost_batch", "model.group_size", "model.name", "model.normalizer", "model.se_ratio",
    "model.bottleneck_ratio", "model.freeze", "model.freeze_norm", "model.weights", "optimizer.layer_decay",
    "model.standardization", "model.stem_width", "model.stochastic_depth_rate", "model.width", "optimizer.ema_decay",
    "optimizer.final_lr", "optimizer.label_smoothing", "optimizer.name", "optimizer.sam_rho", "optimizer.warmup_epochs",
    "optimizer.warmup_share", "optimizer.warmup_steps", "optimizer.weight_decay", "outcome.", "plan", "precision",
    "runs_dir", "seed", "steps", "sweep.detach", "trainer.accelerator", "trainer.channels_last", "trainer.compile",
    "trainer.checkpoint_minutes", "trainer.devices", "trainer.gradient_dtype", "trainer.hang_minutes",
    "trainer.log_every", "trainer.micro_batch", "trainer.nodes", "trainer.threads", "experiment.",
}  # fmt: skip
"""Act, or are refused, in every configuration that has them."""


def test_every_key_of_the_schema_is_known_to_act_or_not() -> None:
    keys = schema_keys(TrainConfig)
    leaves = {key for key in keys if not any(other.startswith(f"{key}.") for other in keys)}
    known = {*ALWAYS, *EFFECT, *THROUGH}
    unknown = {key for key in leaves if key not in known and f"{key.partition('.')[0]}." not in known}
    assert not unknown, "say in config/effect.py when they act, or here that they always do"
    assert {*EFFECT, *THROUGH} <= leaves
    assert not {*EFFECT, *THROUGH} & ALWAYS


IDLE = [
    ("augment.alternate=true", (), "augment.alternate=true has no effect without augment.flip"),
    ("augment.increasing=false", (), "augment.increasing=false has no effect without augment.randaugment_layers"),
    (
        "augment.randaugment_layers=4",
        ("augment=randaugment", "augment.magnitude=0"),
        "has no effect with augment.magnitude=0, which changes nothing",
    ),
    ("outcome.stalled_skip_gain=0.1", ("model=resnet20",), "with model=resnet20, which has no skip gains"),
    ("augment.magnitude=5", (), "augment.magnitude=5 has no effect without augment.randaugment_layers"),
    ("augment.mix_first=true", (), "without augment.randaugment_layers and augment.mixup or augment.cutmix"),
    ("augment.mix_first=true", ("augment.mixup=0.2",), "without augment.randaugment_layers and"),
    ("augment.mix_first=true", ("augment.randaugment_layers=1",), "augment.mixup or augment.cutmix"),
    ("attack.epsilon=0.04", (), "has no effect with attack=none"),
    ("attack.step_size=0.04", (), "has no effect with attack=none"),
    ("attack.steps=4", (), "has no effect with attack=none"),
    ("private.delta=0.04", (), "has no effect with private=none"),
    ("private.epsilon=4", (), "has no effect with private=none"),
    ("private.max_norm=4", (), "has no effect with private=none"),
    ("clip.clip_factor=0.04", ("clip=none",), "has no effect with clip=none"),
    ("clip.eps=0.04", ("clip=norm",), "has no effect with clip=norm"),
    ("clip.eps_scope=skip_gains", ("clip.eps=0.001",), "has no effect with clip=agc and clip.eps=0.001"),
    ("clip.eps_scope=skip_gains", ("clip=none",), "has no effect with clip=none"),
    ("clip.unit=tensor", ("clip=norm",), "has no effect with clip=norm"),
    ("clip.scope=all", ("clip=none",), "has no effect with clip=none"),
    ("clip.max_norm=3", (), "has no effect with clip=agc"),
    ("clip.z_threshold=3", (), "has no effect with clip=agc"),
    ("clip.max_ratio=3", ("clip=zclip",), "has no effect with clip=zclip"),
    ("clip.decay=0.5", ("clip=per_tensor",), "has no effect with clip=per_tensor"),
    ("clip.warmup_steps=3", ("clip=norm",), "has no effect with clip=norm"),
    ("clip.percentile=3", ("clip=adagc",), "has no effect with clip=adagc"),
    ("clip.arguments={a: 1}", (), "has no effect with clip=agc"),
    ("data.arguments={a: 1}", (), "has no effect with data=mnist5k"),
    ("optimizer.arguments={a: 1}", (), "has no effect with optimizer=sgd"),
    ("logger.arguments={a: 1}", (), "has no effect with logger=csv"),
    ("data.root=there", (), "has no effect with data=mnist5k, which is embedded"),
    ("data.train_file=there", (), "without data.loader=ffcv"),
    ("data.test_file=there", (), "without data.loader=ffcv"),
    ("data.workers=3", (), "where images are held in memory"),
    ("data.on_error=skip", (), "has no effect with data=mnist5k, which is embedded"),
    ("data.keep_aspect=true", (), "has no effect with data=mnist5k, which is embedded"),
    ("data.cache=there", (), "without data.loader=resident"),
    ("data.download=true", (), "has no effect with data=mnist5k"),
    ("data.mirror=true", (), "with augment=shift, which takes augment.flip from elsewhere"),
    ("data.crop_padding=3", (), "with augment=shift"),
    ("data.resized_crop=true", ("augment=none",), "with augment=none"),
    ("logger.tags=[a]", (), "without logger=wandb"),
    ("logger.project=mine", (), "without logger=wandb"),
    ("logger.mode=offline", (), "without logger=wandb"),
    ("logger.timeout=3", (), "without logger=wandb"),
    ("model.train_size=64", (), "beside data.train_size=28"),
    ("model.test_size=64", (), "beside data.test_size=28"),
    ("model.sync_norm=true", ("model=resnet20",), "on trainer.devices=1"),
    ("model.normalizer_sees=batch", ("model=resnet20",), "with model.normalizer=batchnorm"),
    ("model.groups=4", ("model=resnet20",), "with model.normalizer=batchnorm"),
    ("model.channels_per_group=4", ("model=resnet20", "model.normalizer=layernorm"), "with model.normalizer=layernorm"),
    ("model.alpha_init=0.3", ("model=resnet20",), "with model.normalizer=batchnorm"),
    ("model.preserve_variance=true", ("model=resnet20", "model.normalizer=frn"), "with model.normalizer=frn"),
    ("model.weights_kind=ema", (), "has no effect without model.weights"),
    ("model.head=new", (), "has no effect without model.weights"),
    ("model.weights_sha256=abc", (), "has no effect without model.weights"),
    ("model.weights_run=abc", (), "has no effect without model.weights"),
    ("model.weights_arm=abc", (), "has no effect without model.weights"),
    ("optimizer.base_lr=3", ("lr=0.1",), "beside lr=0.1"),
    ("optimizer.momentum=0.5", ("optimizer=adamw", "clip=none"), "with optimizer=adamw"),
    ("optimizer.nesterov=false", ("optimizer=adamw", "clip=none"), "with optimizer=adamw"),
    ("optimizer.nesterov=false", ("optimizer.momentum=0",), "optimizer.momentum=0"),
    ("optimizer.head_lr=0.5", (), "with optimizer=sgd"),
    ("optimizer.bias_lr=0.5", (), "with optimizer=sgd"),
    ("optimizer.beta1=0.5", (), "with optimizer=sgd"),
    ("optimizer.beta2=0.5", (), "with optimizer=sgd"),
    ("optimizer.eps=0.5", (), "with optimizer=sgd"),
    ("optimizer.ns_steps=3", (), "with optimizer=sgd"),
    ("optimizer.adjust_lr=original", (), "with optimizer=sgd"),
    ("optimizer.others=adamw", (), "with optimizer=sgd"),
    ("optimizer.others_lr_ratio=1", (), "with optimizer=sgd"),
    (
        "optimizer.others_momentum=0.5",
        ("optimizer=muon", "clip=none", "optimizer.others=adamw"),
        "with optimizer=muon and optimizer.others=adamw",
    ),
    ("optimizer.beta2=0.5", ("optimizer=muon", "clip=none"), "with optimizer=muon and optimizer.others=sgd"),
    ("optimizer.sam_share=0.5", (), "without optimizer.sam_rho"),
    ("trainer.evaluate_every=3", ("data=synthetic", "model=resnet50", "clip=none"), "with data.validation_samples=0"),
]


@pytest.mark.parametrize(("key", "beside", "line"), IDLE)
def test_a_key_that_changes_nothing_is_told_and_changes_no_name(key: str, beside: tuple[str, ...], line: str) -> None:
    run = resolved(*beside, key)
    (told,) = (text for text in run.without_effect if text.startswith(f"{key} has no effect"))
    assert line in told
    assert run_id(run) == run_id(resolved(*beside))


def test_the_floor_and_the_choices_of_agc_are_the_clippers() -> None:
    assert clip.PUBLISHED_EPS == PUBLISHED_EPS
    assert (CHOICES["clip.eps_scope"], CHOICES["clip.scope"]) == (tuple(clip.EPS_SCOPES), tuple(clip.SCOPES))
    assert set(CHOICES["clip.unit"]) == set(clip.UNITS)


def test_every_rule_is_tried() -> None:
    tried = {key.partition("=")[0] for key, _, _ in IDLE}
    assert tried == {*EFFECT, *THROUGH}


@pytest.mark.parametrize(
    "words",
    [
        ("augment=randaugment", "augment.magnitude=7"),
        ("augment=crop_flip", "data.mirror=true"),
        ("clip.clip_factor=0.04",),
        ("clip=zclip", "clip.max_norm=null"),
        ("clip=zclip", "clip.z_threshold=3"),
        ("clip=adagc", "clip.max_ratio=2"),
        ("clip=adagc", "clip.decay=0.9"),
        ("clip=adagc", "clip.warmup_steps=7"),
        ("clip=autoclip", "clip.percentile=50"),
        ("clip=per_tensor", "clip.max_norm=0.1"),
        ("optimizer.sam_rho=0.05", "optimizer.sam_share=0.5"),
        ("optimizer.momentum=0.8",),
        ("optimizer=muon", "clip=none", "optimizer.nesterov=false"),
        ("optimizer=muon", "clip=none", "optimizer.ns_steps=3"),
        ("optimizer=muon", "clip=none", "optimizer.others=adamw", "optimizer.beta1=0.5"),
        ("optimizer=sphere", "clip=none", "optimizer.bias_lr=3"),
        ("augment.flip=true", "augment.alternate=true"),
        ("augment.test_flip=true",),
        ("optimizer.base_lr=3",),
    ],
)
def test_a_key_that_acts_is_in_the_name_and_is_not_told(words: tuple[str, ...]) -> None:
    run = resolved(*words)
    assert run.without_effect == ()
    assert run_id(run) != run_id(resolved(*words[:-1]))


def test_what_configurations_hold_is_not_told() -> None:
    for words in (("optimizer=adamw", "clip=none"), ("augment=paper_f0",), ("experiment=quickstart",)):
        assert resolved(*words).without_effect == ()


SAME = [
    (("clip.stages=[stem,0,1]",), ("clip.stages=[1,0,stem,1]",)),
    (("clip.stages=['0']",), ("clip.stages=['00','0']",)),
    (("lr=1",), ("lr=1.0",)),
    (("optimizer.layer_decay=1",), ()),
    (("model.freeze=[1,stem]",), ("model.freeze=[stem,'01',1]",)),
    (("lr=1e-3",), ("lr=0.001",)),
    (("optimizer.weight_decay=0",), ("optimizer.weight_decay=0.0",)),
    (("optimizer.final_lr=0",), ("optimizer.final_lr=null",)),
    (("model.activation=relu",), ()),
    (("model.drop_rate=0",), ("model.drop_rate=null",)),
    (("model.depth=[3,3,3]", "model.width=[16,32,64]"), ()),
    (("model=nfnet_nano", "model.activation=gelu", "model.standardization=deepmind"), ("model=nfnet_nano",)),
    (("model=nfnet_nano", "model.alpha=0.2", "model.group_size=16"), ("model=nfnet_nano",)),
    (("augment=none", "augment.shift=1"), ("augment=shift",)),
    (("augment=shift", "augment.shift=0"), ("augment=none",)),
    (("augment=mixup", "augment.mixup=0"), ("augment=crop_flip",)),
    (("augment=randaugment", "augment.magnitude=0"), ("augment=crop_flip",)),
    (("augment=strong", "augment.magnitude=0", "augment.randaugment_layers=4"),
     ("augment=strong", "augment.magnitude=0", "augment.randaugment_layers=0")),
    (("augment=paper_f1",), ("augment=paper_f2",)),
    (("augment=paper_f0", "augment.magnitude=15"), ("augment=paper_f3",)),
    (("data.loader=resident",), ()),
    (("logger.tags=[a,b]", "logger=wandb"), ("logger=wandb", "logger.tags=[b,a,a]")),
    (("clip=custom", "clip._target_=torch.nn.utils.clip_grad_norm_", "clip.arguments={max_norm: 1, norm_type: 2}"),
     ("clip=custom", "clip._target_=torch.nn.utils.clip_grad_norm_", "clip.arguments={norm_type: 2.0, max_norm: 1.0}")),
    (("clip=custom", "clip._target_=torch.nn.utils.clip_grad_norm_", "clip.arguments={}"),
     ("clip=custom", "clip._target_=torch.nn.utils.clip_grad_norm_")),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_run_has_one_name(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert run_id(resolved(*one)) == run_id(resolved(*other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("model.depth=[1,2,3]",), ("model.depth=[3,2,1]",)),
        (("model.activation=silu",), ()),
        (("clip.stages=[stem]",), ("clip.stages=[head]",)),
        (("augment.shift=2",), ()),
        (("augment=paper_f0", "augment.magnitude=0"), ("augment=paper_f0", "augment.randaugment_layers=0")),
        (("data.mean=[0.1]", "data.std=[0.2]"), ("data.mean=[0.1]", "data.std=[0.3]")),
    ],
)
def test_what_differs_has_another(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert run_id(resolved(*one)) != run_id(resolved(*other))


def test_the_usual_values_of_networks_are_what_they_say() -> None:
    path = Path(normfree.config.__file__).with_name("network_defaults.json")
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert list(stored) == list_models()
    for name, values in stored.items():
        own = model_options(name)
        assert values == {key: list(own[key]) if isinstance(own[key], tuple) else own[key] for key in values}
        there = {key for key in stored["nfnet_f0"] | stored["resnet20"] if own.get(key) is not None}
        assert set(values) == there, name


@pytest.mark.cli
def test_the_command_tells_it(tmp_path: Path) -> None:
    words = ("train.py", *TINY, "augment.magnitude=5", f"runs_dir={tmp_path}")
    line = "augment.magnitude=5 has no effect without augment.randaugment_layers"
    assert f"warning    {line}" in command_line(*words, "plan=true").stdout
    answer = command_line(*words)
    assert answer.returncode == 0
    assert f"warning: {line}\n" in answer.stderr
