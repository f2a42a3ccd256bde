"""The page of an evaluation: one file that needs no network and no other."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jinja2
from markupsafe import Markup

from normfree.evaluate.findings import Findings, Table


@dataclass(frozen=True)
class Section:
    """What one evaluator tells of one network."""

    name: str
    title: str
    findings: Findings


def page(
    title: str, subtitle: str, summary: Table, sections: Sequence[Section], facts: Mapping[str, str], command: str
) -> bytes:
    """index.html, in the style of reports.

    Args:
        facts: name -> text, of how it was made.
    """
    own, reports = jinja2.PackageLoader("normfree.evaluate"), jinja2.PackageLoader("normfree.report")
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([own, reports]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["base64"] = lambda content: base64.b64encode(content).decode()
    css = Markup(reports.get_source(environment, "report.css")[0])
    content = {
        "title": title, "subtitle": subtitle, "summary": summary, "sections": sections, "facts": facts,
        "command": command, "css": css,
    }  # fmt: skip
    return environment.get_template("evaluation.html.j2").render(content).lstrip().encode()
