"""``python -m normfree.data.convert data=... out=FOLDER``: any data set as FFCV's .beton files.

JPEG files are kept as they are, byte for byte, and encoded anew where EXIF turns them; what is no JPEG is stored as
pixels by the rules of `normfree.data.decode`, so that nothing else is lost. The result is train.beton and, for sets
with test images of their own, val.beton.
"""

import io
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from normfree.config import UserError
from normfree.config.conversion import CONVERTIBLE, Conversion, help_text
from normfree.config.keys import read_keys
from normfree.config.schema import DataConfig
from normfree.config.sources import named, read_of
from normfree.config.sources.beton_file import JPEG, RAW, read_beton
from normfree.data.beton_writer import Encoded, writing
from normfree.data.decode import is_upright, open_image, unreadable
from normfree.data.ffcv_source import import_ffcv
from normfree.data.patience import in_threads
from normfree.data.readers import arrays_of, encoded_images, parts_of
from normfree.data.samples import Samples
from normfree.data.split import shuffled_order
from normfree.host.devices import cores
from normfree.host.exit_codes import EXIT_BAD_INPUT, EXIT_INTERRUPTED, EXIT_OK

MODES = ("auto", "raw", "jpeg")
FILES = {"train": "train.beton", "test": "val.beton"}
THREE = {"train": "train.beton", "validation": "val.beton", "test": "test.beton"}
"""Of sets with validation images of their own."""
_CHUNK = 32
_SAMPLE, _SIDE = 64, 64
"""So many images of a written file are compared with their source, at so many pixels."""
_JPEG_TOLERANCE = 10.0
"""Mean difference in 255: FFCV decodes JPEG with a faster transform and coarser colours, which strong ones show."""


class ArraySamples:
    """Arrays as samples, such that the fixed random split of the file is that of the arrays."""

    def __init__(self, images: Tensor, labels: Tensor, where: str, shuffled: bool) -> None:
        order = shuffled_order(len(labels)) if shuffled else torch.arange(len(labels))
        self.images, self.labels = torch.empty_like(images), torch.empty_like(labels)
        self.images[order], self.labels[order] = images, labels
        self._where = where

    @property
    def files(self) -> list[Path]:
        return []

    def prepare(self) -> None:
        pass

    def read(self, index: int) -> bytes:
        pixels = self.images[index].permute(1, 2, 0).expand(-1, -1, 3).numpy()
        stream = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PPM")
        return stream.getvalue()

    def where(self, index: int) -> str:
        return f"{self._where}, image {index}"


def convert(options: Conversion, say: Callable[[str], None] = print) -> dict[str, Path]:
    """Write the files that are missing and check them; what is there already is checked for its number of images.

    Raises:
        UserError: bad options, missing or damaged data, a full disk.
    """
    _check(options)
    import_ffcv()
    written = {}
    data = named(options.data).whole(
        DataConfig(name=options.data, root=options.root, train_size=options.train_size, on_error=options.on_error)
    )
    found = read_of(data)
    found.refuse_broken(data.on_error)
    for line in found.remarks():
        say(f"data.root={data.root}: {line}")
    parts = _parts(data)
    for part, samples in parts.items():
        path = Path(options.out).expanduser() / (THREE if "validation" in parts else FILES)[part]
        written[part] = path
        count = len(samples.labels)
        if path.exists():
            _compare(path, samples, found.classes, options)
            say(f"{path} is there: {len(read_beton(path).labels):,} images")
            continue
        begin = time.monotonic()
        kept = _write(path, samples, found.classes, options)
        try:
            _verify(path, samples, kept, options)
        except BaseException:
            path.unlink()
            raise
        left_out = f", {count - len(kept):,} unreadable ones left out" if len(kept) < count else ""
        size = path.stat().st_size / 2**20
        say(f"{path}: {len(kept):,} images{left_out}, {size:,.0f} MiB in {time.monotonic() - begin:.0f} s, verified")
    return written


def _compare(path: Path, samples: Samples, classes: Sequence[str], options: Conversion) -> None:
    """What is there already must have come of the same images, as far as numbers and labels tell.

    Raises:
        UserError: it has not.
    """
    there = read_beton(path)
    if options.on_error != "raise":
        return
    if len(there.labels) != len(samples.labels):
        raise UserError(
            f"out={options.out}: {path} holds {len(there.labels)} images and {options.data} has {len(samples.labels)}; "
            "remove it"
        )
    if there.labels.tolist() != samples.labels.tolist() or (there.classes and there.classes != list(classes)):
        raise UserError(f"out={options.out}: {path} holds images of other classes; remove it")


def encode(content: bytes, options: Conversion) -> Encoded:
    """As it is to be stored.

    Raises:
        ValueError: the bytes are no image, or a damaged one.
    """
    image = open_image(content)
    width, height = image.size
    small = options.side is None or min(width, height) <= options.side
    if options.mode != "raw" and small and _is_plain_jpeg(content, width, height):
        return Encoded(JPEG, width, height, content)
    was_jpeg = content[:2] == b"\xff\xd8"
    if not small:
        assert options.side is not None
        scale = options.side / min(width, height)
        image = image.resize((round(width * scale), round(height * scale)), Image.Resampling.BICUBIC, reducing_gap=3.0)
    if options.mode == "jpeg" or (options.mode == "auto" and was_jpeg):
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=options.quality)
        return Encoded(JPEG, *image.size, stream.getvalue())
    return Encoded(RAW, *image.size, image.tobytes())


