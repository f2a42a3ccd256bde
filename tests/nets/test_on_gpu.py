"""The networks on a CUDA device: golden numbers, memory formats, bfloat16."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tests.nets.kernel_cases import errors

from normfree.nets import create_model, fold, map_passes, skip_gains, weight_standardization
from normfree.nets.weight_standardization import standardize_weight

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
LAYOUTS = [torch.contiguous_format, torch.channels_last]
SMALL = {"width": [32, 64, 128, 128], "depth": [1, 2, 1, 1]}


@pytest.fixture(autouse=True)
def _exact(monkeypatch):
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.mark.parametrize("size", ["32x32", "75x53"])
def test_golden_logits(nfnet_tiny, nfnet_arrays, size):
    model = nfnet_tiny.cuda()
    logits = model(nfnet_arrays.images(f"input:{size}").cuda()).cpu()
    torch.testing.assert_close(logits, nfnet_arrays[f"out:{size}:logits"], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["nfnet_f0", "nf_resnet50", "resnet50", "bn_nfnet_f0"])
def test_a_step_is_the_processors(name, layout):
    torch.manual_seed(0)
    # What is dropped is each device's own draw.
    own = {"group_size": 16, "drop_rate": 0.0, "stochastic_depth_rate": 0.0} if "nfnet" in name else {}
    model = create_model(name, 10, **SMALL, **own).double()
    for gain in skip_gains(model):
        torch.nn.init.constant_(gain, 0.5)
    images, labels = torch.randn(4, 3, 64, 64, dtype=torch.float64), torch.arange(4)
    gradients = []
    for device in ("cpu", "cuda"):
        model = model.to(device, memory_format=layout)
        model.zero_grad()
        F.cross_entropy(model(images.to(device, memory_format=layout)), labels.to(device)).backward()
        gradients.append(torch.cat([p.grad.reshape(-1).cpu() for p in model.parameters()]))
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-7, atol=1e-9)


def test_standardization_waits_for_nothing(no_waiting):
    weight, gain = torch.randn(64, 32, 3, 3, device="cuda"), torch.ones(64, device="cuda")
    with no_waiting():
        standardize_weight(weight.requires_grad_(), gain, 1.3).sum().backward()


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 5e-6), (torch.float16, 3e-3), (torch.bfloat16, 2e-2)])
def test_the_kernels_compute_what_plain_operations_do(dtype, bound):
    found = errors("cuda", dtype)
    assert max(found.values()) < bound, found


@pytest.mark.parametrize("name", ["nfnet_f0", "nf_resnet50", "nf_regnet_b0"])
def test_a_step_by_kernels_is_the_step(name, monkeypatch):
    torch.manual_seed(0)
    own = {"nfnet_f0": SMALL | {"group_size": 16}, "nf_resnet50": SMALL, "nf_regnet_b0": {}}
    model = create_model(name, 10, **own[name]).cuda()
    model = model.to(memory_format=torch.channels_last)
    for gain in skip_gains(model):
        torch.nn.init.constant_(gain, 0.5)
    images = torch.randn(4, 3, 64, 64, device="cuda").contiguous(memory_format=torch.channels_last)
    answers = []
    for kernels in (True, False):
        monkeypatch.setattr(map_passes, "has_triton", lambda kernels=kernels: kernels)
        monkeypatch.setattr(map_passes, "WORTHWHILE", 1)
        monkeypatch.setattr(weight_standardization, "has_triton", lambda kernels=kernels: kernels)
        torch.manual_seed(1)
        model.zero_grad()
        F.cross_entropy(model(images), torch.arange(4, device="cuda")).backward()
        answers.append(torch.cat([p.grad.reshape(-1) for p in model.parameters()]))
    torch.testing.assert_close(*answers, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bfloat16_and_folding(layout):
    torch.manual_seed(0)
    model = create_model("nfnet_f0", 10, **SMALL, group_size=16).cuda().to(memory_format=layout)
    for gain in skip_gains(model):
        torch.nn.init.constant_(gain, 0.5)
    torch.nn.init.normal_(model.classifier.weight, std=0.1)
    images = torch.randn(8, 3, 64, 64, device="cuda").contiguous(memory_format=layout)
    with torch.no_grad():
        expected = model.eval()(images)
        torch.testing.assert_close(fold(model)(images), expected, rtol=1e-4, atol=1e-4)
        with torch.autocast("cuda", torch.bfloat16):
            close = fold(model)(images).float()
    assert float((close - expected).abs().max() / expected.abs().max()) < 0.05
