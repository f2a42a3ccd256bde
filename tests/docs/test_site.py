"""What makes the site of the documentation: places, links, the gallery, and that nothing is fetched from elsewhere."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ROOT

SCRIPTS = ROOT / "scripts" / "docs_site"


@pytest.fixture(scope="module", autouse=True)
def scripts() -> Iterator[None]:
    sys.path.insert(0, str(SCRIPTS))
    yield
    sys.path.remove(str(SCRIPTS))


def module(name: str) -> Any:
    return import_module(name)


@pytest.mark.parametrize(
    ("link", "becomes"),
    [
        ("[a](models.md#b)", "[a](../models.md#b)"),
        ("[a](../README.md)", "[a](../index.md)"),
        ("[a](../reports/README.md)", "[a](../studies.md)"),
        ("[a](../reports/depth/report.md#rules)", "[a](../reports/depth/report.md#rules)"),
        ("![a](../reports/depth/figures/main.png)", "![a](../reports/depth/figures/main.png)"),
        ("[`conf`](../conf) and [b](#c)", "`conf` and [b](#c)"),
        ("[the code](../src/normfree/runs/plan.py)", "[the code](../source/src/normfree/runs/plan.py.md)"),
        ("[![x](models.md)](../README.md)", "[![x](../models.md)](../index.md)"),
        ("`[a](nowhere.md)` and [a](https://example.org)", "`[a](nowhere.md)` and [a](https://example.org)"),
        ("```text\n[a](nowhere.md)\n```", "```text\n[a](nowhere.md)\n```"),
        ("[`a` b](models.md)", "[`a` b](../models.md)"),
    ],
)
def test_a_link_leads_to_its_place(link: str, becomes: str) -> None:
    assert module("links").placed(link, "docs/page.md", "guide/page.md") == becomes


def test_a_link_to_nothing_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"docs/page.md: a link to docs/nowhere.md, which is not there"):
        module("links").placed("[a](nowhere.md)", "docs/page.md", "page.md")


def test_every_page_has_a_place_of_its_own() -> None:
    places = module("places")
    found = [places.place_of(path) for path in places.pages()]
    assert None not in found
    assert len(set(found)) == len(found)


def test_guides_come_into_the_navigation_by_themselves() -> None:
    texts = {
        "index.md": "# a",
        "guide/20-b.md": "# `B` and\n",
        "guide/30-c.md": "<!-- section: After training -->\n# C\n",
    }
    found = module("navigation").navigation(texts)
    assert found == [
        {"First hour": [{"normfree": "index.md"}]},
        {"Guides": [{"B and": "guide/20-b.md"}]},
        {"After training": [{"C": "guide/30-c.md"}]},
    ]
    with pytest.raises(LookupError, match=r"docs/guide/x.md: section: Nowhere: there are First hour"):
        module("navigation").navigation({"guide/x.md": "<!-- section: Nowhere -->"})


def test_the_gallery_counts_what_a_report_says() -> None:
    folder = ROOT / "reports" / "quickstart"
    study = module("studies").read(folder)
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert f"Of {sum(study.verdicts.values())} claims {study.verdicts['supported']} are supported" in text
    assert f"{study.runs - study.trained} of {study.runs} runs did not train" in text
    page = module("studies").page()
    assert all(f"]({path.parent.name}/report.md)" in page for path in (ROOT / "reports").glob("*/report.md"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", "<script async src='https://example.org/x.js'></script>"),
        ("a.html", '<link href="//example.org/a.css" rel="stylesheet">'),
        ("a.css", "@import url(https://example.org/font.css);"),
    ],
)
def test_what_would_be_fetched_from_elsewhere_is_found(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "good.html").write_text('<a href="https://example.org">x</a><script src="a.js"></script>')
    assert list(module("checks").fetched(tmp_path)) == []
    (tmp_path / name).write_text(text)
    (found,) = module("checks").fetched(tmp_path)
    assert found.startswith(f"{name}: ")
