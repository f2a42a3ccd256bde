"""Files, folders and globs become rows, which are what the network itself computes."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image

from normfree import api
from normfree.cli.main import main
from normfree.data.mnist5k import mnist5k
from normfree.trained import from_run

GIVEN = "NORMFREE_TEST_DATA"
"""Environment variable: a folder with imagenette/ as parquet, for the test on a whole data set."""


def read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".jsonl":
        return pd.DataFrame([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])
    labels = {"label": str, "label_2": str, "label_3": str}
    return pd.read_csv(path, dtype=labels)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_folder_has_the_runs_own_accuracy(
    suffix: str, twins: list[api.Run], both: str, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / f"labels{suffix}"
    assert main(["predict", both, f"source={digits}", f"out={out}", "top=3", "batch=64", "fold=false"]) == 0
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    rows = read(out)
    assert len(rows) == 2000
    told = capsys.readouterr().out
    for run, (name, of_network) in zip(reversed(twins), rows.groupby("network"), strict=True):
        right = of_network["label"] == of_network["file"].str.split("/").str[0]
        assert right.mean() == run.accuracy
        assert f"{name}: {100 * run.accuracy:.2f} % of 1,000 images" in told


def test_rows_are_what_the_network_computes(twins: list[api.Run], digits: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.parquet"
    words = [f"run={twins[1].path}", f"source={digits}", f"out={out}", "top=10", "fold=false"]
    assert main(["predict", *words]) == 0
    rows = read(out).sort_values("file", key=lambda names: names.str[2:])
    images, _ = mnist5k(28)["test"]
    expected = from_run(twins[1].path).probabilities(images)
    computed = torch.zeros_like(expected)
    for place in range(10):
        end = f"_{place + 1}" if place else ""
        classes = torch.tensor(rows[f"label{end}"].astype(int).values)
        computed[torch.arange(len(images)), classes] = torch.tensor(rows[f"probability{end}"].values).float()
    torch.testing.assert_close(computed, expected, rtol=1e-5, atol=1e-6)
    assert computed.argmax(1).tolist() == expected.argmax(1).tolist()


def test_folding_changes_no_label(twins: list[api.Run], digits: Path, tmp_path: Path) -> None:
    for fold in ("true", "false"):
        words = [f"run={twins[1].path}", f"source={digits / '[01]' / '*.png'}", f"out={tmp_path / fold}.csv"]
        assert main(["predict", *words, f"fold={fold}"]) == 0
    assert read(tmp_path / "true.csv")["label"].tolist() == read(tmp_path / "false.csv")["label"].tolist()


def test_one_image_is_printed(both: str, digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = sorted(digits.glob("0/*.png"))[0]
    assert main(["predict", both, f"source={file}", "top=2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"{file.name}, resnet20", f"{file.name}, nf_resnet20"]
    assert all(line.count(" %") == 2 for line in lines)


def test_an_unreadable_image_is_a_row(twins: list[api.Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("CMYK", (40, 30), (10, 20, 30, 40)).save(folder / "b.jpg")
    (folder / "a.png").write_bytes(b"nothing")
    (folder / "c.jpg").write_bytes((folder / "b.jpg").read_bytes()[:300])
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "d.png").symlink_to(folder / "nowhere.png")
    (folder / "notes.txt").write_text("none")
    out = tmp_path / "labels.jsonl"
    assert main(["predict", f"run={twins[0].path}", f"source={folder}", f"out={out}"]) == 0
    rows = read(out)
    assert rows["file"].tolist() == ["a.png", "b.jpg", "c.jpg", "d.png"]
    assert rows["error"].notna().tolist() == [True, False, True, True]
    assert "unreadable: 3 images" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:training waited for images")
@pytest.mark.skipif(GIVEN not in os.environ, reason=f"{GIVEN} names no folder with imagenette/")
def test_all_3925_images_of_imagenette_are_what_evaluation_counts(tmp_path: Path) -> None:
    """JPEG files of 64 px: as rows of a parquet file to the one, in folders of their classes to the other."""
    root = Path(os.environ[GIVEN]) / "imagenette"
    words = ["data=imagenette", f"data.root={root}", "data.train_size=32", "data.test_size=32", "data.loader=workers"]
    few = ["steps=30", "batch=32", "optimizer.warmup_steps=0", "trainer.threads=1", f"runs_dir={tmp_path / 'runs'}"]
    run = api.run(["model=nf_resnet20", "clip=agc", *words, *few], progress=False)
    assert main(["evaluate", f"run={run.path}", f"out={tmp_path / 'evaluation'}"]) == 0
    evaluated = pd.read_parquet(tmp_path / "evaluation" / "predictions.parquet")
    (file,) = (Path(root, name.partition(",")[0]) for name in evaluated["file"].str.partition(",")[0].unique())
    for row, image in enumerate(pd.read_parquet(file)["image"]):
        folder = tmp_path / "images" / evaluated["label_name"][row].replace("/", "-")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{row:04d}.jpg").write_bytes(image["bytes"])
    out = tmp_path / "labels.parquet"
    words = [f"run={run.path}", f"source={tmp_path / 'images'}", f"out={out}", "fold=false", "batch=250"]
    assert main(["predict", *words]) == 0
    rows = read(out).sort_values("file", key=lambda names: names.str.rpartition("/")[2])
    assert rows["label"].tolist() == evaluated["prediction_name"].tolist()
    assert (rows["label"].to_numpy() == evaluated["label_name"].to_numpy()).mean() == run.accuracy
    assert len(rows) == 3925


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_name_that_is_no_utf8_is_in_every_table(suffix: str, twins: list[api.Run], tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.new("L", (28, 28)).save(tmp_path / "images" / "a.png")
    os.rename(tmp_path / "images" / "a.png", os.fsencode(tmp_path / "images") + b"/b\xff.png")
    out = tmp_path / f"labels{suffix}"
    assert main(["predict", f"run={twins[0].path}", f"source={tmp_path / 'images'}", f"out={out}"]) == 0
    assert read(out)["file"].tolist() == [r"b\udcff.png"]


BAD = [
    ([], "source=: give an image"),
    (["source=absent"], "source=absent: there is no such file or folder"),
    (["source=*.nothing"], "source=*.nothing: no image there"),
    (["source=EMPTY"], "no image there"),
    (["source=DIGITS"], "run=: give the directory of a finished run"),
    (["source=DIGITS", "run=EMPTY"], "give a run directory"),
    (["source=DIGITS", "run=a,b,c"], "run=a,b,c: give one run directory, or two"),
    (["source=DIGITS", "run=RUN", "weights=x.pt"], "weights=x.pt: give run= or weights="),
    (["source=DIGITS", "weights=absent.pt"], "no such file"),
    (["source=DIGITS", "run=RUN", "checkpoint=best"], "without trainer.evaluate_every"),
    (["source=DIGITS", "run=RUN", "kind=ema"], "ema"),
    (["source=DIGITS", "run=RUN", "out=labels.xls"], "out=labels.xls: give a file that ends in .csv"),
    (["source=DIGITS", "run=RUN", "out=/proc/absent/labels.csv"], "give a writable directory with out="),
    (["source=BROKEN", "run=RUN"], "unreadable image"),
    (["source=EMPTY/..", "run=RUN"], "none of 1 image can be read, the first for this reason"),
    (["source=webcam:x", "run=RUN"], "source=webcam:x: give webcam, or webcam:1 for the second camera"),
    (["source=browser", "run=RUN", "token=@absent"], "token=@absent: cannot be read (No such file or directory)"),
    (["source=DIGITS", "run=RUN", "top=0"], "top=0: give a whole number from 1 to 20"),
    (["source=browser", "run=RUN", "out=x.csv"], "out=x.csv: source=browser is shown and not written"),
]


@pytest.mark.parametrize(("words", "line"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_bad_input_is_one_line(
    words: list[str],
    line: str,
    twins: list[api.Run],
    digits: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nothing")
    (tmp_path / "empty").mkdir()
    places = {
        "DIGITS": digits,
        "RUN": twins[0].path,
        "EMPTY": tmp_path / "empty",
        "BROKEN": tmp_path / "broken.png",
    }
    for name, place in places.items():
        words = [word.replace(f"={name}", f"={place}") for word in words]
    assert main(["predict", *(words or ["batch=2"])]) == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder(twins: list[api.Run], digits: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert main(["predict", f"run={twins[0].path}", f"source={digits}", f"out={tmp_path / 'a.csv'}"]) == 2
