"""Names, shapes and a digest of the arrays in a file of weights, without torch and without running what is in it.

The digest is of names, types, shapes and numbers as a state dict of a network has them: the same for a checkpoint of a
run, the same weights in safetensors, and whatever layout in memory they had. Those of released Haiku files and of timm
are taken as they are there, under the names they have there.
"""

import errno
import hashlib
import json
import math
import mmap
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from normfree.config.weights.inert_pickle import Asked, read_inert, table

PREFIX, AVERAGE = "network.", "ema"
"""Of the names in a run's checkpoint, and where it keeps the moving average."""
_LARGEST_PICKLE = 64 * 2**20
_LARGEST_HAIKU = 4 << 30
_LARGEST_HEADER = 100 * 2**20
_TYPES = {
    "Float": ("F32", 4), "Double": ("F64", 8), "Half": ("F16", 2), "BFloat16": ("BF16", 2), "Long": ("I64", 8),
    "Int": ("I32", 4), "Short": ("I16", 2), "Char": ("I8", 1), "Byte": ("U8", 1), "Bool": ("BOOL", 1),
}  # fmt: skip
"""torch's name of a storage -> its type as safetensors call it, and bytes of a number."""
_REBUILD = "torch._utils._rebuild_tensor_v2"
_HEADS = ("classifier.weight", "head.fc.weight")
_HAIKU_HEAD = "/linear/w"


@dataclass(frozen=True)
class Contents:
    """What a file of weights holds.

    Attributes:
        digest: SHA-256, 64 hexadecimal digits.
        shapes: of the arrays, by their names in the file.
    """

    digest: str
    shapes: Mapping[str, tuple[int, ...]]

    @property
    def classes(self) -> int | None:
        """Of the classifier, where it has one of the names that are known."""
        for name in _HEADS:
            if len(shape := self.shapes.get(name, ())) == 2:
                return shape[0]
        for name, shape in self.shapes.items():
            if name.endswith(_HAIKU_HEAD) and "squeeze" not in name and len(shape) == 2:
                return shape[1]
        return None


_Array = tuple[str, tuple[int, ...], Any]
"""Type, shape, and the bytes in C order."""


