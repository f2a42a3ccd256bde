"""What `predict.py` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from normfree.config.key_readers import choice, listed, number, optional, plain_text, whole_number
from normfree.config.keys import key

MOST_NETWORKS = 2
WEBCAM, BROWSER = "webcam", "browser"
LOOPBACK = "127.0.0.1"
_MOST_PORTS = 65535


def _networks(text: str) -> tuple[str, ...]:
    paths: tuple[str, ...] = listed(plain_text, tuple)(text)
    if not paths or len(paths) > MOST_NETWORKS:
        raise ValueError("give one run directory, or two with a comma between them to see them side by side")
    return paths


def _secret(text: str) -> str:
    if not text.startswith("@"):
        return plain_text(text)
    try:
        return Path(text[1:]).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot be read ({getattr(error, 'strerror', None) or 'no text'}); give a file") from error


def _seconds(text: str) -> float:
    if (value := number(text)) < 0:
        raise ValueError("give seconds, 0 or more")
    return value


@dataclass(frozen=True)
class Prediction:
    """The keys of `predict.py`."""

    run: tuple[str, ...] = key(
        (), "run directory, or an exported .onnx file; two with a comma are shown side by side", _networks
    )
    weights: str = key("", "a file of weights, in the place of a run")
    model: str = key("", "its network, where the file does not say it")
    checkpoint: str = key("final", "of a run: final or best", choice("final", "best"))
    kind: str = key("raw", "weights as trained (raw) or their moving average (ema)", choice("raw", "ema"))
    source: str = key("", "image, folder, 'glob', video, webcam, webcam:1 or browser")
    out: str = key("", "for images .csv, .jsonl or .parquet; for a video .mp4 or .csv")
    top: int = key(5, "how many classes are told", whole_number(1, 20))
    size: int | None = key(
        None, "side in pixels of what the network sees; default: as tested", optional(whole_number(8, 1024))
    )
    batch: int = key(32, "images at a time, of files", whole_number(1, 4096))
    smooth: float = key(0.5, "seconds over which the labels of a video are smoothed", _seconds)
    fold: bool = key(True, "work out standardised weights and BatchNorms once")
    precision: str = key(
        "auto", "32, bf16, or auto: 32 for files, for cameras the faster one here", choice("auto", "32", "bf16")
    )
    device: str = key("auto", "cpu, cuda, or auto: a GPU where there is one", choice("auto", "cpu", "cuda"))
    host: str = key(LOOPBACK, "address of the page; any other than this machine's own needs token and TLS")
    port: int = key(8765, "its port; 0 takes a free one", whole_number(0, _MOST_PORTS))
    open: bool = key(False, "open the page in this machine's browser, where there is a display")
    token: str = key("", "secret of at least 16 characters that the page asks for; @FILE reads it from there", _secret)
    tls_cert: str = key("", "certificate file (PEM)")
    tls_key: str = key("", "its key file (PEM)")
