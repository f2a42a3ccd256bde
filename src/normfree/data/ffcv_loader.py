"""FFCV's Loader, told by us which image comes when and which part of it.

FFCV's own random decoders draw from a generator that each thread has for itself, so that no two runs are the same. Here
the rectangle and the mirroring of each image travel with its metadata, and FFCV reads, decodes, cuts and resizes.
"""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from queue import Empty
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import config as numba_config
from numpy.typing import NDArray

from normfree.config import UserError
from normfree.config.sources.beton_file import IMAGE, Beton

# OpenMP's threads spin while they wait (a fifth slower here), and workqueue dies where two threads use it.
numba_config.THREADING_LAYER_PRIORITY = ["tbb", "omp", "workqueue"]
_torch_threads = torch.get_num_threads()
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from ffcv.fields.basics import IntDecoder
    from ffcv.fields.rgb_image import SimpleRGBImageDecoder
    from ffcv.libffcv import imdecode, resize_crop
    from ffcv.loader import Loader, OrderOption
    from ffcv.loader.epoch_iterator import EpochIterator
    from ffcv.pipeline.allocation_query import AllocationQuery
    from ffcv.pipeline.compiler import Compiler
    from numba import set_num_threads
    from numba.core.dispatcher import Dispatcher
torch.set_num_threads(_torch_threads)


def _set_threads(cls: Any, count: int) -> None:
    cls.num_threads = count
    set_num_threads(count)


def _compile(cls: Any, code: Any, signature: Any = None) -> Any:
    return code if isinstance(code, Dispatcher) else _ffcv_compile(code, signature)


# FFCV's own sets torch's threads too, which are the trainer's, and compiles what is compiled already.
_ffcv_compile = Compiler.compile
Compiler.set_num_threads = classmethod(_set_threads)
Compiler.compile = classmethod(_compile)
_decoders: dict[bool, Any] = {}

BOX = [("top", "<u2"), ("left", "<u2"), ("rows", "<u2"), ("columns", "<u2"), ("mirrored", "<u1")]
_AHEAD = 2


class Boxes(NamedTuple):
    """The part of each image of a file that is taken, ``[n]`` each, in whole pixels; none is empty or reaches out."""

    top: NDArray[np.integer[Any]]
    left: NDArray[np.integer[Any]]
    rows: NDArray[np.integer[Any]]
    columns: NDArray[np.integer[Any]]
    mirrored: NDArray[np.bool_]


def whole(file: Beton) -> Boxes:
    """All of every image."""
    zero = np.zeros(len(file.images), np.uint16)
    return Boxes(zero, zero, file.images["height"], file.images["width"], zero.astype(bool))


def decodes(content: bytes, width: int, height: int) -> bool:
    """Whether FFCV's decoder takes the JPEG without an error or a warning."""
    pixels = np.empty((height, width, 3), np.uint8)
    return bool(imdecode(np.frombuffer(content, np.uint8), pixels, height, width, height, width) == 0)


