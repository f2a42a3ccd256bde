"""Write reports/README.md, the index of the committed reports, from the reports themselves."""

import re
import subprocess
from pathlib import Path

import pandas as pd

from normfree.config.experiment_sizes import file_of, in_size, node_of

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "reports"
HEAD = """\
<!-- Written by `make index` from the reports; edit experiments/ instead. -->

# What was found

Each study is an experiment of this repository: its claims were committed before its runs, every planned run is in its
table, failed ones too, and `normfree report experiment=NAME check=true` makes its report again from committed rows.
All are of small networks and small images, on processors unless the name ends in -gpu (the page of each says which),
and none is an accuracy to compare with ImageNet. Published numbers stand beside what was measured here in
[the ledger](ledger.md), speed in [benchmarks](benchmarks/README.md).

| study | question and answer | n, runs, date |
| --- | --- | --- |
"""


def studies() -> list[Path]:
    """Folders of committed reports of experiments, the headline studies first, then by name."""
    return sorted(path.parent for path in REPORTS.glob("*/report.md"))


def row(folder: Path) -> str:
    """A line of the table."""
    name = folder.name
    found = file_of(name, [ROOT / "experiments"])
    assert found is not None, f"experiments/ has no {name}"
    path, own, size = found
    spec = in_size(node_of(path, own), own, size)
    text = (folder / "report.md").read_text(encoding="utf-8")
    answers = re.findall(r"^\d\. (.*)$", text.partition("## ")[0], re.MULTILINE)
    verdicts = re.findall(r"^\| \*\*(supported|refuted)\*\* \| (.*?) \|", text, re.MULTILINE)
    runs = pd.read_csv(folder / "runs.csv", usecols=["seed", "status"])
    won = [answer for answer in answers[:1] if answer.startswith("The most accurate") or not verdicts]
    told = [*won, *(f"{claim} *({verdict})*" for verdict, claim in verdicts)]
    seeds = pd.read_csv(folder / "arms.csv")["planned"]
    n = f"n = {seeds.min()}" if seeds.min() == seeds.max() else f"n = {seeds.min()} to {seeds.max()}"
    cells = (
        f"[{name}]({name}/report.md)<br>[<img src='{name}/figures/main.png' width='260'>]({name}/report.md)",
        f"**{spec['question'].strip()}**<br>{'<br>'.join(told)}<br>{answers[-1] if len(answers) > 2 else ''}",
        f"{n}; {len(runs)} runs; {date(folder)}",
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def date(folder: Path) -> str:
    """The day of the newest commit that a run of the report was made with; empty where its history is not here."""
    commits = set(pd.read_csv(folder / "runs.csv", usecols=["provenance.commit"])["provenance.commit"].dropna())
    days = [
        subprocess.run(
            ["git", "show", "-s", "--format=%cs", commit], cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout.strip()
        for commit in sorted(commits)
    ]
    return max(days, default="")


def looks() -> list[str]:
    """A line for each committed page of a probe, with the command that makes it."""
    lines = []
    for page in sorted(REPORTS.glob("probes/*/*.md")):
        title, command = (line.strip() for line in page.read_text(encoding="utf-8").splitlines()[0:3:2])
        lines.append(f"- [{title.lstrip('# ')}]({page.relative_to(REPORTS)}): `{command}`")
    return lines


def index() -> str:
    """The whole page in Markdown."""
    parts = [HEAD + "\n".join(row(folder) for folder in studies()), "## Probes", "\n".join(looks())]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Write the index."""
    (REPORTS / "README.md").write_text(index(), encoding="utf-8")


if __name__ == "__main__":
    main()
