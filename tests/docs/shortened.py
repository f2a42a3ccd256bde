"""What is added to the commands of pages so that each takes a second, where the page says nothing else."""

from __future__ import annotations

from tests.conftest import ROOT, TINY

IMAGES = {
    "folder": (
        "batch=10", "steps=2", "optimizer.warmup_steps=1", "data.workers=0", "data.train_size=14", "data.test_size=14",
    ),
    "imagenet": (
        "data.classes=2", "data.train_samples=40", "data.test_samples=10", "batch=10", "steps=2",
        "optimizer.warmup_steps=1", "data.workers=0", "data.train_size=32", "data.test_size=32", "augment=crop_flip",
    ),
    "parquet": (
        "data.classes=2", "data.train_samples=20", "data.validation_samples=4", "data.test_samples=6", "batch=10",
        "data.train_size=14", "augment.shift=1", "data.cache=off", "steps=2",
    ),
}  # fmt: skip
"""A run on the small images that stand in for PATH, by `images_of`."""
BENCH = {
    "nets": ("models=nf_resnet50", "image_size=32", "batch=1", "infer_batch=1", "rounds=1", "layout=nhwc"),
}
FEW_CORRUPTIONS = "corruptions=gaussian_noise,fog"
PROBES = {"signal": ("image_size=16", "batch=4")}
_AS_THEY_ARE = ("--help", "-h", "--cfg", "--version", "plan=true")


def images_of(words: list[str]) -> str:
    """The kind of images that a command's ``data=`` reads: a key of `IMAGES`; empty for digits."""
    data = next((word.partition("=")[2] for word in words if word.startswith("data=")), "")
    if data in ("cifar10", "cifar100", "imagenette", "parquet"):
        return "parquet"
    return data if data in IMAGES else ""


def added(command: str, words: list[str]) -> list[str]:
    """For a command of normfree and its words."""
    if any(word.startswith(_AS_THEY_ARE) for word in words):
        return []
    if command == "train":
        return _of_training(words)
    if command == "bench" and words:
        return list(BENCH.get(words[0], ()))
    if command == "report":
        return list(next((short for probe, short in PROBES.items() if f"probe={probe}" in words), ()))
    if command == "evaluate":
        return [FEW_CORRUPTIONS] if any("corruptions" in word for word in words) else []
    return ["images=20"] if command == "export" else []


def _of_training(words: list[str]) -> list[str]:
    if committed(words):
        return [
            "plan=true",
            *(word for word in IMAGES.get(images_of(words), ()) if word.startswith(("data.", "batch="))),
        ]
    if any(word.startswith(("hydra/launcher=", "trainer=ddp", "trainer=gpu")) for word in words):
        return ["plan=true"]
    short = IMAGES.get(images_of(words), TINY)
    swept = {word.partition("=")[0] for word in words if "," in word and not word.partition("=")[2].startswith("[")}
    return [word for word in short if word.partition("=")[0] not in swept]


def committed(words: list[str]) -> str | None:
    """The experiment of this repository that a command is of."""
    name = next((word.partition("=")[2] for word in words if word.startswith("experiment=")), "")
    return name if (ROOT / "experiments" / f"{name}.yaml").is_file() else None


def with_words(words: list[str], more: list[str]) -> list[str]:
    """Words in the place of those of the same key, or after them."""
    keys = {word.partition("=")[0] for word in more if "=" in word}
    return [word for word in words if word.partition("=")[0] not in keys] + more
