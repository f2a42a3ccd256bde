"""Golden arrays, and the tiny networks they were computed with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from normfree.nets import ClassifierNetwork, create_model
from normfree.nets.haiku_names import from_haiku

GOLDEN = Path(__file__).parents[1] / "golden"


class Golden(dict[str, Tensor]):
    """Arrays of one file as tensors."""

    def under(self, prefix: str) -> dict[str, Tensor]:
        return {key.removeprefix(prefix): value for key, value in self.items() if key.startswith(prefix)}

    def images(self, key: str) -> Tensor:
        return self[key].double().permute(0, 3, 1, 2).contiguous()


def load(name: str) -> Golden:
    with np.load(GOLDEN / name, allow_pickle=False) as arrays:
        return Golden({key: torch.from_numpy(a) for key in arrays if (a := arrays[key]).dtype.kind != "U"})


def load_json(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text())


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def tiny(model: ClassifierNetwork, arrays: Golden) -> ClassifierNetwork:
    state = {name: value.double() for name, value in from_haiku(arrays.under("param:")).items()}
    missing, unexpected = model.double().load_state_dict(state, strict=False)
    assert not unexpected
    assert all("running" in name or "num_batches" in name for name in missing)
    return model.eval()


@pytest.fixture(scope="session")
def nfnet_arrays() -> Golden:
    return load("dm_nfnet_tiny.npz")


@pytest.fixture(scope="session")
def nf_resnet_arrays() -> Golden:
    return load("dm_nf_resnet_tiny.npz")


@pytest.fixture(scope="session")
def resnet_arrays() -> Golden:
    return load("dm_bn_resnet_v2_tiny.npz")


@pytest.fixture
def nfnet_tiny(nfnet_arrays: Golden) -> ClassifierNetwork:
    shape = {"width": [16, 32, 48, 48], "depth": [1, 2, 3, 1], "group_size": 8}
    model = create_model("nfnet_f0", 10, drop_rate=0.0, stochastic_depth_rate=0.0, **shape)
    return tiny(model, nfnet_arrays)


@pytest.fixture
def nf_resnet_tiny(nf_resnet_arrays: Golden) -> ClassifierNetwork:
    shape = {"width": [16, 32, 64, 128], "depth": [1, 2, 1, 1], "stem_width": 4}
    return tiny(create_model("nf_resnet50", 10, **shape), nf_resnet_arrays)


@pytest.fixture
def resnet_tiny(resnet_arrays: Golden) -> ClassifierNetwork:
    shape = {"width": [16, 32, 64, 128], "depth": [1, 2, 1, 1], "stem_width": 4}
    return tiny(create_model("resnet50", 10, **shape), resnet_arrays)


@pytest.fixture
def golden_file() -> Any:
    return lambda name: load_json(name) if name.endswith(".json") else load(name)
