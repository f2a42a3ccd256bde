"""Learning rates of the released code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from normfree.optim import scaled_lr, warmup_cosine

GOLDEN = Path(__file__).parents[1] / "golden"


def test_the_papers_run():
    with np.load(GOLDEN / "dm_schedules.npz", allow_pickle=False) as arrays:
        for step, lr in zip(arrays["nfnet_it"].tolist(), arrays["nfnet_lr"].tolist(), strict=True):
            got = scaled_lr(0.1, 4096) * warmup_cosine(step, 112_603, 5 * 1_281_167 / 4096)
            assert got == pytest.approx(lr, rel=1e-10, abs=1e-14), step


def test_a_schedule_with_a_floor():
    with np.load(GOLDEN / "dm_schedules.npz", allow_pickle=False) as arrays:
        steps, rates = arrays["small_it"].tolist(), arrays["small_lr"].tolist()
    for step, lr in zip(steps, rates, strict=True):
        assert 0.4 * warmup_cosine(step, 1000, 50, final=0.0025) == pytest.approx(lr, rel=1e-12), step


def test_edges():
    assert warmup_cosine(0, 10, 2.5) == 0
    assert warmup_cosine(1, 10, 2.5) == 0.4
    assert warmup_cosine(0, 10, 0) == 1
    assert warmup_cosine(10, 10, 2) == warmup_cosine(99, 10, 2) == 0
    assert warmup_cosine(6, 10, 2) == pytest.approx(0.5)
    assert scaled_lr(0.1, 1024) == pytest.approx(0.4)
    for warmup in (-1, 10, 11):
        with pytest.raises(ValueError, match=f"warmup_steps={warmup}"):
            warmup_cosine(0, 10, warmup)
