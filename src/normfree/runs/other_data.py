"""A result is of the images that it was made with: one that is found beside others is not handed out for theirs."""

from collections.abc import Mapping
from typing import Any

from normfree.config import Resolved, UserError
from normfree.config.sources import named, read_of


def refuse_other_data(result: Mapping[str, Any], resolved: Resolved) -> None:
    """Compare what a result says it was made with and what lies there now.

    Results that do not say it, and images that are not here any more, are left alone.

    Raises:
        UserError: they are not the same.
    """
    was, data = result["data"], resolved.config.data
    if not was.get("digest"):
        return
    try:
        found = read_of(data)
    except UserError:
        return
    if not found.digest or found.digest == was["digest"]:
        return
    before = f"{len(was.get('class_names', []))} classes and {was.get('files', 0):,} files in {was.get('root')}"
    now = f"{len(found.classes)} classes and {found.files:,} files in {data.root or data.train_file}"
    name = "data.label=..., " if named(data.name).any_set else ""
    raise UserError(
        f"data.root={data.root}: run {result['run_id']} has a result of other images: digest {was['digest']} "
        f"({before}), now {found.digest} ({now}); give {name}another experiment.name=..., or move the run away"
    )
