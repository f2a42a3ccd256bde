"""Reading the released (Haiku) weight files without unpickling them.

Such a file is called ``.npz`` and is a pickle of ``{module path: {name: array}}``. A pickle is a program;
this file interprets the few instructions that dictionaries of arrays need and refuses every other one. No
class is looked up, no function is called: the four globals that occur are names that are recognised, and the
only things ever built are numbers, strings, tuples, dictionaries and tensors. The bytes of all tensors
together cannot exceed the size of the file.
"""

from __future__ import annotations

import mmap
import pickletools
from enum import Enum
from math import prod
from pathlib import Path
from typing import IO, cast

import torch
from torch import Tensor

MAX_FILE_BYTES = 4 << 30
_MAX_DIMENSIONS = 8


class _Global(Enum):
    CREATE_ARRAY = "dill's array maker"
    RECONSTRUCT = "NumPy's array maker"
    NDARRAY = "NumPy's array"
    DTYPE = "NumPy's dtype"


_GLOBALS = {
    ("dill._dill", "_create_array"): _Global.CREATE_ARRAY,
    ("numpy.core.multiarray", "_reconstruct"): _Global.RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _Global.RECONSTRUCT,
    ("numpy", "ndarray"): _Global.NDARRAY,
    ("numpy", "dtype"): _Global.DTYPE,
}
_DTYPES = {
    "f2": torch.float16,
    "f4": torch.float32,
    "f8": torch.float64,
    "i4": torch.int32,
    "i8": torch.int64,
}


class _Dtype:
    """The stand-in for ``numpy.dtype(code)``."""

    def __init__(self, code: str) -> None:
        self.dtype = _DTYPES[code]


class _Array:
    """The stand-in for an array: without a tensor until its state is known."""

    tensor: Tensor | None = None


