"""Gradients in 16 bits are refused where none are sent or none should be, and are part of a run's name."""

import pytest
from tests.conftest import resolved

from normfree.config import UserError
from normfree.runs import run_id
from normfree.runs.factors import factors_of

BF16 = "trainer.gradient_dtype=bf16"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((BF16,), f"{BF16}: one device sends no gradients; leave it out, or use trainer=ddp for several"),
        (
            (BF16, "trainer=ddp", "precision=64-true"),
            f"{BF16} and precision=64-true: gradients of 64 bits in 16; leave one of them out",
        ),
        (("trainer=ddp", "trainer.gradient_dtype=fp8"), "trainer.gradient_dtype=fp8: choose one of bf16"),
    ],
)
def test_where_it_is_none_it_is_refused(words: tuple[str, ...], line: str) -> None:
    with pytest.raises(UserError) as told:
        resolved(*words)
    assert str(told.value) == line


def test_it_is_another_run_on_however_many_devices() -> None:
    two, four = (resolved("batch=64", "trainer=ddp", f"trainer.devices={count}", BF16) for count in (2, 4))
    assert run_id(two) == run_id(four) != run_id(resolved("batch=64"))
    assert factors_of(two)["trainer.gradient_dtype"] == "bf16"
