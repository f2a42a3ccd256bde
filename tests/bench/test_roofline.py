"""The limits of a device are measured on products that it computes in good time."""

import time

import pytest
import torch

from normfree.bench import roofline

CPU = torch.device("cpu")


@pytest.mark.parametrize(("flops", "sides"), [(1e9, [1024]), (4e10, [1024, 2048])])
def test_a_larger_product_is_tried_where_it_does_not_take_long(flops: float, sides: list[int]) -> None:
    tried = []

    def product(device: torch.device, dtype: torch.dtype, side: int) -> float:
        tried.append(side)
        return flops * side / 1024

    assert roofline._products(product, CPU, torch.float32) == flops * sides[-1] / 1024
    assert tried == sides


def test_what_takes_long_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofline, "_LONG", 0.2)
    calls = {"quick": 0, "slow": 0}

    def call(name: str, seconds: float) -> None:
        calls[name] += 1
        time.sleep(seconds)

    assert roofline._fastest(lambda: call("slow", 0.25), CPU) >= 0.25
    roofline._fastest(lambda: call("quick", 0.0), CPU)
    assert calls == {"quick": 2 + 1 + roofline._ROUNDS, "slow": 2}
