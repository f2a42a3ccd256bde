"""What the schemas of Hugging Face image parquet tell, without reading an image."""

import io
import json
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from normfree.config.errors import UserError

if TYPE_CHECKING:
    import pyarrow.parquet as pq

IMAGE_COLUMNS = ("image", "img")
LABEL_COLUMNS = ("label", "fine_label")


class Remote(Protocol):
    """A file elsewhere, which can be read in parts."""

    def open(self) -> Any:
        """As a binary file."""
        ...


def open_parquet(path: Path | Remote) -> "pq.ParquetFile":
    """The file with its schema read.

    Raises:
        UserError: not a parquet file, or without a column of images or of labels.
    """
    # 0.2 s, and only runs on parquet need it.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Opening a pipe would wait for ever.
        if isinstance(path, Path) and not stat.S_ISREG(path.stat().st_mode):
            raise OSError("no regular file")
        file = pq.ParquetFile(path if isinstance(path, Path) else path.open())
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: not a readable parquet file ({_first_line(error)}); fetch it again") from error
    image_column(file, path)
    label_column(file, path)
    return file


def image_column(file: "pq.ParquetFile", path: Path | Remote) -> str:
    """The column of encoded images: binary, or a struct with ``bytes``."""
    import pyarrow as pa

    name = _column(file, path, IMAGE_COLUMNS, "images")
    kind = file.schema_arrow.field(name).type
    inner = kind.field("bytes").type if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else kind
    if not (pa.types.is_binary(inner) or pa.types.is_large_binary(inner)):
        raise UserError(f"{path}: column {name} holds {kind}, not encoded images; it must be binary or have bytes")
    return name


def label_column(file: "pq.ParquetFile", path: Path | Remote) -> str:
    """The column of class numbers."""
    import pyarrow as pa

    name = _column(file, path, LABEL_COLUMNS, "labels")
    if not pa.types.is_integer(kind := file.schema_arrow.field(name).type):
        raise UserError(f"{path}: column {name} holds {kind}; labels must be whole numbers from 0")
    return name


def _column(file: "pq.ParquetFile", path: Path | Remote, names: tuple[str, ...], content: str) -> str:
    there = file.schema_arrow.names
    for name in names:
        if name in there:
            return name
    raise UserError(
        f"{path}: no column of {content}; it must be called {' or '.join(names)}, and the file has {', '.join(there)}"
    )


def class_names(file: "pq.ParquetFile") -> list[str]:
    """From the schema's metadata: Hugging Face's features, or ``class_names`` joined by bars; else empty."""
    metadata: dict[bytes, bytes] = file.schema_arrow.metadata or {}
    if b"huggingface" in metadata:
        try:
            features: Any = json.loads(metadata[b"huggingface"])["info"]["features"]
        except (ValueError, KeyError, TypeError):
            features = {}
        # Of the column that is read: another one's names would be those of other numbers.
        read = next((name for name in LABEL_COLUMNS if name in file.schema_arrow.names), None)
        feature = features.get(read) if isinstance(features, dict) else None
        names = feature.get("names") if isinstance(feature, dict) else None
        if isinstance(names, list) and names:
            return [str(each) for each in names]
    joined = metadata.get(b"class_names", b"").decode(errors="replace")
    return joined.split("|") if joined else []


def holds_jpeg(path: Path | Remote) -> bool:
    """Whether the first image is a JPEG."""
    file = open_parquet(path)
    for batch in file.iter_batches(1, columns=[image_column(file, path)]):
        first = batch.column(0)[0].as_py()
        content = first["bytes"] if isinstance(first, dict) else first
        return bool(content) and content.startswith(b"\xff\xd8")
    return False


def count_rows(files: Sequence[Path | Remote]) -> int:
    """Images in all files together."""
    return sum(open_parquet(path).metadata.num_rows for path in files)


def side_of(path: Path) -> int:
    """The shorter side of the first image in pixels; 0 where there is none that can be read."""
    from PIL import Image

    file = open_parquet(path)
    for batch in file.iter_batches(1, columns=[image_column(file, path)]):
        first = batch.column(0)[0].as_py()
        content = first["bytes"] if isinstance(first, dict) else first
        try:
            with Image.open(io.BytesIO(content or b"")) as image:
                return min(image.size)
        except (OSError, ValueError, Image.DecompressionBombError):
            return 0
    return 0


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
