"""What a network says of each image, and what is kept of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from normfree.train.evaluation import highest


@dataclass(frozen=True)
class Predictions:
    """One entry an image, in the order of the split.

    Attributes:
        index: place in the split.
        label: of the network's numbers.
        prediction: the class with the highest logit; of equal ones the first.
        confidence: its probability.
        of_label: the label's probability.
        nll: negative logarithm of that, in nats, by the logarithm of the softmax in double precision.
        top: ``[n, k]``, the five classes (all, if fewer) with the highest logits, the highest first.
    """

    index: NDArray[np.int64]
    label: NDArray[np.int64]
    prediction: NDArray[np.int64]
    confidence: NDArray[np.float64]
    of_label: NDArray[np.float64]
    nll: NDArray[np.float64]
    top: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.index)

    @property
    def correct(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = self.prediction == self.label
        return found

    @property
    def among_top(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = (self.top == self.label[:, None]).any(1)
        return found


@dataclass(frozen=True)
class Mistake:
    """An image that is taken for another class.

    Attributes:
        pixels: uint8 ``[C, S, S]``.
        confidence: of the wrong class.
    """

    index: int
    label: int
    prediction: int
    confidence: float
    of_label: float
    pixels: NDArray[np.uint8]


def judged(logits: Tensor, labels: Tensor, index: Sequence[int]) -> Predictions:
    """Of logits ``[N, K]`` and labels ``[N]``."""
    logits, labels = logits.cpu(), labels.cpu()
    logs = logits.double().log_softmax(1)
    prediction, rows = logits.argmax(1), torch.arange(len(labels))
    own = logs[rows, labels]
    return Predictions(
        index=np.array(index, dtype=np.int64),
        label=labels.numpy(),
        prediction=prediction.numpy(),
        confidence=logs[rows, prediction].exp().numpy(),
        of_label=own.exp().numpy(),
        nll=-own.numpy(),
        top=highest(logits).numpy().astype(np.int32),
    )


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Of all images of the parts, in the order of the split.

    Raises:
        RuntimeError: an image is there twice.
    """
    index = np.concatenate([part.index for part in parts])
    order = np.argsort(index, kind="stable")
    if len(np.unique(index)) < len(index):
        raise RuntimeError("an image was predicted twice")
    columns = (np.concatenate([getattr(part, each.name) for part in parts])[order] for each in fields(Predictions))
    return Predictions(*columns)


def surest_mistakes(mistakes: Sequence[Mistake], most: int) -> list[Mistake]:
    """The most confident ones; of equals the first of the split."""
    return sorted(mistakes, key=lambda each: (-each.confidence, each.index))[:most]


def parquet_of(found: Predictions, classes: Sequence[str], files: Sequence[str] | None) -> bytes:
    """One row an image: index, file where it is known, label, prediction, both probabilities, correct, the top five.

    Args:
        files: of every image of the split.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = np.array(classes, dtype=object)
    columns = {"index": pa.array(found.index)}
    if files is not None:
        columns["file"] = pa.array([files[index] for index in found.index])
    columns |= {
        "label": pa.array(found.label),
        "label_name": pa.array(names[found.label].tolist()),
        "prediction": pa.array(found.prediction),
        "prediction_name": pa.array(names[found.prediction].tolist()),
        "probability": pa.array(found.confidence),
        "probability_of_label": pa.array(found.of_label),
        "nll": pa.array(found.nll),
        "correct": pa.array(found.correct),
        "top5": pa.array(found.top.tolist(), type=pa.list_(pa.int32())),
    }
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()
