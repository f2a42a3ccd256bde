"""A run never goes on with a loss, a gradient or a weight that is not finite."""

import re
from collections.abc import Callable

import pytest
import torch
from tests.runs_on_disk import rows, weights

from normfree.config import Resolved
from normfree.nets import create_model
from normfree.probe.finite import first_nonfinite_layer
from normfree.train.module import Classifier
from normfree.train.run import run_one


@pytest.mark.parametrize("clip", ["none", "norm"])
@pytest.mark.parametrize("micro_batch", [50, 25])
def test_a_run_that_blows_up_ends_before_its_weights_do(
    tiny: Callable[..., Resolved], clip: str, micro_batch: int
) -> None:
    limit = ["clip.max_norm=1e12"] if clip == "norm" else []
    settings = (f"clip={clip}", *limit, f"trainer.micro_batch={micro_batch}", "lr=1e5", "trainer.log_every=100")
    run = tiny("model=nf_resnet20", *settings, "steps=60", "optimizer.warmup_steps=null", "optimizer.warmup_share=null")
    result = run_one(run, [])
    assert result["status"] == "diverged"
    step = result["steps_done"]
    assert step < 60
    assert re.search(rf"training loss \S+, gradient norm (inf|nan) at step {step}\b", result["reason"])
    assert re.search(rf"; gradient norm before: .*\S+ at step {step - 1}$", result["reason"])
    for name, value in weights(run).items():
        assert bool(torch.isfinite(value).all()), name
    assert int(rows(run)[-1]["step"]) == step


def test_a_gradient_alone_is_enough(tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss is finite, one gradient is not: AGC leaves such a unit alone, and so must the optimizer."""
    run = tiny("model=nfnet_nano", "clip=agc")

    def spoil(self: Classifier) -> None:
        if self.trainer.global_step == 3:
            self.network.get_parameter("blocks.1.conv1.weight").grad[0, 0, 0, 0] = torch.inf

    monkeypatch.setattr(Classifier, "on_after_backward", spoil)
    result = run_one(run, [])
    assert (result["status"], result["steps_done"]) == ("diverged", 4)
    assert "gradient norm inf at step 4; first not finite: the gradient of blocks.1.conv1.weight" in result["reason"]
    assert all(bool(torch.isfinite(value).all()) for value in weights(run).values())


@pytest.mark.parametrize("name", ["blocks.1.conv1", "stem_convs.0", "final_conv", "classifier"])
def test_the_first_layer_that_is_not_finite(name: str) -> None:
    network = create_model("nfnet_nano", 10, in_channels=1)
    with torch.no_grad():
        network.get_parameter(f"{name}.bias")[0] = torch.nan
    before = {key: value.clone() for key, value in network.state_dict().items()}
    images = torch.randn(2, 1, 8, 8)
    assert first_nonfinite_layer(network, images) == name
    assert first_nonfinite_layer(create_model("resnet20", 10, in_channels=1), images) is None
    assert all(torch.equal(value, before[key]) or name in key for key, value in network.state_dict().items())
