"""Data sets as .beton files: what is kept, what is refused, and that a file is whole or not there."""

import errno
import importlib.util
import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import ROOT
from tests.data.images import digits_as_parquet, encoded, write_parquet

from normfree.config import UserError
from normfree.config.sources.beton_file import JPEG, RAW, read_beton
from normfree.data.beton_writer import PAGE, BetonWriter, Encoded, writing
from normfree.data.convert import main

NEEDS_FFCV = pytest.mark.skipif(importlib.util.find_spec("ffcv") is None, reason="ffcv is not installed: make ffcv")


def stored(path: Path, number: int) -> bytes:
    file = read_beton(path)
    begin = int(file.images["data_ptr"][number])
    return path.read_bytes()[begin : begin + int(file.sizes[number])]


@NEEDS_FFCV
def test_jpeg_is_kept_byte_for_byte_and_other_images_as_pixels(tmp_path: Path) -> None:
    jpeg, labels = encoded(count=6)
    png, _ = encoded(count=6, form="PNG")
    contents = [*jpeg[:3], *png[3:]]
    write_parquet(tmp_path / "train-0.parquet", contents, labels)
    assert main(["data=parquet", f"data.root={tmp_path}", f"out={tmp_path}"]) == 0
    file = read_beton(tmp_path / "train.beton")
    assert file.images["mode"].tolist() == [JPEG] * 3 + [RAW] * 3
    assert file.labels.tolist() == labels
    for number in range(3):
        assert stored(file.path, number) == jpeg[number]
    pixels = np.asarray(Image.open(io.BytesIO(png[4])).convert("RGB"))
    assert stored(file.path, 4) == pixels.tobytes()
    assert not list(tmp_path.glob(".*"))


@NEEDS_FFCV
def test_what_ffcv_would_read_otherwise_is_stored_by_the_rules(tmp_path: Path) -> None:
    """Turned by EXIF, in the colours of print, of 16 bits: FFCV's decoder knows nothing of these."""
    wide = Image.new("RGB", (24, 16), (200, 30, 30))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned, printed, deep = io.BytesIO(), io.BytesIO(), io.BytesIO()
    wide.save(turned, "JPEG", exif=exif)
    wide.convert("CMYK").save(printed, "JPEG")
    Image.fromarray(np.full((16, 24), 30_000, np.uint16)).save(deep, "PNG")
    contents = [each.getvalue() for each in (turned, printed, deep)] * 2
    write_parquet(tmp_path / "train-0.parquet", contents, [0, 1] * 3)
    assert main(["data=parquet", f"data.root={tmp_path}", f"out={tmp_path}"]) == 0
    file = read_beton(tmp_path / "train.beton")
    assert file.images["width"].tolist() == [16, 24, 24] * 2
    from normfree.data.ffcv_loader import read_images

    for place, image in enumerate(read_images(file, np.arange(3), 8)):
        colour = [117] * 3 if place == 2 else [200, 30, 30]
        assert np.abs(image.astype(int) - colour).max() <= 3, place


@NEEDS_FFCV
def test_modes_sizes_and_a_second_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in" / "train" / "one"
    folder.mkdir(parents=True)
    (tmp_path / "in" / "val" / "one").mkdir(parents=True)
    for number, size in enumerate([(60, 40), (30, 90)]):
        Image.new("L", size, 77).save(folder / f"{number}.jpg")
        Image.new("RGBA", size, (5, 6, 7, 8)).save(tmp_path / "in" / "val" / "one" / f"{number}.png")
    common = ["data=folder", f"data.root={tmp_path / 'in'}", "workers=1"]
    assert main([*common, "side=20", f"out={tmp_path / 'small'}"]) == 0
    small = read_beton(tmp_path / "small" / "train.beton")
    assert small.images["width"].tolist() == [30, 20]
    assert small.images["height"].tolist() == [20, 60]
    assert small.images["mode"].tolist() == [JPEG, JPEG]
    assert main([*common, "mode=raw", f"out={tmp_path / 'raw'}"]) == 0
    assert read_beton(tmp_path / "raw" / "train.beton").images["mode"].tolist() == [RAW, RAW]
    assert main([*common, "mode=jpeg", "quality=50", f"out={tmp_path / 'jpeg'}"]) == 0
    assert read_beton(tmp_path / "jpeg" / "val.beton").images["mode"].tolist() == [JPEG, JPEG]
    before = (tmp_path / "raw" / "val.beton").stat().st_mtime_ns
    (tmp_path / "raw" / "train.beton").unlink()
    assert main([*common, "mode=raw", f"out={tmp_path / 'raw'}"]) == 0
    assert (tmp_path / "raw" / "val.beton").stat().st_mtime_ns == before
    output = capsys.readouterr()
    assert "val.beton is there: 2 images" in output.out
    assert "train.beton: 2 images, 8 MiB in" in output.out
    assert "2/2" in output.err
    (folder / "1.jpg").unlink()
    assert main([*common, "mode=raw", f"out={tmp_path / 'raw'}"]) == 2
    assert "train.beton holds 2 images and folder has 1; remove it" in capsys.readouterr().err


