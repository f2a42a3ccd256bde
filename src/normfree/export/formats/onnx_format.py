"""ONNX, by ``torch.onnx.export`` of what ``torch.export`` captured; one file with its weights inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normfree.config import UserError
from normfree.export.formats import require_packages

if TYPE_CHECKING:
    from torch import Tensor

    from normfree.export.subject import Subject

ABOUT = "for ONNX Runtime and others; normfree predict reads it too"
SUFFIX = ".onnx"
FOLDED = True
MOST_BYTES = 2**31 - 2**20
"""A single file of this format holds no more."""


def require() -> None:
    """
    Raises:
        UserError: a package is missing.
    """
    require_packages("onnx", ("onnx", "onnxscript", "onnxruntime"), "export")


def write(subject: Subject, path: Path) -> None:
    """Input ``images``, output ``logits``, the first axis of both free; metadata in ``metadata_props``.

    Raises:
        UserError: the weights are too large for one file.
    """
    import onnx
    import torch

    if subject.bytes > MOST_BYTES:
        raise UserError(
            f"format=onnx: {subject.bytes / 2**30:.1f} GiB of weights are more than one ONNX file holds; "
            "use format=torch_export"
        )
    made = torch.onnx.export(
        subject.captured(), (), dynamo=True, verbose=False, input_names=["images"], output_names=["logits"],
        external_data=False,
    )  # fmt: skip
    assert made is not None
    model = made.model_proto
    for name, text in subject.metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = name, text
    _name_the_free_axis(model.graph)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _name_the_free_axis(graph: Any) -> None:
    """``batch``, in place of the name that torch made up."""
    made_up = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for value in (*graph.input, *graph.output, *graph.value_info):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param == made_up:
                axis.dim_param = "batch"


def read(path: Path) -> Callable[[Tensor], Tensor]:
    """By ONNX Runtime."""
    from normfree.trained import from_onnx

    return from_onnx(path).computed
