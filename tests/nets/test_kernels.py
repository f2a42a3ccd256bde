"""The Triton kernels of the networks, in Triton's interpreter; see kernel_cases.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.plain_kernels import plain_kernels

from normfree.nets import create_model, map_passes

pytest.importorskip("triton")


def test_they_compute_what_plain_operations_do() -> None:
    script = Path(__file__).with_name("kernel_cases.py")
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    answer = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
    found = json.loads(answer.stdout)
    assert sorted(found) == ["gelu", "gelu_erf", "identity", "relu", "residual", "silu", "standardization"]
    assert max(found.values()) < 5e-6, found


@pytest.mark.parametrize("name", ["nfnet_nano", "nf_resnet20", "nf_regnet_b0", "nf_se_resnet50"])
def test_a_network_of_kernels_is_the_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of the kernels plain operations, so that what is tested is who calls them with what."""
    own = {"width": [16, 32, 64, 64], "depth": [1, 1, 1, 1]} if name == "nf_se_resnet50" else {}
    torch.manual_seed(0)
    network = create_model(name, 10, **own).to(memory_format=torch.channels_last)
    for parameter_name, parameter in network.named_parameters():
        if parameter_name.endswith("skip_gain"):
            torch.nn.init.constant_(parameter, 0.5)
    images = torch.randn(4, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    answers = []
    for kernels in (False, True):
        with plain_kernels(), monkeypatch.context() as patch, torch.random.fork_rng():
            if kernels:
                patch.setattr(map_passes, "_on_gpu", lambda x: True)
            torch.manual_seed(1)
            network.zero_grad()
            logits = network(images)
            logits.square().sum().backward()
            gradients = [parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None]
            answers.append([logits.detach(), *gradients])
    for one, other in zip(*answers, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4 * float(one.abs().max()))
