"""Statuses and outcomes of runs with their rules, and what commands tell the shell."""

import keys_page

from normfree.config.schema import OutcomeConfig
from normfree.host import exit_codes
from normfree.runs.outcomes import DEFINITIONS, RECORDED, STALLED, TERMINAL

_EXIT = {
    "EXIT_OK": "all is done; diverged and untrained runs are results and count as done",
    "EXIT_FAILED": "a run, alone or of a sweep, failed, and says why",
    "EXIT_BAD_INPUT": "what was typed cannot be done; nothing was started, and one line says what to change",
    "EXIT_INTERRUPTED": "stopped by Ctrl-C; the same command goes on",
}


def page() -> str:
    """Markdown of docs/reference/outcomes.md.

    Raises:
        LookupError: an exit code of which this page says nothing.
    """
    return "\n".join(
        [
            "# Outcomes\n",
            "What becomes of a planned run is one of these words, in tables, figures, `runs.py` and W&B. The rules are",
            "the same for every network and were fixed before the runs; [decision",
            "0004](../decisions/0004-outcomes.md) has them in full, with what they cost.\n",
            "| outcome | rule | `status` in result.json | started by the same command again |",
            "|---|---|---|---|",
            *(f"| `{name}` | {text} | {_recorded(name)} | {_again(name)} |" for name, text in DEFINITIONS.items()),
            "",
            f"{', '.join(f'`{name}`' for name in TERMINAL)} say something about the method; the others say something",
            "about a machine, a file or a person, and are in no mean.\n",
            "## Stalled\n",
            f"`stalled` is no outcome but an explanation beside one: {STALLED}. It changes no count and no mean.\n",
            "## Thresholds\n",
            "They are part of a run's identity: a run judged otherwise is another run.\n",
            "| key | default | meaning |",
            "|---|---|---|",
            *_thresholds(),
            "",
            "## Exit codes\n",
            "| code | meaning |",
            "|---|---|",
            *(f"| {code} | {_exit(name)} |" for name, code in _codes().items()),
            "",
        ]
    )


def _recorded(name: str) -> str:
    return "yes" if name in RECORDED else "none: read from its files"


def _again(name: str) -> str:
    if name == "damaged":
        return "no: `runs.py experiment=NAME retry=damaged` does"
    return "no: it has its result" if name in TERMINAL else "yes"


def _thresholds() -> list[str]:
    rows = []
    for line in keys_page.section_rows("outcome.", OutcomeConfig):
        key, _, default, meaning = line
        rows.append(f"| {key} | {default} | {meaning} |")
    return rows


def _codes() -> dict[str, int]:
    return {name: value for name, value in vars(exit_codes).items() if name.startswith("EXIT_")}


def _exit(name: str) -> str:
    if name not in _EXIT:
        raise LookupError(f"{name}: scripts/reference/outcomes_page.py says nothing of it")
    return _EXIT[name]
