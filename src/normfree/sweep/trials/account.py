"""What a search tells in the terminal: a line a trial, and at the end the counts and the best."""

from collections.abc import Sequence

from normfree.host.wording import counted
from normfree.sweep.trials.block import LATENCY, Search
from normfree.sweep.trials.trial import OUTCOMES, OVER_BUDGET, Trial


def trial_line(trial: Trial, search: Search) -> str:
    """``trial 12 of 80: pruned, 41.2 % after a quarter, 7.1 ms: model.depth=[1,2,1] ...``."""
    parts = [trial.outcome]
    if (accuracy := trial.facts.get("accuracy")) is not None:
        parts.append(f"{accuracy:.1%} of validation")
    elif (accuracy := trial.facts.get("short_accuracy")) is not None:
        assert search.short is not None
        parts.append(f"{accuracy:.1%} of validation after {search.short.share:.0%} of the steps")
    if latency := trial.facts.get("latency"):
        parts.append(f"{latency[0]:.3g} ms")
    told = f"trial {trial.number + 1} of {search.number}: {', '.join(parts)}: {' '.join(trial.words)}"
    reason = trial.facts.get("reason")
    return f"{told} ({reason})" if reason else told


def counts_line(trials: Sequence[Trial], search: Search) -> str:
    """``80 trials: 41 finished, 22 pruned, 15 over budget, 2 diverged``."""
    counts = {outcome: sum(trial.outcome == outcome for trial in trials) for outcome in OUTCOMES}
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    budget = search.timing.budget if search.timing else None
    limit = f" (the budget is {budget:g} ms)" if budget is not None and counts[OVER_BUDGET] else ""
    return f"{counted(len(trials), 'trial')}: {told}{limit}"


def best_lines(chosen: Sequence[Trial], search: Search) -> list[str]:
    """The trials that are trained with further seeds."""
    if not chosen:
        return ["no trial finished, so that none is trained with further seeds"]
    which = "on the front of accuracy and latency" if LATENCY in search.objectives else "most accurate"
    lines = [f"{counted(len(chosen), 'trial')} {which}, with seeds {', '.join(map(str, search.seeds))} now:"]
    for trial in chosen:
        latency = trial.facts.get("latency")
        time = f"{latency[0]:6.3g} ms  " if latency else ""
        accuracy = trial.facts["accuracy"]
        lines.append(f"  {time}{accuracy:6.1%}  trial {trial.number + 1}: {' '.join(trial.words)}")
    return lines
