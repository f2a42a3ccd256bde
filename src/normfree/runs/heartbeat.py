"""Signs of progress that a process gives to whoever watches over it, through memory that both see.

Only work that is done counts: a micro batch, a batch of an evaluation, images decoded. A process of which one thread
still runs while another waits for ever gives none.
"""

import mmap
import struct
import tempfile

_COUNTS = struct.Struct("<QQ")


class Heartbeats:
    """Counts of several processes, as the one that watches them sees them."""

    def __init__(self, count: int) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._file.truncate(_COUNTS.size * count)
        self._memory = mmap.mmap(self._file.fileno(), _COUNTS.size * count)
        self._size = count

    @property
    def descriptor(self) -> int:
        """For the processes to inherit."""
        return self._file.fileno()

    def counts(self) -> list[tuple[int, int]]:
        """Signs of progress of each process so far, and those of them that all of the processes give alike."""
        return [_COUNTS.unpack_from(self._memory, _COUNTS.size * number) for number in range(self._size)]

    def close(self) -> None:
        self._memory.close()
        self._file.close()


_place: tuple[mmap.mmap, int] | None = None


def watched(descriptor: int, number: int) -> None:
    """From now on this process gives its signs of progress as number ``number`` of those behind ``descriptor``."""
    global _place
    _place = mmap.mmap(descriptor, 0), _COUNTS.size * number
    beat()


def beat(alike: bool = False) -> None:
    """This process has got on with its work; costs nothing to speak of, and nothing at all where nobody watches.

    Args:
        alike: all processes that work together give this sign, equally often.
    """
    if _place is not None:
        memory, at = _place
        all_signs, alike_signs = _COUNTS.unpack_from(memory, at)
        _COUNTS.pack_into(memory, at, all_signs + 1, alike_signs + alike)
