"""Sizes in bytes as people read them."""

import pytest

from normfree.host.sizes import size_text


@pytest.mark.parametrize(
    ("size", "decimal", "binary"),
    [
        (0, "0 bytes", "0 bytes"),
        (999, "999 bytes", "999 bytes"),
        (1000, "1.0 kB", "1,000 bytes"),
        (1024, "1.0 kB", "1.0 KiB"),
        (12_500_000, "12 MB", "12 MiB"),
        (1_400_000_000, "1.4 GB", "1.3 GiB"),
        (11.1 * 2**30, "12 GB", "11 GiB"),
        (5 * 10**15, "5,000 TB", "4,547 TiB"),
    ],
)
def test_sizes(size: float, decimal: str, binary: str) -> None:
    assert size_text(size) == decimal
    assert size_text(size, binary=True) == binary
