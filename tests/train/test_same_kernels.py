"""cuDNN is asked for kernels that give the same bits, while a run computes on a GPU and no longer."""

import pytest
import torch

from normfree.train.same_kernels import deterministic_convolutions


@pytest.mark.parametrize(("device", "asked"), [("cuda", True), ("cpu", False)])
def test_as_long_as_it_computes(device: str, asked: bool) -> None:
    assert not torch.backends.cudnn.deterministic
    with deterministic_convolutions(torch.device(device)):
        assert torch.backends.cudnn.deterministic == asked
    assert not torch.backends.cudnn.deterministic


def test_no_longer_where_it_fails() -> None:
    def run() -> None:
        with deterministic_convolutions(torch.device("cuda")):
            raise KeyError

    with pytest.raises(KeyError):
        run()
    assert not torch.backends.cudnn.deterministic
