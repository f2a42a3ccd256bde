"""``-m plan=true``: what the runs of a sweep cost in all, and how long they would take here."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from normfree.config import Resolved
from normfree.host.wording import counted
from normfree.train.estimate import OF_A_RUN, Speed, about, images_to_try, seconds_of, seconds_to_start, tried
from normfree.train.parts.network import described
from normfree.train.plan import flop_of, flop_text
from normfree.train.preflight import Ready, preflight
from normfree.train.reading_time import beside_told, reading_told, seconds_of_an_image, seconds_of_reading
from normfree.train.size_cost import cost_told, images_told

MOST_SECONDS, MORE_SECONDS = 15.0, 0.3
"""For which one kind of run of each network is tried, and then more of them. The others are told by their multiply-adds
from what was tried of their network, or of all.
"""


@dataclass(frozen=True)
class Times:
    """How long runs would take, one after another.

    Attributes:
        seconds: of each run, in their order; ``None`` where none of them could be tried.
        kinds, tried: how many kinds of runs there are, and of how many some steps were tried.
        why_not: the reason of the first kind that was not.
    """

    seconds: list[float] | None
    kinds: int
    tried: int
    why_not: str = ""


def describe_sweep(runs: Sequence[Resolved], missing: Sequence[bool], workers: int | None) -> list[str]:
    """Lines about all runs, and about those that have no result yet.

    Args:
        missing: whether a run has no result yet.
        workers: runs at a time on this machine; ``None`` where they run elsewhere, whatever this machine lacks.

    Raises:
        UserError: a network of them cannot be trained so.
    """
    ready, lacks, blocked = [], dict[str, None](), False
    for run in runs:
        found: dict[str, str] = {}
        ready.append(preflight(run, lacks=found))
        blocked = blocked or bool(found.keys() - {"images"})
        lacks |= dict.fromkeys(f"warning: {line}" for line in found.values())
    flop = [flop_of(run, each.cost) for run, each in zip(runs, ready, strict=True)]
    left = [(run, each) for run, each, open_ in zip(runs, ready, missing, strict=True) if open_]
    to_do = sum(each for each, open_ in zip(flop, missing, strict=True) if open_)
    rest = f", {flop_text(to_do)} of it in the {counted(len(left), 'run')} to do" if 0 < len(left) < len(runs) else ""
    lines = [f"compute: {flop_text(sum(flop))} in all{rest}"]
    lines += [images_told(runs), *cost_told(runs[0], sum(flop))]
    if left:
        lines.append(f"time: {_time(left, blocked, workers)}")
    return lines if workers is None else lines + list(lacks)


def _time(left: Sequence[tuple[Resolved, Ready]], blocked: bool, workers: int | None) -> str:
    if workers is None:
        return "not measured: the jobs run elsewhere"
    if blocked:
        return "not measured: this machine lacks what a run asks for"
    times = times_of(left)
    if times.seconds is None:
        return f"not measured: {times.why_not}"
    at_a_time = min(workers, len(left))
    an_image = [seconds_of_an_image(run) for run, _ in left]
    known = next((each for each in an_image if each is not None), None)
    reading = [
        seconds_of_reading(run, each, steps, ready.device.type == "cuda")
        for (run, ready), each, steps in zip(left, an_image, times.seconds, strict=True)
    ]
    steps = [seconds + OF_A_RUN for seconds in times.seconds]
    # Its workers start as this process did, once each; what they read, the same cores read.
    start = 2 * seconds_to_start()
    whole = start + max(sum(steps) / at_a_time, *steps) + sum(reading)
    how = f"{at_a_time} runs" if at_a_time > 1 else "one run"
    of = f"{times.tried} of {times.kinds} kinds of runs" if times.tried < times.kinds else "each kind of run"
    return (
        f"{about(whole)} here, {how} at a time: {about(start)} to start, {about(whole - start - sum(reading))} for the "
        f"steps and evaluations of {counted(len(left), 'run')}{reading_told(known, sum(reading))}; an "
        f"estimate from a few steps of {of}, {beside_told(known)}"
    )


def times_of(runs: Sequence[tuple[Resolved, Ready]]) -> Times:
    """Try a few steps of kinds of runs, while that is quick; what was not tried is as fast as what is most like it."""
    flop = [flop_of(run, ready.cost) for run, ready in runs]
    kinds = [kind_of(run, ready) for run, ready in runs]
    speeds, why_not = _speeds(runs, kinds, flop)
    seconds: dict[int, float] = {
        number: seconds_of(run, ready.plan.accumulation, speeds[kind])
        for number, ((run, ready), kind) in enumerate(zip(runs, kinds, strict=True))
        if kind in speeds
    }
    if not seconds:
        return Times(None, len(set(kinds)), 0, why_not)

    # From what is most like a run to what is least.
    likeness = [(described(run), run.config.model.name, None) for run, _ in runs]
    paces: dict[str | None, float] = {}
    for alike in zip(*likeness, strict=True):
        for each in set(alike):
            known = [number for number in seconds if alike[number] == each]
            if known:
                paces[each] = sum(seconds[number] for number in known) / sum(flop[number] for number in known)
    every = [
        seconds[number] if number in seconds else flop[number] * next(paces[each] for each in alike if each in paces)
        for number, alike in enumerate(likeness)
    ]
    return Times(every, len(set(kinds)), len(speeds), why_not)


def _speeds(
    runs: Sequence[tuple[Resolved, Ready]], kinds: Sequence[tuple[object, ...]], flop: Sequence[float]
) -> tuple[dict[tuple[object, ...], Speed], str]:
    """Of the kinds that were tried, and why the first that could not be tried was not.

    The kind with most arithmetic comes first, of every network one, then a second of every network and so on.
    """
    weights = Counter[tuple[object, ...]]()
    for kind, count in zip(kinds, flop, strict=True):
        weights[kind] += count  # type: ignore[assignment]
    examples = dict(zip(kinds, runs, strict=True))
    networks, places = Counter[str](), dict[tuple[object, ...], int]()
    for kind, _ in weights.most_common():
        name = examples[kind][0].config.model.name
        places[kind], networks[name] = networks[name], networks[name] + 1
    speeds: dict[tuple[object, ...], Speed] = {}
    why_not, began = "", time.monotonic()
    for kind in sorted(places, key=lambda each: places[each]):
        if time.monotonic() - began > (MORE_SECONDS if places[kind] else MOST_SECONDS):
            break
        found = tried(*examples[kind])
        if isinstance(found, str):
            why_not = why_not or found
        else:
            speeds[kind] = found
    return speeds, why_not


def kind_of(run: Resolved, ready: Ready) -> tuple[object, ...]:
    """Runs of a kind take the same time for a step."""
    config = run.config
    clip, optimizer, trainer = config.clip, config.optimizer, config.trainer
    return (
        described(run), config.data.train_size, config.data.test_size, config.precision,
        ready.plan.micro_batch, images_to_try(run, ready), ready.device.type, trainer.threads, trainer.channels_last,
        tuple(config.model.freeze or ()), config.model.freeze_norm,
        clip.name, clip._target_, optimizer.name, optimizer._target_, optimizer.ema_decay is None,
        config.private.name,
    )  # fmt: skip
