"""OpenVINO's two files, ``.xml`` and ``.bin``, by its own converter of what ``torch.export`` captured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from normfree.export.formats import require_packages

if TYPE_CHECKING:
    from torch import Tensor

    from normfree.export.subject import Subject

ABOUT = "for Intel's processors; an .xml and a .bin (pip install 'normfree[openvino]')"
SUFFIX = ".xml"
FOLDED = True
METADATA = "normfree"
"""The section of the model's runtime information that holds the metadata."""


def require() -> None:
    """
    Raises:
        UserError: it is not installed.
    """
    require_packages("openvino", ("openvino",), "openvino")


def write(subject: Subject, path: Path) -> None:
    """In single precision; metadata lies in the model's runtime information.

    Raises:
        OSError: there is no room, or whatever else OpenVINO, which does not say why, could not write for.
    """
    import openvino

    model = openvino.convert_model(subject.captured())
    for name, text in subject.metadata.items():
        model.set_rt_info(text, [METADATA, name])
    try:
        openvino.save_model(model, path, compress_to_fp16=False)
    except RuntimeError as error:
        raise OSError(f"OpenVINO cannot write there: {error}") from error


def read(path: Path) -> Callable[[Tensor], Tensor]:
    """On the processor, in single precision."""
    import openvino
    import torch

    precise = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(openvino.Core().read_model(path), "CPU", precise)

    def computed(images: Tensor) -> Tensor:
        return torch.from_numpy(compiled(images.numpy())[0].copy())

    return computed
