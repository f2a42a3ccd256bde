"""Turns weight files of other kinds into this package's safetensors.

``python -m normfree.nets.convert F0_haiku.npz nfnet_f0.safetensors model=nfnet_f0``
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from normfree.nets.registry import create_model
from normfree.nets.weights.load import load_weights, read_weights
from normfree.nets.weights.safetensors_file import save_weights

_EXAMPLE = """examples:
  python -m normfree.nets.convert F0_haiku.npz nfnet_f0.safetensors model=nfnet_f0
  python -m normfree.nets.convert dm_nfnet_f0.safetensors timm_f0.safetensors model=nfnet_f0 \\
      activation=gelu_erf standardization=timm
  python -m normfree.nets.convert final.ckpt nano.safetensors --weights=ema \\
      model=nfnet_nano num_classes=10 in_channels=1
"""


def convert(source: Path, target: Path, name: str, overrides: dict[str, Any], weights: str = "raw") -> int:
    """Writes the weights in `source` for ``create_model(name, **overrides)`` to `target`.

    Args:
        weights: ``raw`` or, of a run's checkpoint, ``ema``: see `load_weights`.

    Returns:
        How many tensors were written.

    Raises:
        OSError, ValueError: see `load_weights` and `create_model`.
    """
    _, about = read_weights(source, weights)
    try:
        model = create_model(name, **overrides)
    except (ValueError, TypeError) as error:
        given = " ".join(f"{key}={value}" for key, value in {"model": name, **overrides}.items())
        raise ValueError(f"{given}: {error}") from None
    load_weights(model, source, weights=weights)
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    provenance = {"file": source.name, "sha256": digest, "kind": about["kind"]}
    save_weights(model, target, architecture=name, overrides=overrides, provenance=provenance)
    return len(model.state_dict())


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, or 2 after one line on standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m normfree.nets.convert",
        description="Turn released NFNet weights (pickles called .npz), timm's dm_nfnet, checkpoints or state dicts "
        "into safetensors.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="IN", type=Path, help="the file to read; nothing in it is executed")
    parser.add_argument("target", metavar="OUT", type=Path, help="the safetensors file to write")
    parser.add_argument(
        "settings",
        metavar="key=value",
        nargs="+",
        help="model=NAME, and what else create_model takes: num_classes=10 depth=[1,2,6,3]",
    )
    parser.add_argument(
        "--weights", choices=["raw", "ema"], default="raw", help="of a run's checkpoint: as trained, or the average"
    )
    given = parser.parse_args(arguments)
    try:
        settings = dict(_setting(text) for text in given.settings)
        name = settings.pop("model", None)
        if not isinstance(name, str):
            raise ValueError("which network are the weights for? give model=NAME")
        count = convert(given.source, given.target, name, settings, given.weights)
    except (OSError, ValueError) as error:
        print(f"convert: {error}", file=sys.stderr)
        return 2
    print(f"{given.target}: {count} tensors of {name}")
    return 0


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ValueError(f"{text!r} is no setting; give key=value, as in model=nfnet_f0")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


if __name__ == "__main__":
    sys.exit(main())
