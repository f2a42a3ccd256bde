"""The line of progress keeps its width whatever the loss does."""

from io import StringIO

import pytest

from normfree.runs.run_line import RunLine


@pytest.mark.parametrize(
    ("loss", "told"), [(2.3026, "loss 2.303 "), (7.814e21, "loss 7.814e+21 "), (float("nan"), "nan")]
)
def test_a_loss_that_grows_has_an_exponent(loss: float, told: str) -> None:
    said = StringIO()
    row = {"step": 5, "epoch": 0.5, "train/loss": loss, "train/accuracy": 0.1, "lr": 0.1, "images_per_second": 100.0}
    RunLine(10, said).show(row)
    assert told in said.getvalue()
    assert "left" not in said.getvalue(), "nothing is known in the first row"
