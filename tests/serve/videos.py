"""Real videos: digits that are encoded, with sound, uneven times and rotation."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from normfree.data.mnist5k import mnist5k

BASE = Fraction(1, 600)
RATE = 44100


def digit_frames(count: int, height: int = 96, width: int = 96) -> list[np.ndarray[Any, Any]]:
    """``[H, W, 3]``, a digit at the left and a bright corner, so that turning shows."""
    images, labels = mnist5k(28)["test"]
    frames = []
    for number in range(count):
        digit = images[int((labels == number // 10 % 10).nonzero()[3])][0].numpy()
        picture = np.zeros((height, width, 3), np.uint8)
        large = np.kron(digit, np.ones((height // 28, height // 28), np.uint8))
        picture[: large.shape[0], : min(width, large.shape[1])] = large[:, :width, None]
        picture[:12, -12:] = 255
        frames.append(picture)
    return frames


def write_video(
    path: Path,
    frames: list[np.ndarray[Any, Any]],
    times: list[int] | None = None,
    sound: str = "",
    turned: int = 0,
) -> Path:
    """Of frames at these times (in 1/600 s), with a tone in a codec, shown turned by degrees counterclockwise."""
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=30, options={"crf": "10"})
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv444p"
        video.codec_context.time_base = video.time_base = BASE
        if turned:
            video.set_display_rotation(turned)
        audio: Any = container.add_stream(sound, rate=RATE, layout="mono") if sound else None
        if audio is not None:
            for start in range(0, RATE, 1024):
                tone = (np.sin(np.arange(start, start + 1024) * 0.05) * 8000).astype(np.int16)[None]
                heard = av.AudioFrame.from_ndarray(tone, "s16", "mono")
                heard.sample_rate, heard.pts, heard.time_base = RATE, start, Fraction(1, RATE)
                container.mux(audio.encode(heard))
            container.mux(audio.encode(None))
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = times[number] if times else number * 20, BASE
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def read_video(path: Path) -> tuple[list[float], list[np.ndarray[Any, Any]]]:
    """Times in seconds and frames as they are stored."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return [float(frame.time or 0) for frame in frames], [frame.to_ndarray(format="rgb24") for frame in frames]


def sounds(path: Path) -> tuple[str, list[bytes]]:
    """The codec of the sound and its packets."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return stream.codec_context.name, [bytes(packet) for packet in container.demux(stream) if packet.size]
