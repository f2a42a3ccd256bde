"""Write reports/ledger.md from reports/ledger.csv: every published number beside what was measured here."""

from collections.abc import Hashable, Mapping
from pathlib import Path

import pandas as pd

REPORTS = Path(__file__).parents[1] / "reports"
STATUSES = {
    "reproduced": "measured or counted here, and the same to the digits that are printed or to 2 %",
    "in direction": "seen here at a smaller scale: the sign or the order is the published one, the size another",
    "contradicted": "seen otherwise here",
    "inconclusive": "looked for here, and not told by the runs that there are",
    "not attempted": "and why",
}
HEAD = """\
<!-- Written by `make ledger` from ledger.csv; edit that. -->

# The ledger

Every number and statement of the papers that this project follows, and of the field's best-known threads, beside what
was measured here. A status is one of:

{statuses}

Published numbers are of ImageNet and of accelerators unless they say otherwise, accuracies measured here of small
images and networks: a statement can be seen in both, an accuracy cannot. Intervals are 95 % unless the setting says
otherwise; n is the number of seeds.
"""


def page(ledger: pd.DataFrame) -> str:
    """The page, in Markdown."""
    counts = ledger["status"].value_counts()
    told = "\n".join(f"- **{status}** ({counts.get(status, 0)}): {meaning}" for status, meaning in STATUSES.items())
    parts = [HEAD.format(statuses=told)]
    for topic, rows in ledger.groupby("topic", sort=False):
        parts.append(f"## {str(topic)[0].upper()}{str(topic)[1:]}\n")
        lines = ["| published | value | source | here | status |", "| --- | --: | --- | --- | --- |"]
        lines += [
            f"| {row['what']} | {_joined(row['published'], row['unit'])} | {row['source']}, {row['place']} "
            f"| {_here(row)} | {row['status']} |"
            for row in rows.to_dict("records")
        ]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _joined(value: str, unit: str) -> str:
    return f"{value} {unit}".strip() if unit != "ratio" else value


def _here(row: Mapping[Hashable, str]) -> str:
    measured = _joined(row["measured"], row["unit"]) if row["measured"] else ""
    if row["low"]:
        measured += f" [{row['low']}, {row['high']}]"
    n = f"n = {row['n']}" if row["n"] else ""
    where = f"[{row['setting']}]({_link(row['report'])})" if row["report"] else row["setting"]
    return "; ".join(part for part in (measured, where, n, row["why"]) if part)


def _link(report: str) -> str:
    if report.startswith("docs/"):
        return f"../{report}"
    return report if report.endswith(".csv") else f"{report}/report.md"


def read() -> pd.DataFrame:
    """The ledger, every cell a text."""
    return pd.read_csv(REPORTS / "ledger.csv", dtype=str, keep_default_na=False)


def main() -> None:
    """Write the page."""
    (REPORTS / "ledger.md").write_text(page(read()), encoding="utf-8")


if __name__ == "__main__":
    main()
