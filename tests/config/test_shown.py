"""What takes long before a run begins says how far it is."""

import sys
from collections.abc import Iterator

import pytest
import torch

from normfree.config.sources.own_items import LOOKED_AT, OwnItems
from normfree.config.sources.shown import LINE_SECONDS, shown


def ticking(seconds: float) -> Iterator[float]:
    now = 0.0
    while True:
        yield now
        now += seconds


def test_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = ticking(LINE_SECONDS / 2)
    assert list(shown(range(1200, 1206), "reading", lambda: next(clock))) == list(range(1200, 1206))
    assert capsys.readouterr().err == "reading: 1 of 6\nreading: 3 of 6\nreading: 5 of 6\n"


def test_what_is_done_soon_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(shown(range(3), "reading")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


class Plain:
    """Does not say its labels."""

    def __len__(self) -> int:
        return LOOKED_AT + 1

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.full((1, 4, 4), index, dtype=torch.uint8), index % 2


def test_labels_of_a_users_own_set_are_read_with_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    items = OwnItems(Plain(), "my_data.Plain(train)")
    assert items.labels == [index % 2 for index in range(LOOKED_AT + 1)]
    assert "reading images and labels of my_data.Plain(train)" in capsys.readouterr().err
