"""The contact sheet of augmentations, from the command line to the picture."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import ROOT, command_line, resolved
from tests.data.images import digits_as_parquet

from normfree.cli.probe import read_probe
from normfree.cli.probes.augment import KEYS as AugmentKeys
from normfree.cli.report import main
from normfree.config import UserError
from normfree.config.schema import AugmentConfig
from normfree.data import contact_sheet
from normfree.report.probes.augment_page import describe

FEW = ("batch=6", "steps=1000", "data.workers=0")


def test_the_sheet_shows_what_training_sees() -> None:
    plain, moved, mixed = (contact_sheet(resolved(*FEW, f"augment={name}")) for name in ("none", "crop_flip", "mixup"))
    assert plain.images.shape == (6, 28, 28, 1)
    assert plain.labels == moved.labels
    # Pixels are what was read: whole steps of 1/255 in [0, 1].
    assert np.abs(plain.images * 255 - (plain.images * 255).round()).max() < 1e-3
    assert plain.images.max() > 0.9
    # A translation by a pixel moves an image and hardly changes its sum.
    assert np.abs(moved.images - plain.images).max() > 0.2
    assert np.abs(moved.images.sum((1, 2, 3)) / plain.images.sum((1, 2, 3)) - 1).max() < 0.02
    assert any("+" in label for label in mixed.labels)


def test_both_loaders_show_the_same_images(tmp_path: Path) -> None:
    root = digits_as_parquet(tmp_path / "digits")
    options = (*FEW, "data=parquet", f"data.root={root}", "data.train_size=28", "data.cache=off", "augment=none")
    for loader in ("resident", "workers"):
        sheet = contact_sheet(resolved(*options, f"data.loader={loader}"))
        # Digits are white on black again: the normalisation is undone.
        assert np.abs(np.median(sheet.images)) < 0.02, loader
        assert 0.95 < sheet.images.max() <= 1, loader


def test_an_augmentation_in_words() -> None:
    assert describe(AugmentConfig(name="x")) == "nothing"
    everything = AugmentConfig(
        name="x", shift=4, flip=True, randaugment_layers=2, magnitude=5, mixup=0.2, cutmix=1.0, erasing=0.25
    )
    assert describe(everything) == (
        "crop after padding by 4 px, flip, RandAugment, 2 layers of magnitude 5, MixUp 0.2 or CutMix 1, "
        "erasing of 25% of the images"
    )
    everything.mix_first = True
    assert "CutMix 1, RandAugment" in describe(everything)


def test_keys_are_read() -> None:
    _, keys = read_probe(["probe=augment", "augment=mixup,strong", "data=cifar10", "root=x", "magnitude=7"])
    assert keys == AugmentKeys(augment=("mixup", "strong"), data="cifar10", root="x", magnitude=(7.0,))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["probe=augment"], "augment: is missing; probe=augment needs options, such as augment=crop_flip,mixup"),
        (["probe=augment", "augment=mixup,mixup"], "give each option once"),
        (["probe=augment", "augment=mixup", "data=../x"], "data=../x: give the name of an option"),
        (["probe=augment", "augment=mixup", "images=1"], "images=1: give a whole number from 2 to 16"),
        (["probe=augment", "augment=mixup", "magnitude=1,x"], "magnitude=1,x: give a number"),
        (["probe=augment", "augment=mixup", "magnitude=1,1"], "magnitude=1,1: give each number once"),
        (["augment=mixup"], "augment=mixup: is a key of a probe; add probe=augment"),
    ],
)
def test_mistakes_name_key_value_and_remedy(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        main(arguments)
    assert message in str(error.value)


@pytest.mark.cli
def test_the_command_draws_and_writes(tmp_path: Path) -> None:
    keys = ("probe=augment", "augment=crop_flip,strong", "images=4", "magnitude=0,7", f"reports_dir={tmp_path}")
    done = command_line("report.py", *keys, PYTHONWARNINGS="error")
    assert done.returncode == 0, done.stderr
    page = tmp_path / "probes" / "augment" / "crop_flip-strong-magnitude0_7-images4.md"
    text = page.read_text(encoding="utf-8")
    assert "| strong 0 | " in text
    assert "RandAugment, 2 layers of magnitude 7" in text
    picture = np.asarray(Image.open(page.with_suffix(".png")).convert("L"))
    assert picture.shape[1] > 1000
    assert picture.min() < 30
    unknown = command_line("report.py", "probe=augment", "augment=crop_flop", f"reports_dir={tmp_path}")
    assert unknown.returncode == 2
    assert unknown.stderr.strip().startswith("error: augment=crop_flop: no such option; did you mean crop_flip?")
    assert str(ROOT) not in unknown.stderr