def _is_plain_jpeg(content: bytes, width: int, height: int) -> bool:
    """Whether FFCV's decoder reads it without an error or a warning, and gives the pixels of the rules."""
    if content[:2] != b"\xff\xd8":
        return False
    with Image.open(io.BytesIO(content)) as opened:
        if opened.mode not in ("L", "RGB") or not is_upright(opened):
            return False
    from normfree.data.ffcv_loader import decodes

    return decodes(content, width, height)


def _parts(data: DataConfig) -> dict[str, Samples]:
    if encoded_images(data):
        return parts_of(data)
    arrays, _ = arrays_of(data)
    train = [torch.cat([arrays[split][part] for split in ("validation", "train")]) for part in (0, 1)]
    return {
        "train": ArraySamples(train[0], train[1], f"{data.name}, training part", shuffled=True),
        "test": ArraySamples(*arrays["test"], f"{data.name}, test part", shuffled=False),
    }


def _write(path: Path, samples: Samples, classes: Sequence[str], options: Conversion) -> list[int]:
    """The samples that were written, in order."""
    count, kept = len(samples.labels), []
    progress = _Progress(path.name, count)
    with writing(path, count, classes) as writer:
        for index, encoded in enumerate(_encoded(samples, options)):
            try:
                if isinstance(encoded, ValueError):
                    raise encoded
                writer.add(encoded, int(samples.labels[index]))
                kept.append(index)
            except ValueError as error:
                if options.on_error == "raise":
                    progress.end()
                    raise unreadable(samples.where(index), error) from error
            progress.show(index + 1)
        progress.end()
        if not kept:
            raise UserError(f"data.root={options.root}: no readable images there; give another folder")
    return kept


def _encoded(samples: Samples, options: Conversion) -> Iterator[Encoded | ValueError]:
    """All samples in order, a few chunks ahead."""

    def work(index: int) -> Encoded | ValueError:
        try:
            return encode(_content(samples, index), options)
        except ValueError as error:
            return error

    count = len(samples.labels)
    parts = [range(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
    for done in in_threads(options.workers or cores(), parts, work, samples.where):
        yield from done


def _content(samples: Samples, index: int) -> bytes:
    content = samples.read(index)
    assert isinstance(content, bytes), "a data set of the user's own is not convertible"
    return content


def _verify(path: Path, samples: Samples, kept: Sequence[int], options: Conversion) -> None:
    """Counts the file and reads some of its images with FFCV, beside the source's.

    Raises:
        UserError: the file is not what was to be written.
    """
    from normfree.data.ffcv_loader import read_images, shrunk

    file = read_beton(path)
    if file.labels.tolist() != samples.labels[list(kept)].tolist():
        raise UserError(f"{path}: holds {len(file.labels)} images, other than the {len(kept)} written; convert again")
    places = np.unique(np.linspace(0, len(kept) - 1, _SAMPLE).astype(np.int64))
    for place, read in zip(places.tolist(), read_images(file, places, _SIDE), strict=True):
        source = encode(_content(samples, kept[place]), options)
        pixels = (
            np.frombuffer(source.content, np.uint8) if source.mode == RAW else np.asarray(open_image(source.content))
        )
        small = shrunk(pixels.reshape(source.height, source.width, 3), _SIDE)
        difference = np.abs(small.astype(np.int16) - read).mean()
        if difference > (_JPEG_TOLERANCE if source.mode == JPEG else 0.0):
            raise UserError(f"{path}: image {place} is not {samples.where(kept[place])}; check the disk, convert again")


class _Progress:
    """A line that is rewritten on a terminal, and printed ten times elsewhere."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total, self._begin, self._tenth = name, total, time.monotonic(), 0
        self._last = 0.0

    def show(self, done: int) -> None:
        now = time.monotonic()
        tenth = done * 10 // self._total
        if tenth == self._tenth and not (sys.stderr.isatty() and now - self._last > 0.1):
            return
        rate = done / max(now - self._begin, 1e-9)
        left = (self._total - done) / rate
        bar = ("#" * (done * 30 // self._total)).ljust(30)
        text = f"{self._name} [{bar}] {done:,}/{self._total:,}  {rate:,.0f} images/s  {left:.0f} s left"
        print(f"\r{text}" if sys.stderr.isatty() else text, end="" if sys.stderr.isatty() else "\n", file=sys.stderr)
        sys.stderr.flush()
        self._tenth, self._last = tenth, now

    def end(self) -> None:
        if sys.stderr.isatty():
            print(file=sys.stderr)


def _check(options: Conversion) -> None:
    for key, choices in (("data", CONVERTIBLE), ("mode", MODES), ("on_error", ("raise", "skip"))):
        if (value := getattr(options, key)) not in choices:
            name = "data.on_error" if key == "on_error" else key
            raise UserError(f"{name}={value}: choose one of {', '.join(choices)}")
    if not options.out:
        raise UserError("out=null: give the folder of the result with out=FOLDER")
    if options.quality > 100:
        raise UserError(f"quality={options.quality}: give 1 to 100")


def main(words: Sequence[str]) -> int:
    """Exit code 0, 2 after one line on stderr, or 130 after Ctrl-C."""
    if not words or {"-h", "--help"} & set(words):
        print(help_text(), end="")
        return EXIT_OK
    try:
        convert(read_keys(Conversion, words, command="python -m normfree.data.convert"))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted; whole files are kept, the same command writes the rest", file=sys.stderr)
        return EXIT_INTERRUPTED
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
