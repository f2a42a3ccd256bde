"""Reading and writing videos: times of frames, rotation, shape of pixels and sound stay what they are."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from PIL import Image

from normfree.config import UserError

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

COPIED = ("aac", "mp3", "ac3", "eac3", "opus", "alac")
"""Sounds that an .mp4 takes as they are; others become AAC."""
_MILLISECONDS = Fraction(1, 1000)
_QUALITY = {"crf": "20", "preset": "veryfast"}


class Reader:
    """The first video stream of a file, and its first sound.

    Args:
        heard: whether the sound is wanted.

    Attributes:
        frames: how many there are, by the file or its length; 0 where neither says it.

    Raises:
        UserError: it is no video, or has no frames.
    """

    def __init__(self, path: Path, heard: bool = False) -> None:
        self._source = path
        self.container = self._open()
        if not self.container.streams.video:
            self.container.close()
            raise UserError(f"source={path}: has no pictures; give a video")
        self.stream: Any = self.container.streams.video[0]
        self.stream.thread_type = "AUTO"
        self.sound: Any = self.container.streams.audio[0] if heard and self.container.streams.audio else None
        self.copies = self.sound is not None and self.sound.codec_context.name in COPIED
        self.time_base: Fraction = self.stream.time_base or _MILLISECONDS
        self.rate: Fraction = self.stream.average_rate or self.stream.guessed_rate or Fraction(25)
        length = float(self.container.duration or 0) / 1e6
        self.frames = int(self.stream.frames or length * self.rate)
        self._heard: list[Any] = []

    def _open(self) -> Any:
        try:
            return av.open(str(self._source))
        except (av.error.FFmpegError, OSError) as error:
            raise UserError(
                f"source={self._source}: no video that can be read ({error.strerror}); give another"
            ) from error

    def pictures(self) -> Iterator[tuple[VideoFrame, Image.Image]]:
        """Every frame with its upright picture.

        Raises:
            UserError: there is none.
        """
        count = 0
        streams = [self.stream] if self.sound is None else [self.stream, self.sound]
        for packet in self.container.demux(streams):
            if self.sound is not None and packet.stream_index == self.sound.index:
                if packet.size:
                    self._heard.extend([packet] if self.copies else packet.decode())
                continue
            try:
                decoded = packet.decode()
            except av.error.InvalidDataError:  # a damaged packet: what can be shown is shown
                continue
            for frame in decoded:
                count += 1
                yield frame, upright(frame)
        if not count:
            raise UserError(f"source={self._source}: has no frame that can be read; give another video")

    def sounds(self) -> list[Any]:
        """Packets of sound that have come by since this was last asked, decoded where they cannot be copied."""
        heard, self._heard = self._heard, []
        return heard

    def seconds(self, frame: VideoFrame) -> float:
        return float(frame.pts * self.time_base) if frame.pts is not None else 0.0

    def close(self) -> None:
        self.container.close()


class Writer:
    """H.264 with 4:2:0 colours and an even number of pixels, and the reader's sound.

    Args:
        path: where, in the form of MP4 whatever its name is.
    """

    def __init__(self, path: Path, reader: Reader) -> None:
        self._reader = reader
        self._container: Any = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        self._video: Any = None
        self._sound: Any = None
        self._last = -1
        if reader.sound is not None:
            if reader.copies:
                self._sound = self._container.add_stream_from_template(reader.sound)
            else:
                self._sound = self._container.add_stream("aac", rate=reader.sound.codec_context.sample_rate)

    def add(self, picture: Image.Image, like: VideoFrame) -> None:
        """One frame, at the time of another."""
        pixels = even(np.asarray(picture))
        if self._video is None:
            self._video = self._container.add_stream("libx264", rate=self._reader.rate, options=_QUALITY)
            self._video.height, self._video.width = pixels.shape[:2]
            self._video.pix_fmt = "yuv420p"
            self._video.codec_context.time_base = self._reader.time_base
            self._video.time_base = self._reader.time_base
            if (shape := self._reader.stream.sample_aspect_ratio) and like.rotation % 180 == 0:
                self._video.codec_context.sample_aspect_ratio = shape
        frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
        # Times only go up, whatever a damaged file says.
        step = round(1 / (self._reader.rate * self._reader.time_base))
        self._last = max(self._last + 1, like.pts) if like.pts is not None else self._last + max(step, 1)
        frame.pts, frame.time_base = self._last, self._reader.time_base
        self._container.mux(self._video.encode(frame))
        self._hear()

    def finish(self) -> None:
        """What is still on its way."""
        self._hear()
        if self._video is not None:
            self._container.mux(self._video.encode(None))
        if self._sound is not None and not self._reader.copies:
            self._container.mux(self._sound.encode(None))

    def close(self) -> None:
        self._container.close()

    def _hear(self) -> None:
        for heard in self._reader.sounds():
            if self._reader.copies:
                heard.stream = self._sound
                self._container.mux(heard)
            else:
                self._container.mux(self._sound.encode(heard))


def upright(frame: VideoFrame) -> Image.Image:
    """A frame as it is to be seen: turned as its file says."""
    turns = round(frame.rotation / 90) % 4
    pixels = frame.to_ndarray(format="rgb24")
    return Image.fromarray(np.ascontiguousarray(np.rot90(pixels, turns)))


def even(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """``[H, W, 3]`` with its last row and column once more where their number is odd."""
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge") if height % 2 or width % 2 else pixels