_CONSTANTS: dict[str, object] = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "EMPTY_TUPLE": (),
}
_LITERALS = {
    "BININT",
    "BININT1",
    "BININT2",
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE8",
    "BINBYTES",
    "SHORT_BINBYTES",
    "BINBYTES8",
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_haiku_pickle(path: Path) -> dict[str, Tensor]:
    """Arrays by ``<module path>/<name>``, in the layout that the file has.

    Raises:
        ValueError: the file is no such pickle, is cut off, claims more than it holds, or asks for anything else.
    """
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise ValueError(f"{path}: {size} bytes are more than the {MAX_FILE_BYTES} that are read")
    if size == 0:
        raise ValueError(f"{path}: the file is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as stream:
        try:
            content = _Machine(size).run(cast("IO[bytes]", stream))
            return _flat(content, size)
        except ValueError as error:
            raise ValueError(f"{path}: not a weight file of the released networks, nothing was run: {error}") from None


class _Machine:
    """Interprets the stream of a pickle; everything that is not expected is a ValueError."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.stack: list[object] = []
        self.marks: list[list[object]] = []
        self.memo: dict[int, object] = {}

    def run(self, stream: IO[bytes]) -> object:
        for opcode, argument, _ in pickletools.genops(stream):
            self.step(opcode.name, argument)
        if len(self.stack) != 1 or self.marks:
            raise ValueError("the stream is not balanced")
        return self.stack[0]

    def pop(self) -> object:
        if not self.stack:
            raise ValueError("the stream is not balanced")
        return self.stack.pop()

    def since_mark(self) -> list[object]:
        if not self.marks:
            raise ValueError("the stream is not balanced")
        items, self.stack = self.stack, self.marks.pop()
        return items

    def step(self, name: str, argument: object) -> None:
        if name in ("PROTO", "FRAME", "STOP"):
            return
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _LITERALS:
            self.stack.append(argument)
        elif name in _TUPLES:
            items = [self.pop() for _ in range(_TUPLES[name])]
            self.stack.append(tuple(reversed(items)))
        elif name == "MARK":
            self.marks.append(self.stack)
            self.stack = []
        elif name == "TUPLE":
            items = self.since_mark()
            self.stack.append(tuple(items))
        elif name == "EMPTY_DICT":
            self.stack.append({})
        elif name == "SETITEMS":
            self.set_items(self.since_mark())
        elif name == "SETITEM":
            value = self.pop()
            self.set_items([self.pop(), value])
        elif name in ("MEMOIZE", "BINPUT", "LONG_BINPUT"):
            value = self.pop()
            self.memo[len(self.memo) if name == "MEMOIZE" else cast("int", argument)] = value
            self.stack.append(value)
        elif name in ("BINGET", "LONG_BINGET"):
            if argument not in self.memo:
                raise ValueError("the stream refers to what it never held")
            self.stack.append(self.memo[argument])
        elif name == "STACK_GLOBAL":
            attribute = self.pop()
            self.find(self.pop(), attribute)
        elif name == "GLOBAL":
            module, _, attribute = cast("str", argument).partition(" ")
            self.find(module, attribute)
        elif name == "REDUCE":
            arguments = self.pop()
            self.reduce(self.pop(), arguments)
        elif name == "BUILD":
            state = self.pop()
            self.build(self.pop(), state)
        else:
            raise ValueError(f"it asks for the instruction {name}")

    def find(self, module: object, attribute: object) -> None:
        if not isinstance(module, str) or not isinstance(attribute, str) or (module, attribute) not in _GLOBALS:
            raise ValueError(f"it asks for {str(module)[:40]!r} {str(attribute)[:40]!r}")
        self.stack.append(_GLOBALS[module, attribute])

    def set_items(self, items: list[object]) -> None:
        target = self.pop()
        if not isinstance(target, dict) or len(items) % 2:
            raise ValueError("it sets items of something that is no dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str) or key in target:
                raise ValueError("a dictionary has a key that is no text, or one twice")
            target[key] = value
        self.stack.append(target)

    def reduce(self, function: object, arguments: object) -> None:
        match function, arguments:
            case _Global.DTYPE, (str(code), bool(), bool()) if code in _DTYPES:
                self.stack.append(_Dtype(code))
            case _Global.RECONSTRUCT, (_Global.NDARRAY, (0,), b"b"):
                self.stack.append(_Array())
            case (
                _Global.CREATE_ARRAY,
                (_Global.RECONSTRUCT, (_Global.NDARRAY, (0,), b"b"), state)
                | (
                    _Global.RECONSTRUCT,
                    (_Global.NDARRAY, (0,), b"b"),
                    state,
                    None,
                ),
            ):
                self.build_array(_Array(), state)
            case _:
                raise ValueError("it calls something in a way that no array needs")

    def build(self, target: object, state: object) -> None:
        match target, state:
            case _Dtype(), (3 | 4, "<", None, None, None, -1, -1, 0):
                self.stack.append(target)
            case _Array(tensor=None), _:
                self.build_array(target, state)
            case _:
                raise ValueError("it sets the state of something that has none, or an unknown state")

    def build_array(self, array: _Array, state: object) -> None:
        match state:
            case (1, tuple(shape), _Dtype() as kind, bool(transposed), bytes(data)):
                array.tensor = self.tensor(shape, kind.dtype, transposed, data)
                self.stack.append(array)
            case _:
                raise ValueError("an array's state is not that of a plain array of little-endian numbers")

    def tensor(self, shape: tuple[object, ...], dtype: torch.dtype, transposed: bool, data: bytes) -> Tensor:
        sizes = [side for side in shape if type(side) is int and side >= 0]
        if len(sizes) != len(shape) or len(sizes) > _MAX_DIMENSIONS:
            raise ValueError("an array's shape is not one")
        claimed = prod(sizes) * dtype.itemsize
        if claimed != len(data):
            raise ValueError(f"an array of shape {sizes} claims {claimed} bytes and holds {len(data)}")
        self.budget -= claimed
        if self.budget < 0:
            raise ValueError("its arrays claim more bytes than the file has")
        flat = torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.zeros(0, dtype=dtype)
        if transposed:
            return flat.reshape(sizes[::-1]).permute(*reversed(range(len(sizes))))
        return flat.reshape(sizes)


def _flat(content: object, budget: int) -> dict[str, Tensor]:
    if not isinstance(content, dict) or not content:
        raise ValueError("it holds no dictionary of modules")
    arrays = {}
    for module, parameters in content.items():
        if not isinstance(parameters, dict):
            raise ValueError(f"module {module[:60]!r} is no dictionary of arrays")
        for name, array in parameters.items():
            if not isinstance(array, _Array) or array.tensor is None:
                raise ValueError(f"{module[:60]}/{name[:60]} is no array")
            # One array may stand under many names, each of which is copied later.
            budget -= array.tensor.nbytes
            if budget < 0:
                raise ValueError("its arrays claim more bytes than the file has")
            arrays[f"{module}/{name}"] = array.tensor
    return arrays
