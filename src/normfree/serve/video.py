"""A video -> the same with bars in the picture, or a row for every frame."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from normfree.config import UserError
from normfree.host.installing import install
from normfree.host.wording import counted
from normfree.serve.keys import Prediction
from normfree.serve.labels import label_columns, told, top_of
from normfree.serve.networks import Named, for_files
from normfree.serve.output import TABLES, table, written
from normfree.serve.overlay import with_bars
from normfree.serve.progress import Progress
from normfree.serve.smoothing import Smoothing
from normfree.serve.sources import Video

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from normfree.serve.video_files import Reader

_MOST_FRAMES = 16
"""At a time, of pictures that are held as pixels."""


def predict_video(video: Video, keys: Prediction) -> None:
    """Write the annotated video, or the table.

    Raises:
        UserError: a package is missing, the video has no frames, or nothing can be written.
    """
    if importlib.util.find_spec("av") is None:
        raise UserError(f"source={keys.source}: videos need PyAV; {install('normfree[serve]')}")
    suffix = Path(keys.out).suffix.lower()
    if suffix not in (".mp4", *TABLES):
        raise UserError(f"out={keys.out}: for a video give a file that ends in .mp4, or {', '.join(TABLES)}")
    if Path(keys.out).expanduser().resolve() == video.path.resolve():
        raise UserError(f"out={keys.out}: is the source itself; give another file")
    from normfree.serve.video_files import Reader

    with closing(Reader(video.path, heard=suffix == ".mp4")) as reader:
        networks = for_files(keys)
        if suffix == ".mp4":
            _annotate(reader, networks, keys)
        else:
            _tabulate(reader, networks, keys)


def _annotate(reader: Reader, networks: Named, keys: Prediction) -> None:
    from normfree.serve.video_files import Writer

    count = 0
    with (
        written(keys.out) as path,
        Progress("frames", reader.frames) as progress,
        closing(Writer(path, reader)) as writer,
    ):
        for frame, picture, smoothed in _seen(reader, networks, keys):
            tops = [
                (name, top_of(each, network.classes, keys.top))
                for (name, network), each in zip(networks, smoothed, strict=True)
            ]
            writer.add(with_bars(picture, tops), frame)
            progress.add()
            count += 1
        writer.finish()
    print(f"{keys.out}: {counted(count, 'frame')}")


def _tabulate(reader: Reader, networks: Named, keys: Prediction) -> None:
    columns = ["network", "frame", "seconds", *label_columns(networks, keys.top)]
    number = -1
    with table(keys.out, columns) as file, Progress("frames", reader.frames) as progress:
        for number, (frame, _, smoothed) in enumerate(_seen(reader, networks, keys)):
            file.add(
                [
                    {"network": name, "frame": number, "seconds": round(reader.seconds(frame), 6)}
                    | told(top_of(each, network.classes, keys.top))
                    for (name, network), each in zip(networks, smoothed, strict=True)
                ]
            )
            progress.add()
    print(f"{keys.out}: {counted(number + 1, 'frame')}")


def _seen(reader: Reader, networks: Named, keys: Prediction) -> Iterator[tuple[VideoFrame, Image.Image, list[Tensor]]]:
    """Every frame upright, with each network's smoothed probabilities."""
    smoothing = [Smoothing(keys.smooth) for _ in networks]
    pictures = reader.pictures()
    while part := list(islice(pictures, min(keys.batch, _MOST_FRAMES))):
        answers = []
        for _, network in networks:
            tested = torch.stack([network.preprocessing.tested(picture) for _, picture in part])
            answers.append(network.probabilities(tested).cpu())
        for place, (frame, picture) in enumerate(part):
            now = reader.seconds(frame)
            yield (
                frame,
                picture,
                [each.add(answer[place], now) for each, answer in zip(smoothing, answers, strict=True)],
            )
