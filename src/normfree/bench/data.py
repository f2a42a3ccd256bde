"""Loading and augmenting training images: FFCV, parquet and sets in memory beside torchvision with a DataLoader.

Every loader gives random crops, mirrored at random and normalised, in batches in memory: for photographs a random
resized crop, for CIFAR-10 a crop after padding. `value` is images per second, `per_cpu_second` images per second of
processor time of this process and its workers. `over` is the speed over `reference` round by round, `cpu_over` the
same per CPU second (more is better). All are warm: what was prepared ahead is drained before the clock starts.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from normfree.bench.options import file_of
from normfree.bench.rows import Table
from normfree.config import UserError
from normfree.config.conversion import Conversion
from normfree.config.key_readers import optional, plain_text
from normfree.config.keys import key
from normfree.config.schema import AugmentConfig, DataConfig
from normfree.config.sources.cifar import CIFAR
from normfree.config.sources.parquet import ImagenetteSource
from normfree.data.convert import convert
from normfree.data.decode_all import decode_all
from normfree.data.ffcv_source import FfcvSource
from normfree.data.resident import ResidentSource
from normfree.data.samples import FolderSamples, ParquetSamples
from normfree.data.source import Source
from normfree.data.workers import WorkerSource
from normfree.host.installing import install, made
from normfree.probe.timing import Spread, ratios

SUITE = "loading and augmenting images beside torchvision with a DataLoader"
TITLE = "Loading images"

COLUMNS = (
    "images", "loader", "value", "low", "high", "unit", "per_cpu_second", "cpu_low", "cpu_high",
    "reference", "over", "over_low", "over_high", "cpu_over", "cpu_over_low", "cpu_over_high",
    "size", "batch", "workers", "rounds",
)  # fmt: skip
KEYS = ("images", "loader", "size", "batch", "workers", "threads")
IMAGE_FOLDER, TORCHVISION = "torchvision ImageFolder", "torchvision CIFAR10"
_MEAN, _STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
_FOREVER = 10**9
Batches = Iterator[Any]


@dataclass
class Options:
    """What is measured."""

    photographs: str | None = key(None, "JPEG images as Hugging Face parquet", optional(plain_text))
    cifar10: str | None = key(None, "CIFAR-10 as Hugging Face parquet", optional(plain_text))
    size: int = key(128, "side of the photographs in training, and in the names of their files")
    batch: int = key(64, "photographs of a batch")
    cifar_batch: int = key(512, "images of CIFAR-10 of a batch")
    samples: int = key(2048, "images in one measurement")
    workers: int = key(2, "worker processes, or threads of FFCV")
    threads: int = key(1, "CPU threads of this process")
    rounds: int = key(9, "measurements of each")
    folder: str | None = key(None, "where JPEG files and .beton are written; null: removed again", optional(plain_text))
    out: str | None = key(None, "CSV file; null: reports/benchmarks/data-cpu.csv", optional(plain_text))


class _Case(NamedTuple):
    images: str
    reference: str
    size: int
    batch: int
    loaders: dict[str, Callable[[], Batches]]


def run(options: Options) -> None:
    """Measures and writes; see `Options`.

    Raises:
        UserError: no images are given, or they cannot be read.
    """
    if options.photographs is None and options.cifar10 is None:
        raise UserError("photographs=null cifar10=null: give at least one of them, such as cifar10=PATH")
    device = torch.device("cpu")
    torch.set_num_threads(options.threads)
    table = Table(Path(options.out or file_of("data", device)), COLUMNS, KEYS, device)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.folder or temporary)
        # FFCV last: its threads are in the way of processes that are forked later.
        if options.cifar10 is not None:
            _measure(_cifar10(options, options.cifar10), options, table)
        if options.photographs is not None:
            _measure(_photographs(options, options.photographs, folder), options, table)


def write_jpegs(samples: ParquetSamples, folder: Path) -> None:
    """The images as files in class folders, byte for byte."""
    shutil.rmtree(folder, ignore_errors=True)
    for index, label in enumerate(samples.labels.tolist()):
        place = folder / f"{label:04d}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{index:07d}.jpg").write_bytes(samples.read(index))


def _photographs(options: Options, root: str, folder: Path) -> _Case:
    data = DataConfig("imagenette", root=root, train_size=options.size, channels=3, mean=_MEAN, std=_STD)
    packed = ParquetSamples(ImagenetteSource().files(data)["train"])
    data.classes, data.train_samples = int(packed.labels.max()) + 1, len(packed.labels)
    data.validation_samples, data.test_samples, data.workers = 0, 0, options.workers
    data.test_size = options.size
    augment = AugmentConfig("crop_flip", random_resized_crop=True, flip=True)
    write_jpegs(packed, folder / "jpeg")
    per_epoch = len(packed.labels) // options.batch
    rest = (data, augment, 0, options.batch, per_epoch)
    files = FolderSamples(folder / "jpeg")
    loaders: dict[str, Callable[[], Batches]] = {
        IMAGE_FOLDER: lambda: _image_folder(folder / "jpeg", options, v2.InterpolationMode.BILINEAR),
        f"{IMAGE_FOLDER}, bicubic": lambda: _image_folder(folder / "jpeg", options, v2.InterpolationMode.BICUBIC),
        "normfree workers, files": lambda: _forever(WorkerSource(files, None, *rest)),
        "normfree workers, parquet": lambda: _forever(WorkerSource(packed, None, *rest)),
    }
    if importlib.util.find_spec("ffcv") is None:
        print(f"ffcv is not installed: its rows are left out; {made('ffcv', install('normfree[ffcv]'))} to have them")
    else:
        loaders["normfree ffcv"] = lambda: _forever(FfcvSource(_beton(folder), *rest))
    return _Case("photographs", IMAGE_FOLDER, options.size, options.batch, loaders)


def _beton(folder: Path) -> dict[str, Path]:
    shutil.rmtree(folder / "beton", ignore_errors=True)
    return convert(Conversion("folder", root=str(folder / "jpeg"), out=str(folder / "beton")))


def _cifar10(options: Options, root: str) -> _Case:
    data = DataConfig("cifar10", root=root, train_size=32, test_size=32, channels=3, mean=_MEAN, std=_STD)
    packed = ParquetSamples(CIFAR["cifar10"].files(data)["train"])
    data.classes, data.train_samples = int(packed.labels.max()) + 1, len(packed.labels)
    data.validation_samples, data.test_samples, data.workers = 0, 0, options.workers
    augment = AugmentConfig("crop_flip", shift=4, flip=True)
    held = decode_all(packed, data, 0)
    per_epoch = len(packed.labels) // options.cifar_batch
    rest = (augment, 0, options.cifar_batch, per_epoch)
    loaders: dict[str, Callable[[], Batches]] = {
        TORCHVISION: lambda: _endless(_Cifar10(held.images, held.labels), options.cifar_batch, options.workers),
        "normfree workers": lambda: _forever(WorkerSource(packed, None, data, *rest)),
        "normfree resident": lambda: _forever(
            ResidentSource({"train": (held.images, held.labels)}, data.classes, *rest, mean=_MEAN, std=_STD)
        ),
    }
    return _Case("cifar10", TORCHVISION, 32, options.cifar_batch, loaders)


def _forever(source: Source) -> Batches:
    return source.training_batches(0, _FOREVER)


def _normalised() -> list[torch.nn.Module]:
    return [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(_MEAN, _STD)]


def _image_folder(folder: Path, options: Options, interpolation: v2.InterpolationMode) -> Batches:
    """As torchvision's own training script reads ImageNet."""
    steps = [v2.RandomResizedCrop(options.size, interpolation=interpolation), v2.RandomHorizontalFlip(), *_normalised()]
    return _endless(ImageFolder(str(folder), v2.Compose(steps)), options.batch, options.workers)


