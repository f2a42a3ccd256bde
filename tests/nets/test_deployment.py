"""Folded networks leave PyTorch: torch.export and ONNX, with a batch of any size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from normfree.nets import create_model, fold, skip_gains

SMALL = {"width": [32, 64, 64, 64], "depth": [1, 2, 1, 1]}
KINDS = {
    "nfnet_f0": (64, {**SMALL, "group_size": 8}),
    "nf_resnet50": (64, SMALL),
    "nf_regnet_b0": (64, {"depth": [1, 2, 1, 1]}),
    "resnet50": (64, SMALL),
    "resnet50_v1": (65, SMALL),
    "bn_nfnet_nano": (31, {}),
    "nf_resnet20": (32, {}),
}


def folded(name: str) -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
    """The network, and images for two batches."""
    torch.manual_seed(0)
    size, overrides = KINDS[name]
    model = create_model(name, num_classes=10, **overrides)
    for gain in skip_gains(model):
        torch.nn.init.constant_(gain, 0.5)
    torch.nn.init.normal_(model.classifier.weight, std=0.1)
    return fold(model), torch.randn(2, 3, size, size), torch.randn(3, 3, size, size)


def exported(model: torch.nn.Module, images: torch.Tensor) -> torch.export.ExportedProgram:
    return torch.export.export(model, (images,), dynamic_shapes=({0: torch.export.Dim("batch")},))


@pytest.mark.parametrize("name", KINDS)
def test_export_gives_the_same_logits(name: str) -> None:
    model, images, more = folded(name)
    program = exported(model, images).module()
    with torch.no_grad():
        for batch in (images, more):
            torch.testing.assert_close(program(batch), model(batch), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["nfnet_f0", "nf_resnet50", "resnet50", "nf_regnet_b0"])
def test_onnxruntime_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model, images, more = folded(name)
    file = tmp_path / "folded.onnx"
    torch.onnx.export(exported(model, images), (), file, dynamo=True, verbose=False)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    for batch in (images, more):
        (logits,) = session.run(None, {session.get_inputs()[0].name: batch.numpy()})
        with torch.no_grad():
            expected = model(batch)
        assert float(expected.abs().max()) > 0.05
        torch.testing.assert_close(torch.from_numpy(logits), expected, rtol=0, atol=1e-4)
