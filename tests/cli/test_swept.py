"""How a sweep ended is its command's exit code."""

import pytest

from normfree.cli.swept import conclude, ended
from normfree.host.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK
from normfree.sweep.account import SweepEnd


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (SweepEnd(), EXIT_OK),
        (SweepEnd(complete=False), EXIT_FAILED),
        (SweepEnd(complete=False, interrupted=True), EXIT_INTERRUPTED),
        (SweepEnd(complete=True, interrupted=True), EXIT_INTERRUPTED),
    ],
)
def test_the_exit_code(end: SweepEnd, code: int) -> None:
    conclude(end)
    assert ended() == code
    assert ended() == EXIT_OK, "said once"
