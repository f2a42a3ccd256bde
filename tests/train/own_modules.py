"""A user's network, data set and optimizer, and some that are wrong."""

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor, nn


class PlainCNN(nn.Module):
    """Says nothing of itself: its last linear layer is its classifier."""

    def __init__(
        self, num_classes: int, in_channels: int, width: int = 8, norm: str = "", drop_rate: float = 0
    ) -> None:
        super().__init__()
        kinds = {"batch": nn.BatchNorm2d(width), "group": nn.GroupNorm(2, width), "": nn.Identity()}
        self.stem = nn.Sequential(nn.Conv2d(in_channels, width, 3, padding=1), kinds[norm], nn.ReLU())
        self.body = nn.Conv2d(width, width, 3, padding=1)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(drop_rate), nn.Linear(4 * width, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(torch.relu(self.body(self.stem(x))))
        return logits


class Staged(PlainCNN):
    """Knows its stages, and calls its classifier by name."""

    classifier = "head.3"

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__(num_classes, in_channels)
        self.body.stage = 0  # type: ignore[assignment]


class ScaleNorm(nn.Module):
    """Divides each sample by its length; no library has it."""

    sees = "sample"

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x / torch.linalg.vector_norm(x, dim=(1, 2, 3), keepdim=True).clamp(min=1e-6)


class ScaleNormed(PlainCNN):
    """Has a normaliser that its name alone says."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__(num_classes, in_channels)
        self.body = nn.Sequential(self.body, ScaleNorm(8))  # type: ignore[assignment]


class Counting(nn.Module):
    """Takes none of the usual arguments, has no convolution, and works with numbers while it is built."""

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.share = torch.linspace(0, 1, 3)[1].item()
        self.layer = nn.LazyLinear(numbers) if numbers == 1 else nn.Linear(64, numbers)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layer(x.flatten(1)) * self.share
        return logits


class NoClassifier(nn.Module):
    """Has convolutions alone."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(in_channels, num_classes, 3)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layer(x).mean((2, 3))
        return logits


class Maps(NoClassifier):
    """Gives maps for logits."""

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.layer(x)
        return maps


class Raises(NoClassifier):
    """Takes no images."""

    def forward(self, x: Tensor) -> Tensor:
        raise ArithmeticError("not these\nnor others")


def no_module(num_classes: int) -> dict[str, int]:
    return {"classes": num_classes}


class Blobs:
    """Three classes of bright columns."""

    kind = "tensor"

    def __init__(self, split: str, images: int = 240, root: str = "") -> None:
        stream = torch.Generator().manual_seed(int(split == "test"))
        self.root = root
        self._labels = torch.randint(0, 3, (images,), generator=stream)
        self.pixels = torch.randint(0, 100, (images, 1, 8, 8), generator=stream, dtype=torch.uint8)
        for number, label in enumerate(self._labels.tolist()):
            self.pixels[number, :, :, 2 * label : 2 * label + 2] += 100

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> Any:
        return self.pixels[index], self._labels[index]


class Named(Blobs):
    """The same as PIL images, with names and targets."""

    classes = ("left", "middle", "right")

    def __init__(self, split: str, images: int = 240) -> None:
        super().__init__(split, images)
        self.targets = self._labels.tolist()

    def __getitem__(self, index: int) -> Any:
        return Image.fromarray(self.pixels[index, 0].numpy()), self.targets[index]


class Cut(PlainCNN):
    """Its logits have no gradient."""

    def __init__(self, num_classes: int, in_channels: int, how: str = "") -> None:
        super().__init__(num_classes, in_channels)
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        return logits.detach() if self.how == "detached" else logits.long()


class FewTargets(Blobs):
    """Fewer targets than images."""

    targets = (0, 1)


class Wrong(Blobs):
    """One item is not as the others."""

    def __init__(self, split: str, how: str) -> None:
        super().__init__(split, 20)
        self.how = how

    def __getitem__(self, index: int) -> Any:
        image, label = super().__getitem__(index)
        if self.how == "random":
            return torch.randint(0, 256, (1, 8, 8), dtype=torch.uint8), label
        if index != 5:
            return image, label
        if self.how == "raises":
            raise KeyError("no such file")
        return {
            "pil": (Image.new("L", (8, 8)), label),
            "colour": (image.expand(3, 8, 8), label),
            "float": (image / 255, label),
            "text": (image, "three"),
            "negative": (image, -1),
            "hashed": (image, 10**12),
            "alone": image,
            "sizes": (image[:, :4], label),
        }[self.how]


def no_data(split: str) -> int:
    return 3


class Descent(torch.optim.Optimizer):
    """Gradient descent with momentum and weight decay."""

    def __init__(self, groups: Iterable[Any], lr: float, momentum: float = 0.0) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    change = parameter.grad + group["weight_decay"] * parameter
                    kept = self.state[parameter].setdefault("velocity", torch.zeros_like(parameter))
                    parameter.sub_(kept.mul_(group["momentum"]).add_(change), alpha=group["lr"])
        return loss


def first_only(groups: list[dict[str, Any]], lr: float) -> torch.optim.Optimizer:
    return Descent(groups[:1], lr)


class Loud:
    """A logger that keeps what it is told, and fails when it is asked to."""

    told: ClassVar[list[Any]] = []

    def __init__(self, folder: Any, fails: bool = False) -> None:
        self.folder, self.fails = folder, fails

    def write(self, row: dict[str, Any]) -> None:
        if self.fails:
            raise OSError("nobody listens")
        self.told.append(row)

    def finish(self, facts: dict[str, Any]) -> None:
        self.told.append(facts["status"])


def no_optimizer(groups: list[dict[str, Any]], lr: float) -> float:
    return lr
