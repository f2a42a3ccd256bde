"""Gradient clipping in anyone's LightningModule."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from normfree.clip import (
    CLIPPERS,
    SCOPES,
    ClipStatistics,
    StatefulClipper,
    classifier_of,
    clip_grad_agc_,
    clip_grad_norm_,
    watched,
)
from normfree.config import UserError
from normfree.config.errors import nearest
from normfree.lightning.base import Callback
from normfree.lightning.network import network_of
from normfree.lightning.refusals import refuse_clipped_twice, refuse_fused, refuse_orthogonal, refuse_sharded

Clipper = Callable[[list[Tensor]], Any]
OPTIONS: dict[str, dict[str, Any]] = {
    "agc": {"clip_factor": 0.01, "eps": 1e-3, "unit": "deepmind"},
    "norm": {"max_norm": 1.0},
    **{name: {key: one.default for key, one in signature(made).parameters.items()} for name, made in CLIPPERS.items()},
}
"""The options of each clipper by name, with their values where none is given."""


class GradientClipping(Callback):
    """Clips once per optimizer step, on full gradients: after accumulation, all-reduce and unscaling.

    AGC leaves the classifier alone, which is found (`normfree.clip.classifier_of`) or named. Of several optimizers,
    each one's parameters are clipped at its own steps, by the norms of these. What a clipper knows of earlier steps is
    kept in checkpoints with the callback's state, and gone on from.

    Attributes:
        statistics: what the last step's clipping did (`normfree.clip.ClipStatistics`), ``None`` before the first.
        exempted: names of the parameters that are not clipped, known when training starts.

    Args:
        clipper: ``"agc"``, ``"norm"`` (by the norm of all gradients together), ``"zclip"``, ``"adagc"``,
            ``"autoclip"``, ``"per_tensor"`` (`normfree.clip.CLIPPERS`), or a function of one's own that changes the
            gradients of a list of parameters in place.
        scope: what AGC leaves out: ``"deepmind"`` the classifier's weight, ``"timm"`` its weight and bias, ``"all"``
            nothing.
        classifier: its name, as in the LightningModule's ``named_modules()``, where it is not the one that is found.
        log: log ``grad/norm_before``, ``grad/norm_after`` and ``clip/clipped_share``.
        options: ``clip_factor=0.01, eps=1e-3, unit="deepmind"`` for AGC, ``max_norm=1.0`` for the norm; the
            arguments of `normfree.clip.ZClip`, `AdaGC`, `AutoClip` and `PerTensor` for these.

    Raises:
        UserError: an unknown clipper or option; when training starts, for what would clip twice, clip scaled gradients
            or clip pieces of them, or a classifier that is not found.
    """

    def __init__(
        self,
        clipper: str | Clipper = "agc",
        *,
        scope: str = "deepmind",
        classifier: str | None = None,
        log: bool = True,
        **options: Any,
    ) -> None:
        self.statistics: ClipStatistics | None = None
        self.exempted: tuple[str, ...] = ()
        self._clipper = clipper
        self._what = f"GradientClipping({clipper!r})" if isinstance(clipper, str) else "GradientClipping"
        self._scope, self._classifier, self._log = scope, classifier, log
        self._options = self._checked(clipper, options)
        self._clipped: list[Tensor] = []
        self._made: dict[int, StatefulClipper] = {}  # by the place of their optimizer

    def _checked(self, clipper: str | Clipper, options: dict[str, Any]) -> dict[str, Any]:
        if self._scope not in SCOPES:
            raise UserError(f"{self._what}, scope={self._scope!r}: choose one of {', '.join(SCOPES)}")
        if not isinstance(clipper, str) and not callable(clipper):
            raise UserError(f"GradientClipping({clipper!r}): give {', '.join(OPTIONS)}, or a function")
        if isinstance(clipper, str) and clipper not in OPTIONS:
            raise UserError(
                f"{self._what}: no such clipper{nearest(clipper, OPTIONS)}; choose one of {', '.join(OPTIONS)}, "
                "or give a function of your own"
            )
        known = OPTIONS[clipper] if isinstance(clipper, str) else {}
        for name, value in options.items():
            if name not in known:
                raise UserError(
                    f"{self._what}, {name}={value!r}: it has no such option{nearest(name, known)}; "
                    f"its options are: {', '.join(known) or 'none; fill them in with functools.partial'}"
                )
        if clipper != "agc" and (self._classifier is not None or self._scope != "deepmind"):
            raise UserError(f"{self._what}: scope and classifier are for 'agc' alone; leave them out")
        filled = dict(known) | options
        if isinstance(clipper, str):
            try:
                self._clip([], filled, -1)  # nothing to clip: its values alone are looked at
            except (TypeError, ValueError) as error:
                raise UserError(f"{self._what}: {error}") from error
        return filled

    def state_dict(self) -> dict[str, Any]:
        return {str(place): state for place, made in self._made.items() if (state := made.state_dict())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for place, state in state_dict.items():
            self._stateful(int(place), self._options).load_state_dict(state)

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if stage != "fit":
            return
        refuse_sharded(trainer, self._what, "leave it out")
        refuse_clipped_twice(trainer, self._what)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        refuse_fused(trainer, self._what)
        if self._clipper == "agc":
            refuse_orthogonal(trainer, self._what)
        left_out = self._left_out(pl_module) if self._clipper == "agc" else set()
        self._clipped = [parameter for parameter in pl_module.parameters() if id(parameter) not in left_out]
        self.exempted = tuple(name for name, one in pl_module.named_parameters() if id(one) in left_out)

    def _left_out(self, pl_module: nn.Module) -> set[int]:
        if self._scope == "all":
            return set()
        try:
            inside = network_of(pl_module) if self._classifier is None else pl_module
            _, classifier = classifier_of(inside, self._classifier)
        except ValueError as error:
            raise UserError(f"{self._what}: {error}") from error
        kept = ("weight",) if self._scope == "deepmind" else ("weight", "bias")
        return {id(one) for name, one in classifier.named_parameters() if name.rpartition(".")[2] in kept}

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: torch.optim.Optimizer) -> None:
        own = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        place = next(
            place for place, each in enumerate(trainer.optimizers) if _unwrapped(each) is _unwrapped(optimizer)
        )
        self.statistics = self._clip([one for one in self._clipped if id(one) in own], self._options, place)
        if self._log:
            units = max(1, self.statistics.units)
            row = {
                "grad/norm_before": self.statistics.norm_before,
                "grad/norm_after": self.statistics.norm_after,
                "clip/clipped_share": self.statistics.clipped_units / units,
            }
            pl_module.log_dict(row)

    def _clip(self, parameters: list[Tensor], options: dict[str, Any], place: int) -> ClipStatistics:
        if self._clipper == "agc":
            return clip_grad_agc_(parameters, **options)
        if self._clipper == "norm":
            return clip_grad_norm_(parameters, **options)
        if isinstance(self._clipper, str):
            made = self._stateful(place, options) if place >= 0 else CLIPPERS[self._clipper](**options)
            return made(parameters)
        return watched(self._clipper, parameters)

    def _stateful(self, place: int, options: dict[str, Any]) -> StatefulClipper:
        assert isinstance(self._clipper, str)
        if place not in self._made:
            self._made[place] = CLIPPERS[self._clipper](**options)
        return self._made[place]


def _unwrapped(optimizer: Any) -> Any:
    """Lightning hands out its own wrapper in manual optimization."""
    return getattr(optimizer, "_optimizer", optimizer)
