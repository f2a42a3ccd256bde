"""From run directories to a report directory: the same bytes for the same runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from normfree.config.errors import UserError
from normfree.host.files import remove_unfinished, where_to_write
from normfree.report.layout import draw_all, paper_files
from normfree.report.page import pages
from normfree.report.records import stored_files
from normfree.report.tables import arms_table, csv, failures_table, runs_table, series_table
from normfree.study import Study, Verdict

FIGURES = "figures"
_FORMATS = (".png", ".pdf", ".svg")
_LEFT_SECONDS = 3600
_BEFORE, _TOLD = 60, 160
"""Letters of a line that differs: before where it does, and in all."""


def render(study: Study, verdicts: Sequence[Verdict], size: str = "") -> dict[str, bytes]:
    """All files of the report by their path within it; with a `size` (column, page) also figures for a paper."""
    failures = failures_table(study)
    drawings = draw_all(study)
    files = {
        "runs.csv": csv(runs_table(study)),
        "arms.csv": csv(arms_table(study)),
        "series.csv": csv(series_table(study)),
        "failures.csv": csv(failures),
        **pages(study, verdicts, drawings, failures),
    }
    files |= stored_files(study)
    files |= paper_files(study, size) if size else {}
    for drawing in drawings:
        files |= {f"{FIGURES}/{drawing.name}.{kind}": content for kind, content in drawing.files.items()}
    return files


def write(files: Mapping[str, bytes], directory: Path) -> None:
    """Write every file beside its target and rename it over it, so that a reader never sees half of one.

    Figures of an earlier drawing that are not among them are removed, and what a writer that was killed an hour ago
    has left.

    Raises:
        UserError: where the directory cannot be written.
    """
    for name, content in files.items():
        path = directory / name
        if ".." in path.relative_to(directory).parts:
            raise UserError(f"{name}: leads out of {directory}; give the figure a plain name")
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(content)
            temporary.replace(path)
        except OSError as error:
            raise UserError(
                f"reports_dir={directory.parent}: cannot write {path.name} ({error.strerror}); "
                f"{where_to_write(error, 'reports_dir')}"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
    _remove_old_figures(directory / FIGURES, {Path(name).stem for name in files if name.startswith(f"{FIGURES}/")})
    for folder in {(directory / name).parent for name in files}:
        remove_unfinished(folder, _LEFT_SECONDS)


def _remove_old_figures(folder: Path, drawn: set[str]) -> None:
    """A figure in all formats of a report that was not drawn now is an earlier one's; other files are the user's."""
    for picture in folder.glob("*.png"):
        formats = [picture.with_suffix(suffix) for suffix in _FORMATS]
        if picture.stem not in drawn and all(path.is_file() for path in formats):
            for path in formats:
                path.unlink(missing_ok=True)


def differences(files: Mapping[str, bytes], directory: Path) -> list[str]:
    """Names of the tables and the text that are absent from a stored report or differ from it.

    Figures are left out: their bytes change with the version of matplotlib.
    """
    compared = [name for name in sorted(files) if name.endswith((".csv", ".md"))]
    return [
        name for name in compared if not (directory / name).is_file() or (directory / name).read_bytes() != files[name]
    ]


def _first_difference(one: str, other: str) -> int:
    shorter = min(len(one), len(other))
    return next((n for n in range(shorter) if one[n] != other[n]), shorter)


def _part(line: str, first: int) -> str:
    """What is told of a line: from before where it differs."""
    return ("..." if first else "") + line[first : first + _TOLD]


def first_lines(files: Mapping[str, bytes], directory: Path, names: Iterable[str]) -> list[str]:
    """Of each file that differs the first line that does, as it is stored and as it would be."""
    told = []
    for name in names:
        stored = (directory / name).read_text(encoding="utf-8").splitlines() if (directory / name).is_file() else []
        made = files[name].decode().splitlines()
        number = next((n for n, (one, other) in enumerate(zip(stored, made, strict=False)) if one != other), None)
        place = min(len(stored), len(made)) if number is None else number
        lines = [each[place] if place < len(each) else "" for each in (stored, made)]
        first = max(_first_difference(*lines) - _BEFORE, 0) if all(lines) else 0
        was, is_ = (
            repr(_part(line, first)) if place < len(each) else "nothing"
            for line, each in zip(lines, (stored, made), strict=True)
        )
        told.append(f"  {name}, line {place + 1}: {was} is stored, {is_} is made")
    return told
