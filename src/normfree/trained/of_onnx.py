"""An ONNX file that ``export.py`` wrote, as a network for images. Runs in ONNX Runtime, on the processor."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from normfree.config import UserError
from normfree.host.installing import install
from normfree.runs.checksums import digest_of
from normfree.trained.preprocessing import Preprocessing


@dataclass(frozen=True)
class OnnxTrained:
    """As `normfree.trained.Trained`, of a file.

    Attributes:
        session: an ``onnxruntime.InferenceSession``: normalised ``[N, C, S, S]`` -> logits ``[N, K]``.
        classes: a name for each of the K numbers.
        model: as ``model=`` had it.
        name: of the run, or of the file of weights.
        about: what is told of it: checkpoint, weights (``raw`` or ``ema``), sha256 of this file, folded.
    """

    session: Any = field(repr=False)
    preprocessing: Preprocessing
    classes: tuple[str, ...] = field(repr=False)
    model: str
    name: str
    about: dict[str, Any]

    def computed(self, inputs: Tensor) -> Tensor:
        """float32 ``[N, K]`` of normalised float32 ``[N, C, S, S]``."""
        given = np.ascontiguousarray(inputs.numpy(force=True), dtype=np.float32)
        (logits,) = self.session.run(None, {self.session.get_inputs()[0].name: given})
        return torch.from_numpy(logits)

    def logits(self, images: Tensor) -> Tensor:
        """float32 ``[N, K]`` of uint8 ``[N, C, S, S]`` as `Preprocessing.tested` gives them."""
        return self.computed(self.preprocessing.normalised(images.cpu()))

    def probabilities(self, images: Tensor) -> Tensor:
        """float32 ``[N, K]``, each row of sum 1, of uint8 ``[N, C, S, S]``."""
        return self.logits(images).softmax(1)

    def folded(self) -> OnnxTrained:
        """The same: its weights are worked out."""
        return self

    def at(self, size: int | None) -> OnnxTrained:
        """The same; the file is for one size.

        Raises:
            UserError: another size is asked for.
        """
        if size not in (None, self.preprocessing.size):
            raise UserError(
                f"size={size}: the file is for {self.preprocessing.size} px; export it again with size={size}"
            )
        return self


def from_onnx(file: str | Path, threads: int | None = None) -> OnnxTrained:
    """What ``export.py format=onnx`` wrote, with its classes and preprocessing.

    Args:
        threads: of ONNX Runtime; all cores if not given.

    Raises:
        UserError: there is no such file, it is no ONNX file or was written elsewhere, or onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(
            f"weights={file}: needs onnxruntime, which is not installed; {install('normfree[export]')}"
        ) from error
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf, NotImplemented

    path = Path(file)
    if not path.is_file():
        raise UserError(f"weights={path}: no such file")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (Fail, InvalidGraph, InvalidProtobuf, NotImplemented, RuntimeError) as error:
        raise UserError(f"weights={path}: no ONNX file, or a damaged one; export it again") from error
    told: dict[str, str] = session.get_modelmeta().custom_metadata_map
    try:
        preprocessing, classes = Preprocessing.of_record(json.loads(told["preprocessing"])), json.loads(told["classes"])
        model, name, weights = told["model"], told["run"], told["weights"]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"weights={path}: does not say what its images go through; give one that export.py format=onnx wrote"
        ) from error
    return OnnxTrained(
        session=session,
        preprocessing=preprocessing,
        classes=tuple(map(str, classes)),
        model=model,
        name=name,
        about={
            "file": "onnx", "weights": weights, "sha256": digest_of(path), "folded": told.get("folded") == "True",
            **({"checkpoint": told["checkpoint"]} if "checkpoint" in told else {}),
        },
    )  # fmt: skip
