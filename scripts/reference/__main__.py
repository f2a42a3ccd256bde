"""Write docs/reference/ from the code: ``python scripts/reference``."""

from pathlib import Path

import commands_page
import files_page
import keys_page
import outcomes_page
import python_page

ROOT = Path(__file__).parents[2]
PAGES = {
    "keys": keys_page.page,
    "outcomes": outcomes_page.page,
    "files": files_page.page,
    "commands": commands_page.page,
    "python": python_page.page,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (ROOT / "docs" / "reference" / f"{name}.md").write_text(page(), encoding="utf-8")