@NEEDS_FFCV
def test_a_damaged_image_is_named_or_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contents, labels = encoded(count=8)
    contents[5] = contents[5][:200]
    path = write_parquet(tmp_path / "train-0.parquet", contents, labels)
    common = ["data=parquet", f"data.root={tmp_path}", f"out={tmp_path / 'out'}"]
    assert main(common) == 2
    error = capsys.readouterr().err.splitlines()
    assert error[-1].startswith(f"error: {path}, row 5: unreadable image (")
    assert not list((tmp_path / "out").iterdir())
    assert main([*common, "data.on_error=skip"]) == 0
    assert "7 images, 1 unreadable ones left out" in capsys.readouterr().out
    assert read_beton(tmp_path / "out" / "train.beton").labels.tolist() == labels[:5] + labels[6:]


@NEEDS_FFCV
def test_a_killed_conversion_leaves_no_file(tmp_path: Path) -> None:
    digits_as_parquet(tmp_path / "in", train=24)
    contents, labels = encoded(count=600)
    for number in range(2):
        write_parquet(tmp_path / "in" / f"train-0000{number}-of-00002.parquet", contents * 30, labels * 30)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "normfree.data.convert", "data=parquet", f"data.root={tmp_path / 'in'}"]
    process = subprocess.Popen([*command, f"out={out}", "mode=jpeg"], cwd=ROOT, stderr=subprocess.DEVNULL)
    for _ in range(600):
        if (out / ".train.beton.part").exists() and (out / ".train.beton.part").stat().st_size > PAGE:
            break
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert not (out / "train.beton").exists()
    with writing(out / "train.beton", 1) as writer:  # what was left behind is in nobody's way
        writer.add(Encoded(RAW, 2, 2, bytes(12)), 1)
    assert len(read_beton(out / "train.beton").labels) == 1
    assert os.listdir(out) == ["train.beton"]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(BetonWriter, "finish", full)
    with pytest.raises(UserError, match="cannot be written \\(No space left on device\\)"), writing(tmp_path / "x", 1):
        pass
    assert not list(tmp_path.iterdir())


def test_two_at_once_are_refused_and_large_images_too(tmp_path: Path) -> None:
    with writing(tmp_path / "train.beton", 1) as writer:
        with pytest.raises(UserError, match="another process is writing"), writing(tmp_path / "train.beton", 1):
            pass
        with pytest.raises(ValueError, match="3000 x 3000 px take 26 MiB"):
            writer.add(Encoded(RAW, 3000, 3000, bytes(3000 * 3000 * 3)), 0)
        writer.add(Encoded(RAW, 1, 1, b"abc"), 7)
    assert stored(tmp_path / "train.beton", 0) == b"abc"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["data=imagnet", "out=x"], "data=imagnet: choose one of mnist5k, "),
        (["data=mnist5k"], "out=null: give the folder"),
        (
            ["data=mnist5k", "out=x", "size=3"],
            "size=3: no such key, did you mean 'side'?; there are: data, data.root, ",
        ),
        (["data=mnist5k", "out=x", "quality=0"], "quality=0: give a whole number of at least 1"),
        (["data=mnist5k", "out=x", "quality=101"], "quality=101: give 1 to 100"),
        (["data=mnist5k", "out=x", "mode=png"], "mode=png: choose one of auto, raw, jpeg"),
        pytest.param(["data=folder", "out=x"], "data=folder: no images, data.root is not set", marks=NEEDS_FFCV),
        pytest.param(["data=parquet", "out=x", "data.root=nowhere"], "data.root=nowhere: there", marks=NEEDS_FFCV),
        pytest.param(["data=mnist5k", "out=/proc/x"], "out=/proc/x: train.beton cannot be written", marks=NEEDS_FFCV),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_without_ffcv_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["data=mnist5k", f"out={tmp_path}"]) == 2
    assert capsys.readouterr().err == (
        "error: data.loader=ffcv: FFCV is not installed; run make ffcv, or use data.loader=workers\n"
    )
    assert main(["--help"]) == 0
    assert "data.on_error" in capsys.readouterr().out
