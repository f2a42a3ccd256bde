import pytest

from normfree.report.log_axis import log_axis, power
from normfree.report.style import new_figure, paper_style


def test_powers() -> None:
    assert [power(exponent) for exponent in (-12, -1, 0, 8)] == ["10⁻¹²", "10⁻¹", "1", "10⁸"]


@pytest.mark.parametrize(
    ("low", "high", "some"),
    [(1.0, 1e9, {"10⁴", "10⁸"}), (0.4, 2.5, {"0.5", "1", "2"}), (1e-20, 1e-2, {"10⁻⁸"}), (20, 90, {"20", "50"})],
)
def test_labels_are_plain_text_and_there_are_enough(low: float, high: float, some: set[str]) -> None:
    with paper_style():
        figure = new_figure(3.4, 2.5)
        axes = figure.add_subplot()
        axes.plot([0, 1], [low, high])
        log_axis(axes)
        figure.draw_without_rendering()
        texts = {tick.get_text() for tick in axes.get_yticklabels()}
    assert some <= texts
    assert not any("$" in text for text in texts)
