"""A run or a file of weights becomes a network that sees images as the run's own test split did."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from normfree import api
from normfree.config import UserError, resolve_stored
from normfree.data.build import build_source
from normfree.nets import create_model, save_weights
from normfree.trained import Preprocessing, from_file, from_run

WORDS = ["model=nf_resnet20", "clip=agc", "steps=30", "batch=64", "data.train_size=14", "trainer.threads=1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> api.Run:
    return api.run([*WORDS, f"runs_dir={tmp_path_factory.mktemp('runs')}"], progress=False)


def digits(run: api.Run) -> tuple[torch.Tensor, torch.Tensor]:
    """The test split's pixels of 8 bits and its labels."""
    from normfree.data.readers import arrays_of

    return arrays_of(resolve_stored(dict(run.config)).config.data)[0]["test"]


def test_a_run_is_as_accurate_as_its_result_says(run: api.Run) -> None:
    trained = from_run(run.path)
    images, labels = digits(run)
    assert float((trained.logits(images).argmax(1) == labels).double().mean()) == run.accuracy
    assert trained.probabilities(images[:9]).sum(1).tolist() == pytest.approx([1] * 9)
    assert (trained.name, trained.model, trained.classes) == (run.run_id, "nf_resnet20", tuple("0123456789"))


def test_images_are_normalised_as_in_training(run: api.Run) -> None:
    """The mean and deviation that the data set does not say are the training images' own, and are recorded."""
    trained = from_run(run.path)
    resolved = resolve_stored(dict(run.config))
    assert resolved.config.data.mean is None
    batch = next(iter(build_source(resolved, 16).evaluation_batches("test", 50)))
    torch.testing.assert_close(trained.preprocessing.normalised(digits(run)[0][:50]), batch.images, rtol=0, atol=2e-6)


def test_a_result_of_before_they_were_recorded_gives_the_same(run: api.Run, tmp_path: Path) -> None:
    import shutil

    old = tmp_path / run.run_id
    shutil.copytree(run.path, old)
    result = json.loads((old / "result.json").read_text(encoding="utf-8"))
    del result["data"]["mean"], result["data"]["std"]
    (old / "result.json").write_text(json.dumps(result), encoding="utf-8")
    (old / "checksums.sha256").unlink()
    assert from_run(old).preprocessing.mean == pytest.approx(from_run(run.path).preprocessing.mean, rel=1e-12)


def test_folding_changes_no_class(run: api.Run) -> None:
    trained = from_run(run.path)
    images = digits(run)[0]
    torch.testing.assert_close(trained.folded().logits(images), trained.logits(images), rtol=1e-4, atol=1e-4)
    assert trained.folded().about["folded"]


def test_images_of_any_kind_become_pixels() -> None:
    preparing = Preprocessing(size=8, channels=3, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    grey = Image.fromarray(np.full((40, 20), 51, np.uint8))
    pixels = preparing.tested(grey)
    assert pixels.shape == (3, 8, 8)
    assert pixels.unique().tolist() == [51]
    assert preparing.normalised(pixels[None]).unique().tolist() == pytest.approx([-1.2])
    assert preparing.at(5).tested(grey).shape == (3, 5, 5)
    with pytest.raises(ValueError, match="no image format"):
        preparing.tested(b"nothing")


def test_a_file_of_ours_says_what_it_is(tmp_path: Path) -> None:
    network = create_model("nf_resnet20", num_classes=7, in_channels=1, alpha=0.3)
    file = tmp_path / "weights.safetensors"
    overrides = {"num_classes": 7, "in_channels": 1, "alpha": 0.3}
    save_weights(network, file, architecture="nf_resnet20", overrides=overrides)
    trained = from_file(file)
    images = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8)
    size = trained.preprocessing.size
    expected = network.eval()(trained.preprocessing.normalised(images))
    torch.testing.assert_close(trained.logits(images), expected.detach(), rtol=0, atol=0)
    assert (size, len(trained.classes)) == (28, 7)


def test_released_weights_have_the_published_preprocessing(tmp_path: Path) -> None:
    network = create_model("nfnet_f0")
    file = tmp_path / "bare.pt"
    torch.save(network.state_dict(), file)
    trained = from_file(file, ["model=nfnet_f0"])
    assert (trained.preprocessing.size, trained.preprocessing.mean) == (256, (0.485, 0.456, 0.406))
    assert (len(trained.classes), trained.classes[1], trained.published_top1) == (1000, "goldfish", None)


@pytest.mark.parametrize(
    ("words", "line"),
    [([], "add model=NAME"), (["model=nf_resnet20"], "weights"), (["model=nothing"], "nothing")],
)
def test_a_file_that_does_not_fit_is_one_line(words: list[str], line: str, tmp_path: Path) -> None:
    file = tmp_path / "bare.pt"
    torch.save(create_model("resnet20", num_classes=10).state_dict(), file)
    with pytest.raises(Exception, match=line) as error:
        from_file(file, words)
    assert "\n" not in str(error.value) or not isinstance(error.value, UserError)


def test_no_file_and_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        from_file(tmp_path / "absent.pt", ["model=resnet20"])
    with pytest.raises(UserError, match="give a run directory"):
        from_run(tmp_path)
