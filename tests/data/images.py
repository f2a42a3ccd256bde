"""Small image files for tests: real digits, encoded by Pillow."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from normfree.config.schema import DataConfig
from normfree.data.held import held_arrays
from normfree.data.mnist5k import mnist5k
from normfree.data.readers import parts_of
from normfree.data.resident import Arrays

NAMES = ("zero", "one")


def encoded(
    split: str = "train", count: int = 24, form: str = "JPEG", mode: str = "RGB"
) -> tuple[list[bytes], list[int]]:
    """Zeros and ones in turn, 28 x 28 px."""
    images, labels = mnist5k(28)[split]
    contents, classes = [], []
    for position in range(count):
        label = position % 2
        pixels = images[labels == label][position // 2, 0].numpy()
        stream = io.BytesIO()
        Image.fromarray(pixels).convert(mode).save(stream, form)
        contents.append(stream.getvalue())
        classes.append(label)
    return contents, classes


def write_parquet(
    path: Path,
    contents: Sequence[bytes | None],
    labels: Sequence[int | None],
    column: str = "image",
    names: Sequence[str] | None = NAMES,
) -> Path:
    """As Hugging Face's datasets writes it; ``names`` go into the schema's metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"bytes": content, "path": None} for content in contents]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({column: pa.array(rows, kind), "label": pa.array(labels, pa.int64())})
    if names is not None:
        features = {"label": {"names": list(names), "_type": "ClassLabel"}, column: {"_type": "Image"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path)
    return path


def digits_as_parquet(folder: Path, train: int = 24, test: int = 6, names: Sequence[str] | None = NAMES) -> Path:
    """A folder with train-*.parquet in two files and test-*.parquet; without names they pass for any set of classes."""
    contents, labels = encoded("train", train)
    half = train // 2
    for number, part in enumerate((slice(half), slice(half, None))):
        write_parquet(folder / f"train-0000{number}-of-00002.parquet", contents[part], labels[part], names=names)
    write_parquet(folder / "test-00000-of-00001.parquet", *encoded("test", test), names=names)
    return folder


def config(root: Path | None, **keys: object) -> DataConfig:
    usual: dict[str, object] = {
        "classes": 2,
        "channels": 3,
        "train_samples": 20,
        "validation_samples": 4,
        "test_samples": 6,
        "train_size": 28,
        "test_size": 28,
    }
    name = str(keys.pop("name", "parquet"))
    return DataConfig(name=name, label="x", root=None if root is None else str(root), **{**usual, **keys})  # type: ignore[arg-type]


def parquet_arrays(data: DataConfig) -> Arrays:
    return held_arrays(parts_of(data), data)[0]
