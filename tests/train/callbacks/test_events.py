"""The table of a run's events is what a run does, and docs/pseudocode.md is what the table says."""

from collections.abc import Callable, Iterable, Iterator

import pytest
from tests.conftest import ROOT
from tests.train.callbacks.traced import every_hook, trace
from tests.train.test_laws import StopAfter

from normfree.config import Resolved
from normfree.train.callbacks.events import EVENTS, PAGE, Event, When, page
from normfree.train.callbacks.order import ORDER
from normfree.train.run import run_one

IN_A_STEP = (When.EACH, When.FIRST, When.LAST)
FUNCTIONS = [event.calls for event in EVENTS if event.calls and event.calls[0].islower()]
SAVED = [event.calls for event in EVENTS if event.when is When.SAVED]
STEPS, ACCUMULATION = 3, 2
RUN = (
    "clip=zclip", f"steps={STEPS}", "trainer.micro_batch=25", "optimizer.warmup_steps=1", "optimizer.ema_decay=0.9",
    "optimizer.sam_rho=0.05", "trainer.log_every=1", "trainer.evaluate_every=1",
)  # fmt: skip


def expected(steps: int, resumed: bool) -> Iterator[str]:
    """What the table says that a run of so many steps calls, but for saving."""
    loop = [place for place, event in enumerate(EVENTS) if event.when in IN_A_STEP]
    once = {When.ONCE, When.RESUMED} if resumed else {When.ONCE}
    yield from calls(event for event in EVENTS[: loop[0]] if event.when in once)
    for micro_batch in range(steps * ACCUMULATION):
        now = {When.EACH, When.LAST if (micro_batch + 1) % ACCUMULATION == 0 else When.FIRST}
        yield from calls(event for event in EVENTS[loop[0] : loop[-1] + 1] if event.when in now)
    yield from calls(event for event in EVENTS[loop[-1] + 1 :] if event.when in once)


def calls(events: Iterable[Event]) -> list[str]:
    return [event.calls for event in events if event.calls]


def test_every_hook_is_an_event() -> None:
    hooks = {f"{part.__name__}.{hook}" for part, hook in every_hook()}
    assert {event.calls for event in EVENTS if event.calls} - set(FUNCTIONS) == hooks
    assert len({event.calls for event in EVENTS if event.calls}) == sum(1 for event in EVENTS if event.calls)


def test_a_run_does_what_the_table_says(tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    trace(monkeypatch, FUNCTIONS, told.append)
    run_one(tiny(*RUN), [])
    saving = set(SAVED)
    assert [call for call in told if call not in saving] == list(expected(STEPS, resumed=False))


def test_a_resumed_run_does_what_the_table_says(tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    trace(monkeypatch, FUNCTIONS, told.append)
    run_one(tiny(*RUN), [], stop=StopAfter(2))
    assert told[-2:] == ["RunningStatistics.on_fit_end", "fit.conclude"], "a stopped run is not judged"
    assert told[-len(SAVED) - 2 : -2] == SAVED, "its state is saved in this order"
    told.clear()
    run_one(tiny(*RUN), [])
    saving = set(SAVED)
    assert [call for call in told if call not in saving] == list(expected(STEPS - 2, resumed=True))


def test_callbacks_stand_in_their_order_at_every_hook() -> None:
    names = [kind.__name__ for kind in ORDER]
    for hook in {hook for _, hook in every_hook()}:
        parts = [event.calls.partition(".")[0] for event in EVENTS if event.calls.endswith(f".{hook}")]
        places = [names.index(part) for part in parts if part in names]
        assert places == sorted(places), hook


def test_the_page_is_what_the_code_says() -> None:
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page(), "stale: run make pseudocode"
