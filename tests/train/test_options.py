"""One step with every option of every group that is no network: tests/train/test_run.py has those."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.data.images import digits_as_parquet
from torchvision.io import write_jpeg

from normfree.config import Resolved
from normfree.data.mnist5k import mnist5k
from normfree.train.run import run_one

DIGITS = [
    ("clip=none",),
    ("clip=norm",),
    ("clip=agc",),
    ("clip=agc", "clip.stages=[stem,1,head]", "clip.scope=timm"),
    ("clip=zclip", "clip.warmup_steps=1"),
    ("clip=adagc", "clip.warmup_steps=1"),
    ("clip=autoclip",),
    ("clip=per_tensor",),
    ("clip=custom", "clip._target_=tests.train.own_clipping.halve"),
    ("augment=none",),
    ("augment=shift",),
    ("augment=shift", "augment.flip=true"),
    ("augment=none", "augment.mixup=0.2"),
    ("augment=none", "augment.cutmix=1.0", "augment.mixup=0.2"),
    *((f"augment={name}",) for name in ("crop_flip", "mixup", "randaugment", "cutmix_mixup", "strong", "paper")),
    *((f"augment=paper_f{number}",) for number in range(7)),
    ("augment=none", "augment.random_resized_crop=true", "augment.flip=true"),
    ("data=synthetic", "data.classes=10", "data.train_samples=100", "data.channels=1", "data.mean=[0]", "data.std=[1]"),
    ("attack=none",),
    ("attack=pgd", "attack.steps=1"),
    ("private=none",),
    ("private=dpsgd", "clip=none", "model=nf_resnet20"),
    ("optimizer=sgd", "optimizer.warmup_steps=1"),
    ("optimizer=adamw", "clip=none"),
    ("optimizer=lamb", "clip=norm"),
    ("optimizer=lion", "clip=none"),
    ("optimizer=muon", "clip=none"),
    ("optimizer=muon", "clip=adagc", "optimizer.others=adamw", "optimizer.adjust_lr=match_rms_adamw"),
    ("optimizer=sphere", "clip=none"),
    ("augment=shift", "augment.flip=true", "augment.alternate=true", "augment.test_flip=true"),
    ("optimizer.ema_decay=0.99999", "optimizer.final_lr=1e-4"),
    ("optimizer.sam_rho=0.05", "optimizer.sam_share=1"),
    ("trainer=auto",),
    ("trainer=cpu",),
    ("logger=csv",),
    ("data=mnist5k",),
    ("recipe=small",),
    ("recipe=small_images",),
    ("recipe=small_finetune",),
    ("recipe=finetune", "data=mnist5k", "augment=none", "optimizer.layer_decay=0.75"),
    ("recipe=of_data",),
    ("data_recipe=small",),
    ("data_recipe=small_images",),
    ("recipe=nfnet_sam", "data=mnist5k", "augment=none", "optimizer.warmup_epochs=null"),
    ("experiment=quickstart",),
    ("experiment=loaders",),
    ("experiment=clip_floor",),
    ("experiment=ablation", "epochs=null"),
    ("experiment=adversarial",),
    ("experiment=private",),
    ("experiment=batch_size", "epochs=null"),
    ("experiment=clip_factor", "epochs=null"),
    ("experiment=clip_scope", "epochs=null"),
    ("experiment=depth",),
    ("experiment=interactions",),
    ("experiment=learning_rate",),
    ("experiment=normalizer_cost",),
    ("experiment=recipe_search",),
    ("experiment=shift",),
    ("experiment=signal_propagation",),
    ("experiment=stability_frontier",),
    ("model=nfnet_nano", "model.standardization=timm", "model.activation=gelu_erf"),
]
PARQUET = [
    ("data=parquet", "augment=crop_flip"),
    ("data=parquet", "augment=none", "augment.erasing=0.5"),
    ("data=parquet", "augment=crop_flip", "data.loader=workers"),
    *(
        (
            f"experiment={name}",
            "augment.shift=1",
            "data.classes=2",
            "data.train_samples=20",
            "data.validation_samples=4",
        )
        for name in (
            "small_recipe",
            "small_recipe_imagenette",
            "cifar10",
            "clip_floor_cifar10",
            "epochs_to_target",
            "augment_strength",
            "transfer",
            "transfer_pretrain",
            "nfnet_search",
            "normalizers",
            "speedrun",
        )
    ),
    *(
        (f"data={name}", "augment=crop_flip", "data.classes=2", "data.train_samples=20", "data.validation_samples=4")
        for name in ("cifar10", "cifar100", "imagenette")
    ),
]
FOLDERS = [
    ("data=imagenet", "augment=none"),
    ("data=imagenet", "augment=crop_flip"),
    ("data=imagenet", "augment=paper"),
    ("data=imagenet", "augment=strong"),
    ("data=folder", "augment=crop_flip", "data.keep_aspect=true"),
]
ELSEWHERE = {
    "data=custom",  # tests/train/parts/test_own_parts.py
    "optimizer=custom",
    "logger=custom",
    "data=ffcv",  # tests/data/test_ffcv.py
    "trainer=gpu",  # needs a GPU
    "trainer=ddp",  # needs several; its parts are those of ddp_cpu
    "trainer=ddp_cpu",  # tests/train/ranks/test_ranks.py
    "logger=wandb",  # tests/cli/test_commands.py
    "data_recipe=none",  # they come with a network
    "recipe=bn_nfnet",
    "recipe=bn_resnet",
    "recipe=nf_resnet",
    "recipe=nfnet",
    "recipe=nf_regnet",
}


def test_no_option_is_forgotten() -> None:
    tried = {word for options in (*DIGITS, *PARQUET, *FOLDERS) for word in options} | ELSEWHERE
    files = [path for path in (ROOT / "conf").glob("*/*.yaml") if path.parent.name not in ("hydra", "model")]
    assert {f"{path.parent.name}={path.stem}" for path in files} <= tried


@pytest.mark.parametrize("options", DIGITS, ids=" ".join)
def test_one_step_on_digits(tiny: Callable[..., Resolved], options: tuple[str, ...]) -> None:
    few = ("data.train_size=7", "data.test_size=7", "steps=2", "optimizer.warmup_steps=1")
    assert run_one(tiny(*options, *few), [])["steps_done"] == 2


@pytest.mark.parametrize("options", PARQUET, ids=lambda options: " ".join(options[:2]))
def test_one_step_on_parquet(tiny: Callable[..., Resolved], tmp_path: Path, options: tuple[str, ...]) -> None:
    root = digits_as_parquet(tmp_path / "digits", names=None)
    few = ("data.test_samples=6", "data.train_size=14", "data.cache=off", "batch=10", "steps=2")
    result = run_one(tiny(*options, f"data.root={root}", *few, "optimizer.warmup_steps=1"), [])
    assert result["steps_done"] == 2
    assert set(result["metrics"]) >= {"test/accuracy", "validation/accuracy"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real digits as colour JPEGs in class folders: 12 training and 6 test images of 2 classes."""
    root = tmp_path_factory.mktemp("images")
    for place, split, count in (("train", "train", 6), ("val", "test", 3)):
        images, labels = mnist5k(28)[split]
        for label in (0, 1):
            (root / place / f"class{label}").mkdir(parents=True)
            for number, image in enumerate(images[labels == label][:count]):
                write_jpeg(image.expand(3, -1, -1), str(root / place / f"class{label}" / f"{number}.jpg"))
    return root


@pytest.mark.parametrize("options", FOLDERS, ids=" ".join)
def test_one_step_on_class_folders(tiny: Callable[..., Resolved], folders: Path, options: tuple[str, ...]) -> None:
    run = tiny(
        f"data.root={folders}",
        "data.classes=2",
        "data.train_samples=12",
        "data.validation_samples=0",
        "data.test_samples=6",
        "data.train_size=24",
        "data.test_size=24",
        "data.workers=0",
        "batch=6",
        "steps=2",
        "optimizer.warmup_steps=1",
        *options,
    )
    result = run_one(run, [])
    assert result["steps_done"] == 2
    assert set(result["metrics"]) >= {"test/accuracy", "test/loss"}
    assert "validation/accuracy" not in result["metrics"]
