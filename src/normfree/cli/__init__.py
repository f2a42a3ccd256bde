"""What the scripts at the root call: from a composed configuration to an exit code."""

from normfree.cli.command import (
    EXIT_BAD_INPUT,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_OK,
    command,
    told_in_one_line,
)

__all__ = ["EXIT_BAD_INPUT", "EXIT_FAILED", "EXIT_INTERRUPTED", "EXIT_OK", "command", "told_in_one_line"]
