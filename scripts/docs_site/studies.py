"""The gallery of studies: question, figure, and how many claims the runs supported, of every committed report."""

import html
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from places import ROOT

REPORTS = ROOT / "reports"
_HEAD = """\
# Studies

Each study is an experiment of this repository. Its claims were committed before its runs, every planned run is in its
table, failed ones too; `normfree report experiment=NAME check=true` makes its report again from committed rows.
All are of small networks and small images, on processors unless the name ends in -gpu; none is an accuracy to compare
with ImageNet. Published numbers stand beside what was measured here in [the ledger](ledger.md), speed in
[benchmarks](benchmarks/README.md).

A claim is *supported* or *refuted* by a rule that was fixed before, or *inconclusive*.

"""


@dataclass(frozen=True)
class Study:
    """What the gallery says of a report.

    Attributes:
        verdicts: how many claims have each.
        runs: how many were planned.
        trained: how many of them learned something.
    """

    name: str
    question: str
    answer: str
    verdicts: dict[str, int]
    runs: int
    trained: int


def read(folder: Path) -> Study:
    """From the page and the rows of a report.

    Raises:
        LookupError: the page has no question.
    """
    text = (folder / "report.md").read_text(encoding="utf-8")
    question = re.search(r"^\*\*(.+?)\*\*$", text, re.M)
    if question is None:
        raise LookupError(f"{folder / 'report.md'}: no question in bold before its answers")
    answers = re.findall(r"^1\. (.*)$", text.partition("## ")[0], re.M)
    found = re.findall(r"^\| \*\*(supported|refuted|inconclusive)\*\* \|", text, re.M)
    status = pd.read_csv(folder / "runs.csv", usecols=["status"])["status"]
    verdicts = {name: found.count(name) for name in ("supported", "refuted", "inconclusive")}
    return Study(
        folder.name,
        question[1],
        answers[0] if answers else "",
        verdicts,
        len(status),
        int((status == "finished").sum()),
    )


def page() -> str:
    """Markdown of the gallery, with links as of reports/README.md."""
    cards = [_card(read(path.parent)) for path in sorted(REPORTS.glob("*/report.md"), key=_order)]
    return _HEAD + '<div class="studies" markdown>\n\n' + "\n".join(cards) + "\n</div>\n"


def _order(path: Path) -> tuple[bool, str]:
    """What the front page shows comes first."""
    return path.parent.name not in ("quickstart", "cifar10-gpu"), path.parent.name


def _card(study: Study) -> str:
    link = f"{study.name}/report.md"
    badges = "".join(
        f'<span class="verdict {name}">{count} {name}</span>' for name, count in study.verdicts.items() if count
    )
    figure = REPORTS / study.name / "figures" / "main.png"
    picture = f"[![Main figure of {study.name}]({study.name}/figures/main.png)]({link})\n\n" if figure.is_file() else ""
    return (
        f'<div class="study" markdown>\n\n### [{study.name}]({link})\n\n{picture}'
        f"{html.escape(study.question, quote=False)}\n\n{badges} "
        f"{study.trained} of {study.runs} runs trained\n\n</div>\n"
    )
