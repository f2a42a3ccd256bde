"""Parts of a user's own that break while they train, and networks that change what they are given."""

import sys
from typing import Any

import torch
from tests.train.own_modules import Descent, PlainCNN
from torch import Tensor


class Leaving(PlainCNN):
    """Ends the process in the passes after those in which it is tried."""

    passes = 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += x.device.type == "cpu" and len(x) > 4
        if self.passes > 1:
            sys.exit(3)
        return super().forward(x)


class LeavingInTraining(PlainCNN):
    """Ends the process where it is not evaluated."""

    def forward(self, x: Tensor) -> Tensor:
        return sys.exit() if self.training else super().forward(x)


class LeavingAtOnce(PlainCNN):
    """Cannot be made."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        sys.exit("no such card")


class Doubled(PlainCNN):
    """Sees its images twice as bright."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(2 * x)


class DoubledInPlace(PlainCNN):
    """The same, and leaves them so."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mul_(2))


class Breaking(Descent):
    """Has no second step."""

    def step(self, closure: Any = None) -> Any:
        if self.state:
            raise ValueError("no second step\nfor anyone")
        self.state[self.param_groups[0]["params"][0]]["begun"] = torch.ones(())
        return super().step(closure)


def dividing(parameters: list[Tensor], parts: int = 0) -> None:
    """Divides by nothing."""
    _share(parts)


def _share(parts: int) -> float:
    return 1 / parts


def leaving(parameters: list[Tensor]) -> None:
    """Ends the process as if all were well."""
    sys.exit()
