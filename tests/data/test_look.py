"""What a look at images before anything is trained finds, and that a whole image is never refused by it."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.conftest import resolved

from normfree.config import UserError, require_images
from normfree.config.sources import look as look_module
from normfree.config.sources import look_at, read_of
from normfree.config.sources.look import look_at_files, look_at_rows
from normfree.train.plan import describe_plan

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TGA", "TIFF", "WEBP")


def content(kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.effect_noise((24, 24), 40).save(file, kind)
    return file.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split, count in (("train", 12), ("test", 4)):
        for label in ("a", "b"):
            folder = tmp_path / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f"{number:02}.png").write_bytes(content())
    return tmp_path


def words(root: Path) -> tuple[str, ...]:
    return (
        "data=folder", f"data.root={root}", "data.train_size=8", "data.test_size=8", "data.channels=1",
        "data.mean=[0]", "data.std=[1]", "model=nf_resnet20", "batch=4", "steps=2", "optimizer.warmup_steps=1",
    )  # fmt: skip


def files(folder: Path, *contents: bytes) -> tuple[list[str], list[int]]:
    paths = []
    for number, each in enumerate(contents):
        (folder / f"{number}.img").write_bytes(each)
        paths.append(str(folder / f"{number}.img"))
    return paths, [len(each) for each in contents]


def test_whole_images_of_every_format_pass_whatever_follows_them(tmp_path: Path) -> None:
    whole = [content(kind) for kind in FORMATS]
    seen = look_at_files(*files(tmp_path, *whole, whole[2] + b"\0" * 200, whole[3] + b"\0" * 200))
    assert seen.broken == ()
    assert str(seen) == "looked at all 10"


@pytest.mark.parametrize(
    ("damaged", "why"),
    [
        (b"", "empty"),
        (b"no image", "of no image format that is known"),
        (content("JPEG")[:-100], "image file is truncated"),
        (content("PNG")[:-300], "image file is truncated"),
        (content("PNG")[:20], "Truncated File Read"),
    ],
)
def test_what_cannot_be_an_image_is_found(damaged: bytes, why: str, tmp_path: Path) -> None:
    seen = look_at_files(*files(tmp_path, content(), damaged, content()))
    (one,) = seen.broken
    assert one.what == str(tmp_path / "1.img")
    assert one.why.startswith(why)
    table = pa.table({"image": [content(), damaged or None], "label": [0, 1]})
    pq.write_table(table, tmp_path / "train-0.parquet")
    (row,) = look_at_rows([tmp_path / "train-0.parquet"]).broken
    assert row.what == f"{tmp_path / 'train-0.parquet'}, row 1"
    assert row.why == one.why


def test_of_many_some_are_opened_and_all_empty_ones_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_module, "MOST", 4)
    contents = [content()] * 11
    contents[2] = b""
    paths, sizes = files(tmp_path, *contents)
    opened: list[str] = []

    def why_not(file: str) -> str:
        opened.append(file)
        return ""

    monkeypatch.setattr(look_module, "_why_not", why_not)
    seen = look_at_files(paths, [*sizes[:5], -1, *sizes[6:]])
    assert [one.what for one in seen.broken] == [paths[2]]
    assert opened == [paths[0], paths[3], paths[7], paths[10]]
    assert str(seen) == "looked at 5 of 10"


def test_of_large_parquet_files_the_first_rows_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_module, "SMALL", 0)
    image = content()
    for number in range(2):
        rows = [{"bytes": image}] * 99 + [{"bytes": b""}]
        pq.write_table(pa.table({"image": rows, "label": [0] * 100}), tmp_path / f"train-{number}.parquet")
    seen = look_at_rows([tmp_path / f"train-{number}.parquet" for number in range(2)])
    assert (seen.at, seen.of, seen.broken) == (128, 200, ())


def test_a_run_is_refused_and_a_plan_says_what_was_looked_at(root: Path) -> None:
    run = resolved(*words(root))
    digest = read_of(run.config.data).digest
    assert "images found, looked at all 32\n" in describe_plan(run)
    assert read_of(run.config.data).digest == digest
    bad = root / "test" / "b" / "03.png"
    bad.write_bytes(b"")
    run, skips = resolved(*words(root)), resolved(*words(root), "data.on_error=skip")
    line = f"{bad}: unreadable image (empty); repair or remove it, or add data.on_error=skip"
    with pytest.raises(UserError) as refused:
        require_images(run.config.data)
    assert str(refused.value) == line
    assert f"images missing: {line}" in describe_plan(run)
    require_images(skips.config.data)
    plan = describe_plan(skips)
    assert "images found, looked at all 32\n" in plan
    assert f"\nnot read   unreadable images: {bad} (empty)\n" in plan
    (root / "train" / "a" / "00.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"\(empty\), and 1 more of those that were looked at; repair or remove it"):
        require_images(run.config.data)
    assert look_at(resolved().config.data) is None


def test_a_damaged_parquet_file_is_left_to_its_reader(tmp_path: Path) -> None:
    path = tmp_path / "train-0.parquet"
    pq.write_table(pa.table({"image": [content()] * 3, "label": [0] * 3}), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + b"\xff" * 200 + whole[204:])
    assert look_at_rows([path]).broken == ()


def folders(root: Path, images: int, content: bytes) -> list[str]:
    for name in "ab":
        (root / name).mkdir(parents=True)
        for number in range(images):
            (root / name / f"{number}.png").write_bytes(content)
    return ["data=folder", f"data.root={root}", "data.train_size=8", "data.test_size=8", "augment=none"]


def test_few_images_that_cannot_be_read_are_told_beside_the_batch(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"larger than the 2 .* more data; 2 of the 2 images .* cannot be read, such as"
    ):
        resolved(*folders(tmp_path, 1, b"text"), "batch=128")


def test_a_plan_says_that_test_images_are_held_out(tmp_path: Path, root: Path) -> None:
    held = describe_plan(resolved(*folders(tmp_path / "all", 20, content()), "batch=8"))
    assert "4 for validation and 4 for the test (both held out of the 40 there, which have no test split), 8 px" in held
    assert "held out" not in describe_plan(resolved(*words(root)))