def shrunk(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """``[H, W, 3]`` -> ``[size, size, 3]``, as FFCV resizes."""
    small = np.empty((size, size, 3), np.uint8)
    pixels = np.ascontiguousarray(pixels)
    resize_crop(pixels, 0, pixels.shape[0], 0, pixels.shape[1], small)
    return small


class _Decoder(SimpleRGBImageDecoder):  # type: ignore[misc]
    """Decodes an image and resizes its box to a square; its second result is not 0 where JPEG is damaged."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def declare_state_and_memory(self, previous_state: Any) -> Any:
        shape, kind = (self._size, self._size, 3), np.dtype("u1")
        state = replace(previous_state, jit_mode=True, shape=shape, dtype=kind)
        return state, (AllocationQuery(shape, kind), AllocationQuery((1,), np.dtype("i4")))

    def generate_code(self) -> Callable[..., Any]:
        """The same for all sizes and files, so that one process compiles it once."""
        parallel = Compiler.num_threads > 1
        if parallel not in _decoders:
            _decoders[parallel] = Compiler.compile(self._decoder())
        return _decoders[parallel]  # type: ignore[no-any-return]

    def _decoder(self) -> Callable[..., Any]:
        read, iterate = self.memory_read, Compiler.get_iterator()
        decode_jpeg, resize = Compiler.compile(imdecode), Compiler.compile(resize_crop)

        def decode(indices, memory, metadata, storage):  # type: ignore[no-untyped-def]
            images, status = memory
            for at in iterate(len(indices)):
                field = metadata[indices[at]]
                content = read(field["data_ptr"], storage)
                height, width = np.uint32(field["height"]), np.uint32(field["width"])
                status[at, 0] = 0
                if field["mode"] == 0:
                    pixels = np.empty((height, width, 3), np.uint8)
                    status[at, 0] = decode_jpeg(content, pixels, height, width, height, width, 0, 0, 1, 1, False, False)
                else:
                    pixels = content.reshape(height, width, 3)
                top, left = np.int64(field["top"]), np.int64(field["left"])
                resize(pixels, top, top + field["rows"], left, left + field["columns"], images[at])
                if field["mirrored"]:
                    images[at] = images[at][:, ::-1].copy()
            return images[: len(indices)], status[: len(indices)]

        decode.is_parallel = True  # type: ignore[attr-defined]
        return decode


class _Epoch(EpochIterator):  # type: ignore[misc]
    """Ends with the error of its thread, and ends its thread when it is left early; FFCV's own hangs in both cases."""

    error: BaseException | None = None

    def run(self) -> None:
        try:
            super().run()
        except BaseException as error:
            self.error = error
            self.output_queue.put(None)

    def stop(self) -> None:
        self.iter_ixes = iter(())
        self.close()
        while self.is_alive():
            try:
                self.output_queue.get(timeout=0.05)
            except Empty:
                continue


class BetonLoader:
    """Reads a file in any order, resizing to one size. The first batch waits some seconds for FFCV's compiler.

    Args:
        size: side of the images that come out.
        batch_size: images of a batch at most.
        threads: that decode.
    """

    def __init__(self, file: Beton, size: int, batch_size: int, threads: int) -> None:
        threads = max(1, min(threads, numba_config.NUMBA_NUM_THREADS))
        pipelines = {file.image: [_Decoder(size)], file.label: [IntDecoder()]}
        # FFCV draws a seed from NumPy's global generator unless it is given one.
        self._loader = Loader(
            str(file.path), batch_size, threads, order=OrderOption.SEQUENTIAL, seed=0, pipelines=pipelines,
            drop_last=False, batches_ahead=_AHEAD,
        )  # fmt: skip
        self._file = file
        self._image = f"f{self._loader.field_name_to_f_ix[file.image]}"
        self._image_first = self._image == "f0"

    def batches(self, order: NDArray[np.int64], boxes: Boxes) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
        """Images uint8 ``[N, size, size, 3]``, which are overwritten later, and labels ``[N]``, of ``order`` in order.

        Raises:
            UserError: an image is damaged.
        """
        self._loader.reader.metadata = self._with_boxes(boxes)
        epoch, position = _Epoch(self._loader, order), 0
        try:
            for result in epoch:
                (images, status), labels = result if self._image_first else result[::-1]
                if status.any():
                    bad = int(order[position + int(np.flatnonzero(status[:, 0])[0])])
                    raise UserError(f"{self._file.path}, image {bad}: damaged; convert the data set again")
                yield images, labels[:, 0].copy()
                position += len(images)
            if epoch.error is not None:
                raise epoch.error
        finally:
            epoch.stop()

    def _with_boxes(self, boxes: Boxes) -> NDArray[Any]:
        found = self._loader.reader.metadata.dtype
        kinds = {name: np.dtype(IMAGE + BOX) if name == self._image else found[name] for name in ("f0", "f1")}
        metadata = np.empty(len(self._file.images), np.dtype(list(kinds.items()), align=True))
        for name, _ in IMAGE:
            metadata[self._image][name] = self._file.images[name]
        for (name, _), values in zip(BOX, boxes, strict=True):
            metadata[self._image][name] = values
        metadata["f1" if self._image_first else "f0"] = self._file.labels
        return metadata


def read_images(file: Beton, places: NDArray[np.int64], size: int) -> Iterator[NDArray[np.uint8]]:
    """Images of a file, ``[size, size, 3]``, each whole, read by FFCV."""
    for images, _ in BetonLoader(file, size, len(places), 1).batches(places, whole(file)):
        yield from images.copy()