class _Cifar10(Dataset[tuple[Tensor, int]]):
    """As torchvision's CIFAR10: arrays in memory, a PIL image for each sample, transforms."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self._images, self._labels = images.permute(0, 2, 3, 1).contiguous().numpy(), labels.tolist()
        self._transform = v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(), *_normalised()])

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._transform(Image.fromarray(self._images[index])), self._labels[index]


def _endless(dataset: Dataset[Any], batch: int, workers: int) -> Batches:
    loader = DataLoader(
        dataset, batch, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0
    )
    while True:
        yield from loader


def _measure(case: _Case, options: Options, table: Table) -> None:
    count = max(1, options.samples // case.batch)
    drained = 2 * options.workers + 2
    seconds: dict[str, list[float]] = {name: [] for name in case.loaders}
    cpu: dict[str, list[float]] = {name: [] for name in case.loaders}
    names = list(case.loaders)
    with ExitStack() as open_loaders:
        batches = {}
        for name, start in case.loaders.items():
            batches[name] = open_loaders.enter_context(closing(start()))  # type: ignore[type-var]
            next(batches[name])
        for turn in range(options.rounds):
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                _rest()
                _take(batches[name], drained)
                begin, begin_cpu = time.perf_counter(), _cpu_seconds()
                _take(batches[name], count)
                seconds[name].append((time.perf_counter() - begin) / (count * case.batch))
                cpu[name].append((_cpu_seconds() - begin_cpu) / (count * case.batch))
    for name in names:
        speed, per_cpu = (Spread.of([1 / value for value in each[name]]) for each in (seconds, cpu))
        over, cpu_over = (Spread.of(ratios(each[case.reference], each[name])) for each in (seconds, cpu))
        table.write(
            {"images": case.images, "loader": name, "unit": "images/s", "reference": case.reference,
             "value": speed.median, "low": speed.low, "high": speed.high,
             "per_cpu_second": per_cpu.median, "cpu_low": per_cpu.low, "cpu_high": per_cpu.high,
             "over": over.median, "over_low": over.low, "over_high": over.high,
             "cpu_over": cpu_over.median, "cpu_over_low": cpu_over.low, "cpu_over_high": cpu_over.high,
             "size": case.size, "batch": case.batch, "workers": options.workers, "rounds": options.rounds}
        )  # fmt: skip
        print(
            f"{case.images:12} {name:26} {speed.median:9,.0f} images/s  {per_cpu.median:9,.0f} per CPU second  "
            f"{over.median:5.2f} x, {cpu_over.median:5.2f} x per CPU second, {case.reference}",
            flush=True,
        )


def _take(batches: Batches, count: int) -> None:
    for _ in range(count):
        images, _labels = next(batches)
        assert images.dtype == torch.float32


def _rest() -> None:
    """Waits until no loader works ahead any more."""
    latest = _cpu_seconds()
    for _ in range(40):
        time.sleep(0.1)
        now = _cpu_seconds()
        if now - latest < 0.02:
            return
        latest = now


def _cpu_seconds() -> float:
    """Of this process and its workers, those that have ended too."""
    times = psutil.Process().cpu_times()
    total = time.process_time() + times.children_user + times.children_system
    for child in psutil.Process().children(recursive=True):
        try:
            own = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += own.user + own.system
    return float(total)
