"""What the comments of a page say of its blocks, and what is made of its commands."""

from pathlib import Path

import pytest
from tests.docs.blocks import BadPage, blocks, commands
from tests.docs.reader import Reader
from tests.docs.shortened import added, with_words

PAGE = """# A page

<!-- run with: steps=2 'a=b c' -->
<!-- shows: one -->
<!-- shows: two -->
```bash
normfree train \\
    batch=4  # as small
```

<!-- not run: needs a GPU -->

```python
print(1)
```

`mine/nets.py`

```python
value = 3
```

1. In a list:

   ```bash
   ls
   ```

```yaml
a: 1
```
"""


def test_comments_say_how_a_block_is_run() -> None:
    first, second, third, fourth = blocks(PAGE)
    assert (first.words, first.shows, first.is_run, first.line) == (["steps=2", "a=b c"], ["one", "two"], True, 6)
    assert list(commands(first.text)) == [["normfree", "train", "batch=4"]]
    assert (second.reason, second.is_run) == ("needs a GPU", False)
    assert (third.file, third.is_run) == ("mine/nets.py", False)
    assert fourth.text == "ls\n"


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("<!-- not run: -->\n```bash\nls\n```\n", "gives no reason"),
        ("<!-- run with: a=1 -->\n\nText.\n\n```bash\nls\n```\n", "before no block"),
        ("<!-- run with: a=1 -->\n```yaml\na: 1\n```\n", "not run: leave"),
        ("```sh\nls\n```\n", "write bash or python"),
    ],
)
def test_a_comment_that_is_not_understood_is_an_error(page: str, says: str) -> None:
    with pytest.raises(BadPage, match=says):
        blocks(page)


def test_what_a_shell_would_have_to_do_is_refused() -> None:
    with pytest.raises(BadPage, match="not run here"):
        list(commands("cat a | head\n"))


def test_a_page_is_done_in_order_and_its_text_is_held_to_what_it_shows(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    place = tmp_path / "place"
    place.mkdir()
    text = "`a/b.txt`\n\n```text\nhello\n```\n\n<!-- shows: hello -->\n```bash\ncd a\ncat b.txt\n```\n"
    page.write_text(text, encoding="utf-8")
    with Reader(page, place) as reader:
        reader.reads()
    page.write_text(text.replace("shows: hello", "shows: goodbye"), encoding="utf-8")
    with Reader(page, place) as reader, pytest.raises(AssertionError, match=r"page.md:8: not shown: goodbye"):
        reader.reads()
    page.write_text(text.replace("shows: hello", "fails: no such"), encoding="utf-8")
    with Reader(page, place) as reader, pytest.raises(AssertionError, match=r"page.md:8: .*exit code 0"):
        reader.reads()


@pytest.mark.cli
def test_python_blocks_share_their_names_and_an_error_has_its_traceback(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    text = "```python\nx = 1\n```\n\n<!-- shows: 2 -->\n```python\nprint(x + 1)\n```\n\n"
    text += "<!-- fails: ZeroDivisionError -->\n```python\nx / 0\n```\n"
    page.write_text(text, encoding="utf-8")
    with Reader(page, tmp_path) as reader:
        reader.reads()


def test_what_is_added_leaves_the_values_of_a_sweep() -> None:
    assert "batch=50" not in added("train", ["-m", "batch=16,64"])
    assert added("train", ["plan=true"]) == added("train", ["--help"]) == []
    assert added("train", ["-m", "experiment=quickstart"]) == ["plan=true"]
    assert with_words(["a=1", "b=2"], ["a=3", "c=4"]) == ["b=2", "a=3", "c=4"]
