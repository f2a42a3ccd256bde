"""Videos are annotated frame by frame: times, rotation, odd sizes and sound stay."""

import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from normfree import api
from normfree.cli.main import main
from normfree.serve.overlay import with_bars
from normfree.serve.smoothing import Smoothing
from normfree.trained import from_run

pytest.importorskip("av", reason="serve: PyAV is not installed")
from tests.serve.videos import digit_frames, read_video, sounds, write_video

GIVEN = "NORMFREE_TEST_DATA"


@pytest.fixture
def run(twins: list[api.Run]) -> str:
    return f"run={twins[1].path}"


def annotated(run: str, source: Path, out: Path, *words: str) -> None:
    assert main(["predict", run, f"source={source}", f"out={out}", *words]) == 0
    assert not list(out.parent.glob(".*")), "nothing unfinished is left"


def test_every_frame_keeps_its_time_and_has_bars(run: str, tmp_path: Path) -> None:
    times = [round(number * 20 + 15 * math.sin(number)) + (200 if number > 20 else 0) for number in range(40)]
    source = write_video(tmp_path / "in.mp4", digit_frames(40, 128, 160), times)
    out = tmp_path / "out.mp4"
    annotated(run, source, out)
    (before, pictures), (after, shown) = read_video(source), read_video(out)
    assert after == pytest.approx(before, abs=1e-3)
    assert len(set(np.diff(np.round(after, 3)))) > 5, "uneven times stay uneven"
    assert shown[0].shape == (128, 160, 3)
    for one, other in zip(pictures, shown, strict=True):
        assert np.abs(one[:20].astype(int) - other[:20]).mean() < 8, "above the panel the picture is the same"
        assert np.abs(one[-40:].astype(int) - other[-40:]).mean() > 8