def contents_of(path: Path, kind: str = "raw") -> Contents:
    """What the file holds.

    Args:
        kind: of a run's checkpoint, ``raw`` for the weights as trained or ``ema`` for their moving average.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds no weights that can be told apart; says why.
    """
    with path.open("rb") as file:
        start = file.read(9)
        if not start:
            raise ValueError("is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if start[:4] == b"PK\x03\x04":
                arrays = _of_torch(path, content, kind)
            elif kind != "raw":
                raise ValueError(f"has one set of weights, and no {kind}")
            elif start[8:] == b"{":
                arrays = _of_safetensors(content)
            elif start[:1] == b"\x80":
                arrays = _of_haiku(content)
            else:
                raise ValueError("is neither safetensors, nor a checkpoint, nor a released file of Haiku weights")
            return _digested(arrays)


def _digested(arrays: Iterator[tuple[str, _Array]]) -> Contents:
    each = {}
    shapes = {}
    for name, (kind, shape, content) in arrays:
        one = hashlib.sha256(f"{name} {kind} {list(shape)}\n".encode())
        one.update(content)
        each[name], shapes[name] = one.digest(), shape
    if not each:
        raise ValueError("holds no weights of a network")
    found = hashlib.sha256(b"".join(each[name] for name in sorted(each)))
    return Contents(found.hexdigest(), {name: shapes[name] for name in sorted(shapes)})


def _of_safetensors(content: mmap.mmap) -> Iterator[tuple[str, _Array]]:
    length = int.from_bytes(content[:8], "little")
    if not 2 <= length <= min(_LARGEST_HEADER, len(content) - 8):
        raise ValueError("is a damaged safetensors file")
    try:
        header = json.loads(content[8 : 8 + length])
        described = {name: each for name, each in header.items() if name != "__metadata__"}
        rows = [(name, one["dtype"], tuple(one["shape"]), *one["data_offsets"]) for name, one in described.items()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError("is a damaged safetensors file") from error
    for name, kind, shape, first, last in rows:
        if not 0 <= first <= last <= len(content) - 8 - length:
            raise ValueError("is a damaged safetensors file: an array lies outside of it")
        yield name, (kind, shape, content[8 + length + first : 8 + length + last])


def _of_torch(path: Path, content: mmap.mmap, kind: str) -> Iterator[tuple[str, _Array]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}
            described = members.get("data.pkl")
            if described is None or any(entry.compress_type != zipfile.ZIP_STORED for entry in members.values()):
                raise ValueError("is no checkpoint of torch")
            if described.file_size > _LARGEST_PICKLE:
                raise ValueError("describes more than a network")
            found = table(read_inert(archive.read(described), lambda stored: stored))
            for name, tensor in _state(found or {}, kind).items():
                yield name, _tensor(name, tensor, lambda key: archive.read(members[f"data/{key}"]))
    except (zipfile.BadZipFile, KeyError, EOFError, RuntimeError) as error:  # whatever zipfile says of wrong headers
        raise ValueError(f"is a damaged checkpoint ({str(error) or 'it ends too early'})") from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise ValueError("is a damaged checkpoint (a part lies outside of it)") from error


def _state(content: Mapping[Any, Any], kind: str) -> dict[str, Any]:
    """Tensors of the network by their names in it."""
    if kind == AVERAGE:
        average = table(content.get(AVERAGE))
        if average is None:
            raise ValueError("keeps no moving average; leave model.weights_kind out, or train with optimizer.ema_decay")
        state = table(average.get("weights")) or {}
    else:
        state = table(content.get("state_dict", content)) or {}
    if kind != AVERAGE and "state_dict" in content and any(str(name).startswith(PREFIX) for name in state):
        state = {name.removeprefix(PREFIX): each for name, each in state.items() if str(name).startswith(PREFIX)}
    return {str(name): each for name, each in state.items()}


def _tensor(name: str, tensor: Any, read: Any) -> _Array:
    if isinstance(tensor, Asked) and tensor.name.endswith("_rebuild_parameter") and tensor.arguments:
        tensor = tensor.arguments[0]
    if not isinstance(tensor, Asked) or tensor.name != _REBUILD or not tensor.arguments:
        raise ValueError(f"holds {name[:60]}, which is no plain tensor")
    try:
        (_, storage, key, _, count), offset, shape, stride = tensor.arguments[:4]
        kind, size = _TYPES[storage.name.rpartition(".")[2].removesuffix("Storage")]
        shape, stride = tuple(map(int, shape)), tuple(map(int, stride))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(f"holds {name[:60]} in numbers that are not known") from error
    content = read(key)
    last = offset + sum((side - 1) * step for side, step in zip(shape, stride, strict=True))
    inside = min(offset, *stride, 0) >= 0 and last < count <= len(content) // size
    if math.prod(shape) and not inside:
        raise ValueError(f"is a damaged checkpoint: {name[:60]} lies outside of it")
    return kind, shape, _in_order(content, size, offset, shape, stride)


def _in_order(content: bytes, size: int, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """The numbers of a tensor, whatever their order in memory is, as C has them."""
    if not math.prod(shape):
        return b""
    import numpy as np

    flat = np.frombuffer(content, dtype=f"V{size}")[offset:]
    strides = [step * size for step in stride]
    return np.lib.stride_tricks.as_strided(flat, shape, strides, writeable=False).tobytes()


def _of_haiku(content: mmap.mmap) -> Iterator[tuple[str, _Array]]:
    if len(content) > _LARGEST_HAIKU:
        raise ValueError("is larger than released weights are")
    modules = table(read_inert(content[:]))
    for module, parameters in (modules or {}).items():
        for name, array in (table(parameters) or {}).items():
            state = _haiku_state(array)
            if state is None:
                raise ValueError(f"holds {str(module)[:60]}/{str(name)[:60]}, which is no array")
            shape, code, transposed, numbers = state
            yield f"{module}/{name}", (f"{code}{'T' * transposed}", shape, numbers)


def _haiku_state(array: Any) -> tuple[tuple[int, ...], str, bool, bytes] | None:
    if not isinstance(array, Asked):
        return None
    for state in (array.state, *(array.arguments or ())):
        match state:
            case (1, tuple(shape), Asked(arguments=(str(code), *_)), bool(transposed), bytes(numbers)):
                return shape, code, transposed, numbers
    return None
