"""A result is of the images that it was made with: one that is found beside others is not handed out for theirs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from normfree.config import Resolved, UserError
from normfree.config.sources import named, read_of


def refuse_other_data(result: Mapping[str, Any], resolved: Resolved) -> str:
    """Compare what a result says it was made with and what lies there now.

    Results that do not say it, and images that are not here any more, are left alone.

    Returns:
        A line where the result was made from another place, else nothing.

    Raises:
        UserError: they are not the same.
    """
    was, data = result["data"], resolved.config.data
    if not was.get("digest"):
        return ""
    moved = "" if _same_place(was.get("root"), data.root) else f"result of data.root={was.get('root')}"
    try:
        found = read_of(data)
    except UserError:
        return moved and f"{moved}; data.root={data.root} has nothing to compare with it"
    if not found.digest:
        return moved
    if found.digest == was["digest"]:
        return moved and f"{moved}; data.root={data.root} holds the same images"
    before = f"{len(was.get('class_names', []))} classes and {was.get('files', 0):,} files in {was.get('root')}"
    now = f"{len(found.classes)} classes and {found.files:,} files in {data.root or data.train_file}"
    name = "data.label=..., " if named(data.name).any_set else ""
    raise UserError(
        f"data.root={data.root}: run {result['run_id']} has a result of other images: digest {was['digest']} "
        f"({before}), now {found.digest} ({now}); give {name}another experiment.name=..., or move the run away"
    )


def _same_place(one: str | None, other: str | None) -> bool:
    """Whether two spellings mean one folder: with a slash at the end, relative, or through a link."""
    return one == other or (
        None not in (one, other) and Path(str(one)).expanduser().resolve() == Path(str(other)).expanduser().resolve()
    )