def test_sound_is_copied(run: str, tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", digit_frames(20), sound="aac")
    annotated(run, source, tmp_path / "out.mp4")
    assert sounds(tmp_path / "out.mp4") == sounds(source)


def test_sound_that_mp4_does_not_take_is_encoded(run: str, tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mkv", digit_frames(20), sound="pcm_s16le")
    annotated(run, source, tmp_path / "out.mp4")
    codec, packets = sounds(tmp_path / "out.mp4")
    assert codec == "aac"
    assert len(packets) > 30


@pytest.mark.parametrize("turned", [90, 180, -90])
def test_rotation_is_respected(turned: int, run: str, tmp_path: Path) -> None:
    """What is stored turned is seen upright by the network and by whoever watches the result."""
    upright = digit_frames(12, 112, 144)
    stored = [np.ascontiguousarray(np.rot90(each, -turned // 90)) for each in upright]
    plain = write_video(tmp_path / "plain.mp4", upright)
    source = write_video(tmp_path / "in.mp4", stored, turned=turned)
    for name, file in (("plain", plain), ("turned", source)):
        annotated(run, file, tmp_path / f"{name}-out.mp4")
        annotated(run, file, tmp_path / f"{name}.csv")
    _, shown = read_video(tmp_path / "turned-out.mp4")
    _, expected = read_video(tmp_path / "plain-out.mp4")
    assert shown[0].shape == (112, 144, 3)
    assert np.abs(shown[5].astype(int) - expected[5]).mean() < 6
    one, other = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("plain", "turned"))
    assert one["label"].tolist() == other["label"].tolist()


@pytest.mark.parametrize("size", [(97, 131), (97, 130), (96, 131)])
def test_odd_sizes(size: tuple[int, int], run: str, tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mkv", digit_frames(6, *size))
    annotated(run, source, tmp_path / "out.mp4")
    times, shown = read_video(tmp_path / "out.mp4")
    assert len(times) == 6
    assert shown[0].shape == (size[0] + size[0] % 2, size[1] + size[1] % 2, 3)


def test_rows_of_frames_are_what_the_network_computes(twins: list[api.Run], run: str, tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", digit_frames(30), sound="aac")
    for smooth in (0, 0.5):
        annotated(run, source, tmp_path / f"{smooth}.csv", f"smooth={smooth}", "top=10", "fold=false")
    times, frames = read_video(source)
    trained = from_run(twins[1].path)
    pixels = torch.stack([trained.preprocessing.tested(Image.fromarray(frame)) for frame in frames])
    expected = trained.probabilities(pixels)
    raw, smoothed = (pd.read_csv(tmp_path / f"{smooth}.csv") for smooth in (0, 0.5))
    assert raw["frame"].tolist() == list(range(30))
    assert raw["seconds"].tolist() == pytest.approx(times, abs=1e-6)
    assert raw["label"].tolist() == expected.argmax(1).tolist()
    assert raw["probability"].tolist() == pytest.approx(expected.max(1).values.tolist(), rel=1e-4)
    mean = expected[0]
    for number in range(1, 30):
        keep = math.exp(-(times[number] - times[number - 1]) / 0.5)
        mean = keep * mean + (1 - keep) * expected[number]
    assert smoothed["probability"].iloc[-1] == pytest.approx(float(mean.max()), rel=1e-4)


def test_twins_have_a_panel_each(both: str, tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", digit_frames(4, 240, 320))
    annotated(both, source, tmp_path / "out.mp4")
    annotated(both, source, tmp_path / "out.jsonl")
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 8


def test_smoothing_does_not_depend_on_the_rate() -> None:
    def after(rate: int) -> float:
        smoothing = Smoothing(0.5)
        smoothing.add(torch.tensor([1.0]), 0.0)
        return [float(smoothing.add(torch.tensor([0.0]), number / rate)) for number in range(1, rate + 1)][-1]

    assert after(10) == pytest.approx(math.exp(-2), rel=1e-5)
    assert after(100) == pytest.approx(math.exp(-2), rel=1e-5)


@pytest.mark.parametrize("size", [(16, 16), (40, 400), (400, 40), (1920, 1080)])
def test_bars_fit_into_pictures_of_any_size(size: tuple[int, int]) -> None:
    top = [("a class with a name that is far too long for any panel at all", 0.9), ("ü", 0.1), ("", 0.0)]
    for tops in ([("one", top)], [("one", top), ("two", top)]):
        assert with_bars(Image.new("RGB", size), tops).size == size


def test_bad_input_is_one_line(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write_video(tmp_path / "good.mp4", digit_frames(4))
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "cut.mp4").write_bytes(good.read_bytes()[:900])
    write_sound(tmp_path / "sound.mp4")
    (tmp_path / "empty.y4m").write_bytes(b"YUV4MPEG2 W16 H16 F25:1 C420\n")
    for source, out, line in [
        ("text.mp4", "out.mp4", "no video that can be read"),
        ("cut.mp4", "out.mp4", "no video that can be read"),
        ("sound.mp4", "out.mp4", "has no pictures"),
        ("empty.y4m", "out.mp4", "has no frame that can be read"),
        ("good.mp4", "out.avi", "for a video give a file that ends in .mp4"),
        ("good.mp4", "good.mp4", "is the source itself"),
        ("good.mp4", "absent/../good.mp4/out.mp4", "give a writable directory with out="),
    ]:
        words = [run, f"source={tmp_path / source}", f"out={tmp_path / out}"]
        assert main(["predict", *words]) == 2, source
        error = capsys.readouterr().err
        assert line in error
        assert error.count("error: ") == 1
    assert main(["predict", run, f"source={good}"]) == 2
    assert not list(tmp_path.glob("out.*"))
    assert not list(tmp_path.glob(".*"))


def write_sound(path: Path) -> None:
    import av

    write_video(path.with_suffix(".mkv"), digit_frames(2), sound="aac")
    with av.open(str(path.with_suffix(".mkv"))) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)


def test_without_pyav_its_name_is_told(
    run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.mp4").write_bytes(b"")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["predict", run, f"source={tmp_path / 'in.mp4'}", f"out={tmp_path / 'out.mp4'}"]) == 2
    assert "videos need PyAV; pip install 'normfree[serve]'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["bikes.mp4", "carphone_pristine.mp4"])
def test_real_videos(name: str, run: str, tmp_path: Path) -> None:
    video = Path(os.environ.get(GIVEN, "")) / "video" / name
    if not os.environ.get(GIVEN) or not video.is_file():
        pytest.skip(f"{GIVEN} names no folder with video/{name}")
    annotated(run, video, tmp_path / "out.mp4")
    (before, pictures), (after, shown) = read_video(video), read_video(tmp_path / "out.mp4")
    assert after == pytest.approx(before, abs=1e-3)
    upper = slice(0, pictures[0].shape[0] // 3)
    assert max(np.abs(a[upper].astype(int) - b[upper]).mean() for a, b in zip(pictures, shown, strict=True)) < 8
