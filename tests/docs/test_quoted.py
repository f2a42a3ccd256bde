"""What the pages quote of a report stands in that report, as it is committed."""

from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.docs.quoted import unquoted

PAGES = (
    "README.md", "docs/faq.md", "docs/method.md", "docs/comparison.md", "docs/benchmarks.md",
    *(f"docs/guide/{page.name}" for page in sorted((ROOT / "docs/guide").glob("*.md"))),
)  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_every_number_stands_in_what_is_linked_beside_it(page: str) -> None:
    missing = {paragraph: numbers for paragraph, numbers in unquoted(ROOT / page) if numbers}
    told = "\n\n".join(f"{', '.join(numbers)}: in no linked report\n{text}" for text, numbers in missing.items())
    assert not missing, f"{page}:\n{told}"


def test_a_number_that_has_changed_is_found(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "report.md").write_text("| AGC | 82.74 | 1,024 |", encoding="utf-8")
    page = tmp_path / "page.md"
    text = "AGC at batch 1,024 `and 77.7` has {} % ([report](reports/report.md#x)).\n\nAlone 55.5 is no quotation."
    for number, missing in (("82.7", []), ("82.74", []), ("82.8", ["82.8"]), ("82", ["82"])):
        page.write_text(text.format(number), encoding="utf-8")
        assert [numbers for _, numbers in unquoted(page)] == [missing], number
    page.write_text(f"<!-- of no report: 82.8 -->\n{text.format('82.8')}", encoding="utf-8")
    assert [numbers for _, numbers in unquoted(page)] == [[]]


def test_pages_quote_reports() -> None:
    assert sum(len(list(unquoted(ROOT / page))) for page in PAGES) > 25
