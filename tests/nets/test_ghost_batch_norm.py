"""BatchNorm over groups of samples."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from normfree.nets import GhostBatchNorm2d, create_model, norm_batch


def pair(channels, ghost_batch):
    ghost, plain = GhostBatchNorm2d(channels, ghost_batch).double(), nn.BatchNorm2d(channels).double()
    nn.init.uniform_(ghost.weight)
    nn.init.uniform_(ghost.bias)
    plain.load_state_dict(ghost.state_dict())
    return ghost, plain


@pytest.mark.parametrize("ghost_batch", [None, 6])
def test_one_group_is_batch_norm(ghost_batch):
    ghost, plain = pair(5, ghost_batch)
    x = torch.randn(6, 5, 3, 4, dtype=torch.float64)
    assert torch.equal(ghost(x), plain(x))
    for name, buffer in plain.named_buffers():
        assert torch.equal(buffer, ghost.get_buffer(name))
    assert torch.equal(ghost.eval()(x), plain.eval()(x))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("ghost_batch", [1, 2, 4])
def test_groups_are_separate_batch_norms(ghost_batch, layout):
    ghost, _ = pair(5, ghost_batch)
    x = torch.randn(8, 5, 3, 4, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    y = ghost(x)
    assert y.is_contiguous(memory_format=layout)
    upstream = torch.randn_like(y)
    y.backward(upstream)
    groups, means, variances = 8 // ghost_batch, [], []
    d_weight, d_bias = torch.zeros_like(ghost.weight), torch.zeros_like(ghost.bias)
    for group in range(groups):
        own = slice(group * ghost_batch, (group + 1) * ghost_batch)
        alone, _ = pair(5, None)
        alone.load_state_dict({**alone.state_dict(), "weight": ghost.weight, "bias": ghost.bias})
        part = x.detach()[own].contiguous().requires_grad_()
        expected = alone(part)
        torch.testing.assert_close(y[own], expected, rtol=0, atol=1e-12)
        expected.backward(upstream[own])
        torch.testing.assert_close(x.grad[own], part.grad, rtol=0, atol=1e-12)
        d_weight, d_bias = d_weight + alone.weight.grad, d_bias + alone.bias.grad
        means.append(alone.running_mean)
        variances.append(alone.running_var)
    torch.testing.assert_close(ghost.weight.grad, d_weight, rtol=0, atol=1e-12)
    torch.testing.assert_close(ghost.bias.grad, d_bias, rtol=0, atol=1e-12)
    torch.testing.assert_close(ghost.running_mean, torch.stack(means).mean(0), rtol=0, atol=1e-12)
    torch.testing.assert_close(ghost.running_var, torch.stack(variances).mean(0), rtol=0, atol=1e-12)
    assert int(ghost.num_batches_tracked) == 1


def test_evaluation_knows_no_groups():
    ghost, plain = pair(3, 4)
    x = torch.randn(7, 3, 2, 2, dtype=torch.float64)
    assert torch.equal(ghost.eval()(x), plain.eval()(x))


def test_a_batch_that_cannot_be_split_is_refused():
    model = create_model("resnet20", 10, ghost_batch=4)
    with pytest.raises(ValueError, match=r"micro batch of 6 .* ghost_batch=4; choose a divisor of 6"):
        model(torch.randn(6, 3, 8, 8))
    with pytest.raises(ValueError, match="ghost_batch=0"):
        create_model("resnet20", ghost_batch=0)


def test_norm_batch():
    assert norm_batch(create_model("nf_resnet20"), 64) is None
    assert norm_batch(create_model("resnet20"), 64, world_size=4) == 64
    assert norm_batch(create_model("resnet20", ghost_batch=8), 64) == 8
    synchronised = nn.SyncBatchNorm.convert_sync_batchnorm(create_model("resnet20"))
    assert norm_batch(synchronised, 64, world_size=4) == 256
    mixed = nn.Sequential(GhostBatchNorm2d(2, 4), GhostBatchNorm2d(2, 8))
    with pytest.raises(ValueError, match=r"\[4, 8\]"):
        norm_batch(mixed, 64)
