"""Sizes in bytes, as people read them."""

_DECIMAL = ("bytes", "kB", "MB", "GB", "TB")
_BINARY = ("bytes", "KiB", "MiB", "GiB", "TiB")


def size_text(size: float, binary: bool = False) -> str:
    """``1.4 GB`` as disks are sold, or ``1.3 GiB`` as memory is: two digits at least, whole units from 10 on."""
    step, units = (1024, _BINARY) if binary else (1000, _DECIMAL)
    value, unit = float(size), units[0]
    for larger in units[1:]:
        if value < step:
            break
        value, unit = value / step, larger
    return f"{value:,.0f} {unit}" if unit == units[0] or value >= 10 else f"{value:.1f} {unit}"
