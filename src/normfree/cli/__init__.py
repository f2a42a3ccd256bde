"""What the scripts at the root call: from a composed configuration to an exit code."""

from normfree.cli.command import command, told_in_one_line

__all__ = ["command", "told_in_one_line"]
