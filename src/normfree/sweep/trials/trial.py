"""A trial, and the words for what may become of it."""

from dataclasses import dataclass, field
from typing import Any

RUNNING, FINISHED, PRUNED, OVER_BUDGET, REFUSED = "running", "finished", "pruned", "over budget", "refused"
DIVERGED, UNTRAINED, FAILED = "diverged", "untrained", "failed"
OUTCOMES = (FINISHED, PRUNED, OVER_BUDGET, DIVERGED, UNTRAINED, REFUSED, FAILED, RUNNING)


@dataclass
class Trial:
    """A trial.

    Attributes:
        words: what it adds to the words of every trial.
        facts: what is known of it: ``latency`` (ms, low, high), ``short_accuracy``, ``accuracy``, ``reason``, and names
            of its runs.
        owner: the process that works on it.
        retry_of: the failed trial in whose place it is tried again.
    """

    number: int
    words: tuple[str, ...]
    values: dict[str, Any]
    outcome: str = RUNNING
    owner: str = ""
    retry_of: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)
