"""The measurements of `latency`: what fits and ends in time, in packs that are measured in turn."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import psutil
import torch
import torch.nn.functional as F
from torch import nn

from normfree.bench.case import Case
from normfree.bench.counts import Counts, count_steps
from normfree.bench.latency_rows import row_of
from normfree.bench.memory import peak_bytes
from normfree.bench.roofline import Roofline, measure_roofline
from normfree.bench.rows import Table
from normfree.clip import clip_grad_agc_, clipped_parameters
from normfree.host.sizes import size_text
from normfree.nets import create_model, fold, model_info
from normfree.optim import build_sgd
from normfree.probe.timing import interleave
from normfree.train.parts.compiled import compile_mode

_MEMORY_CALLS = 2
"""Steps that measuring the memory takes; they warm up too."""


@dataclass(frozen=True)
class Settings:
    """What is measured, with nothing left open. `memory` is in bytes, None for what is free."""

    models: Sequence[str]
    what: Sequence[str]
    precisions: Sequence[str]
    layouts: Sequence[str]
    forms: Sequence[str]
    batch: int
    image_size: int | None
    update: bool
    rounds: int
    budget_s: float
    memory: int | None
    resume: bool

    def image_side(self, model: str, what: str) -> int:
        info = model_info(model)
        return self.image_size or (info.train_size if what == "train" else info.test_size)

    @property
    def calls(self) -> int:
        """Steps of one case after its first."""
        return _MEMORY_CALLS + self.rounds


@dataclass
class _Suite:
    settings: Settings
    device: torch.device
    table: Table
    roofline: Roofline

    def phase(self, what: str) -> None:
        """All cases of training steps, or of inference."""
        cases = [case for case in self.cases(what) if not self.is_there(case, what)]
        if not cases:
            return
        settings = self.settings
        counts = count_steps(
            {
                name: (name, what, settings.image_side(name, what), settings.batch, settings.update)
                for name in dict.fromkeys(case.model for case in cases)
            }
        )
        free = self.free_memory()
        possible = []
        for case in cases:
            if reason := self.refusal(case, counts[case.model], free):
                self.refuse(case, what, counts[case.model], reason)
            else:
                possible.append(case)
        for pack in _packs(possible, counts, free, together="captured" in self.settings.forms):
            self.pack([case for case in possible if case.model in pack], what, counts)

    def cases(self, what: str) -> Iterator[Case]:
        settings = self.settings
        for form, precision, layout in product(settings.forms, settings.precisions, settings.layouts):
            for name in settings.models:
                side = settings.image_side(name, what)
                yield Case(name, precision, layout, side, self.device, form)

    def is_there(self, case: Case, what: str) -> bool:
        """Whether it was measured; what was refused may be allowed by now."""
        found = self.table.found(self.place(case, what)) if self.settings.resume else None
        return found is not None and bool(found["value"])

    def place(self, case: Case, what: str) -> dict[str, Any]:
        update = self.settings.update if what == "train" else None
        return {**case.columns(what, self.settings.batch), "form": case.form, "update": update}

    def free_memory(self) -> int:
        if self.settings.memory is not None:
            return self.settings.memory
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            return torch.cuda.mem_get_info(self.device)[0]
        return int(psutil.virtual_memory().available)

    def refusal(self, case: Case, counts: Counts, free: int) -> str | None:
        """Why a case is not tried, from what was counted and measured before."""
        needed = counts.resident + counts.memory(case.precision)
        if needed > free:
            return f"too large: about {size_text(needed)}, as counted, and {size_text(free)} are free"
        floor = self.roofline.least_seconds(case.precision, counts.flops, counts.bytes_moved(case.precision))
        return self.too_slow(floor, "at least {} a step by the roofline")

    def too_slow(self, seconds: float, how: str) -> str | None:
        settings = self.settings
        if (1 + settings.calls) * seconds <= settings.budget_s:
            return None
        return f"too slow: {how.format(f'{seconds:.3g} s')}, {1 + settings.calls} steps, budget_s={settings.budget_s:g}"

    def refuse(self, case: Case, what: str, counts: Counts, reason: str) -> None:
        self.table.write(row_of(self.place(case, what), counts, self.roofline, reason=reason))
        print(f"{_told(case, what)}  {reason}", flush=True)

    def pack(self, cases: Sequence[Case], what: str, counts: Mapping[str, Counts]) -> None:
        """Networks that are in memory together, one setting after another."""
        torch.manual_seed(0)
        networks: dict[str, nn.Module] = {}
        for name in dict.fromkeys(case.model for case in cases):
            with torch.device(self.device):
                network = create_model(name)
            networks[name] = network if what == "train" else fold(network)
        settings = dict.fromkeys((case.form, case.precision, case.layout) for case in cases)
        for setting in settings:
            group = [case for case in cases if (case.form, case.precision, case.layout) == setting]
            self.group(group, what, counts, networks)
            for each in networks.values():
                each.zero_grad(set_to_none=True)  # of a graph, which they would keep
            if setting[0] == "compiled":
                torch._dynamo.reset()
        networks.clear()
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def group(
        self, cases: Sequence[Case], what: str, counts: Mapping[str, Counts], networks: Mapping[str, nn.Module]
    ) -> None:
        """Networks in turn, in the same precision, layout and form."""
        print(f"{_setting(cases[0], what)} in turn: {' '.join(case.model for case in cases)}", flush=True)
        trials: dict[str, _Trial] = {}
        for case in cases:
            trial = self.trial(case, what, networks[case.model])
            if isinstance(trial, str):
                self.refuse(case, what, counts[case.model], trial)
            else:
                trials[case.model] = trial
        if not trials:
            return
        calls = {name: trial.call for name, trial in trials.items()}
        seconds = interleave(calls, self.settings.rounds, self.device, "wall", warmup=0)
        for case in cases:
            if case.model in trials:
                self.write(case, what, counts[case.model], trials[case.model], seconds[case.model])

    def write(self, case: Case, what: str, counts: Counts, trial: _Trial, seconds: Sequence[float]) -> None:
        peak = None if trial.peak is None else counts.resident + trial.peak
        row = row_of(self.place(case, what), counts, self.roofline, seconds=seconds, first=trial.first, peak=peak)
        self.table.write(row)
        held = "" if peak is None else f"{peak / 2**20:6.0f} MiB  "
        print(
            f"{_told(case, what)}  {row['value']:8.1f} ms [{row['p10']:.1f}, {row['p90']:.1f}]  "
            f"{held}{row['tflops']:.3g} TFLOP/s  {row['roofline']:.0%} of the roofline "
            f"({row['bound']})",
            flush=True,
        )

    def trial(self, case: Case, what: str, network: nn.Module) -> _Trial | str:
        """The first steps of a case; why there are no more, where there are none."""
        try:
            call = self.step(case, what, case.placed(network))
            first = self.once(call)
            # The first step compiles, or waits for a GPU to begin.
            again = case.form != "eager" or self.device.type == "cuda"
            if reason := self.too_slow(self.once(call) if again else first, "{} a step, as measured"):
                return reason
            # A replay allocates nothing: what it needs was reserved at the capture.
            peak = None if case.form == "captured" else peak_bytes(call, self.device, lambda: None)
            return _Trial(call, first, peak)
        except torch.OutOfMemoryError as error:
            network.zero_grad(set_to_none=True)
            told = str(error).splitlines()[0]
        torch.cuda.empty_cache()
        return f"too large: {told}"

    def once(self, call: Callable[[], None]) -> float:
        return interleave({"": call}, 1, self.device, "wall", warmup=0)[""][0]

    def step(self, case: Case, what: str, network: nn.Module) -> Callable[[], None]:
        called = network
        if case.form == "compiled":
            called = torch.compile(network, mode=compile_mode(self.device))  # type: ignore[assignment]
        if what == "infer":
            return case.inference(called, self.settings.batch)
        network.train()
        images = case.images(self.settings.batch)
        labels = torch.randint(0, 1000, (self.settings.batch,), device=self.device)
        update = _update(network) if self.settings.update else lambda: None

        def gradients() -> None:
            network.zero_grad(set_to_none=True)
            with case.autocast():
                logits = called(images)
            F.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]

        passes = case.captured(gradients)

        def step() -> None:
            passes()
            update()

        return step


@dataclass(frozen=True)
class _Trial:
    call: Callable[[], None]
    first: float
    peak: int | None


def measure(settings: Settings, device: torch.device, table: Table) -> None:
    """Measures all that `settings` say and writes each row at once.

    Raises:
        UserError: images too small for a network.
    """
    roofline = measure_roofline(device, settings.precisions)
    peaks = ", ".join(f"{flops / 1e12:.3g} TFLOP/s in {name}" for name, flops in roofline.flops.items())
    print(f"measured here: a matrix product {peaks}; a copy {roofline.bandwidth / 1e9:.3g} GB/s", flush=True)
    for what in settings.what:
        _Suite(settings, device, table, roofline).phase(what)


def _update(network: nn.Module) -> Callable[[], None]:
    """AGC, where nothing is normalised by a batch, and the optimizer."""
    optimizer = build_sgd(network, 0.0, fused=True)
    batch_norm = any(isinstance(each, nn.modules.batchnorm._BatchNorm) for each in network.modules())
    clipped = [] if batch_norm else list(clipped_parameters(network))

    def update() -> None:
        if clipped:
            clip_grad_agc_(clipped)
        optimizer.step()

    return update


def _packs(cases: Sequence[Case], counts: Mapping[str, Counts], free: int, together: bool = False) -> list[list[str]]:
    """Networks whose weights fit beside the largest step of any of them, in their order.

    With `together`, beside the steps of all: what a graph works in is its own until it is gone.
    """
    largest: dict[str, int] = {}
    for case in cases:
        largest[case.model] = max(largest.get(case.model, 0), counts[case.model].memory(case.precision))
    packs: list[list[str]] = []
    for name in largest:
        pack = [*packs[-1], name] if packs else [name]
        steps = [largest[each] for each in pack]
        needed = sum(counts[each].resident for each in pack) + (sum(steps) if together else max(steps))
        if packs and needed <= free:
            packs[-1] = pack
        else:
            packs.append([name])
    return packs


def _setting(case: Case, what: str) -> str:
    return f"{what:5} {case.precision} {case.layout} {case.form:8}"


def _told(case: Case, what: str) -> str:
    return f"{_setting(case, what)} {case.model:15} {case.image_size} px"
