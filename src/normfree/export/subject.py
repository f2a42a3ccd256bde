"""The network that is exported, with what its file is to say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normfree.runs.provenance import commit, version
from normfree.trained import Preprocessing, Trained

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Subject:
    """
    Attributes:
        trained: folded, if the format takes that.
        preprocessing: what images go through before it.
    """

    trained: Trained
    preprocessing: Preprocessing

    @property
    def metadata(self) -> dict[str, str]:
        """Name -> text: JSON of classes and preprocessing, and where the weights are from."""
        about, head = self.trained.about, commit()[0]
        told = {
            "format": "normfree",
            "model": self.trained.model,
            "run": self.trained.name,
            "classes": json.dumps(list(self.trained.classes)),
            "preprocessing": json.dumps(self.preprocessing.record()),
            "input": "float32 [N, channels, size, size]: pixels / 255, less the mean, over the deviation, by channel",
            "normfree": f"{version('normfree')}",
            "commit": head or "",
        }
        return told | {key: str(about[key]) for key in ("checkpoint", "weights", "sha256", "folded") if key in about}

    @property
    def bytes(self) -> int:
        """Of the weights."""
        return sum(value.nbytes for value in self.trained.network.state_dict().values())

    def captured(self) -> torch.export.ExportedProgram:
        """What ``torch.export`` sees, with a batch of any size."""
        import torch

        side, channels = self.preprocessing.size, self.preprocessing.channels
        # Of two images: what is captured of one is for one alone.
        example = torch.zeros(2, channels, side, side)
        network = self.trained.network.eval().float()
        return torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))
