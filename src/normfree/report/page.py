"""The report as markdown and as one self-contained page, which needs no network and no other file."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from normfree.host.spoken import installed
from normfree.report import facts, searched
from normfree.report.escaping import code_block, markdown_cell, markdown_text
from normfree.report.layout import Drawing
from normfree.report.provenance import changed_runs, provenance_grid
from normfree.report.runs_by_arm import runs_by_arm
from normfree.runs.outcomes import STALLED
from normfree.study import DEFINITIONS, Study, Verdict, count
from normfree.study.summary import summary


def pages(
    study: Study,
    verdicts: Sequence[Verdict],
    drawings: Sequence[Drawing],
    failures: pd.DataFrame,
) -> dict[str, bytes]:
    """`report.md` and `report.html`, with the main figure and those panels that are not in it.

    Narrow screens show the panels of the main figure one by one.
    """
    experiment, collection = study.experiment, study.collection
    chosen = [one for one in drawings if one.name not in experiment.figure or len(experiment.figure) < 2]
    content: dict[str, Any] = {
        "experiment": experiment,
        "summary": summary(study, verdicts),
        "verdicts": verdicts,
        "of_arms": runs_by_arm(study),
        "counts": count(collection.table),
        "level": f"{100 * experiment.level:g} %",
        "definitions": DEFINITIONS,
        "stalled": STALLED,
        "series": facts.series_grid(study),
        "arms": facts.arms_grid(study),
        "trials": searched.outcomes_grid(study),
        "members": searched.members_grid(study),
        "failures": facts.failures_grid(failures),
        "problems": facts.problems_grid(study),
        "networks": facts.networks_grid(study),
        "cost": facts.cost_grid(study),
        "total_time": facts.total_time(collection),
        "provenance": provenance_grid(collection),
        "changed": changed_runs(study.table).to_dict("records"),
        "curves": study.curves_read() != {},
        "anchor_of": facts.anchor_of_id,
        "planned_by": collection.planned_by,
        "limits": facts.limits(study),
    }
    environment = _environment()
    assert environment.loader is not None
    css = Markup(environment.loader.get_source(environment, "report.css")[0])
    panels = [_image(one) for name in experiment.figure for one in drawings if one.name == name]
    images = [{**_image(one), "parts": panels if one.name == "main" else []} for one in chosen]
    markdown = environment.get_template("report.md.j2").render(content, drawings=chosen)
    html = environment.get_template("report.html.j2").render(content, drawings=images, css=css)
    return {"report.md": installed(markdown).encode(), "report.html": installed(html.lstrip()).encode()}


@cache
def _environment() -> jinja2.Environment:
    """With the templates, which are compiled once in a process."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("normfree.report"),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"md": markdown_text, "in_table": markdown_cell, "code": code_block}
    return environment


def _image(drawing: Drawing) -> dict[str, str]:
    """The drawing as a picture within the page."""
    image = base64.b64encode(drawing.files["svg"]).decode()
    return {"name": drawing.name, "title": drawing.title, "caption": drawing.caption, "image": image}
