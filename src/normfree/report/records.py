"""What is stored beside a report's tables, so that its figures can be drawn where its runs are no more."""

from __future__ import annotations

from normfree.report.facts import repeats
from normfree.runs.clip_record import ClipRecord, read_clip_record
from normfree.study import Study
from normfree.study.stored import (
    ABOUT,
    CLIPS,
    CURVES,
    about,
    clip_file,
    curves_file,
    stored_clip_records,
)


def stored_files(study: Study) -> dict[str, bytes]:
    """By name; what the figures have read, once they are drawn."""
    collection = study.collection
    files = {ABOUT: about(collection, repeats(collection))}
    files |= {name: text.encode() for name, text in collection.files.items()}
    if curves := study.curves_read():
        files[CURVES] = curves_file(curves)
    if records := study.clips_read:
        files[CLIPS] = clip_file(records)
    return files


def clip_record(study: Study, run_id: str) -> ClipRecord | None:
    """What a run recorded of its clipping; None where it did not.

    Raises:
        ValueError: it is damaged.
    """
    collection = study.collection
    if collection.is_stored:
        if "clips" not in study.remembered:
            study.remembered["clips"] = stored_clip_records(collection.directory)
        text = study.remembered["clips"].get(run_id)
    else:
        path = collection.directory / run_id / "clip.csv"
        text = path.read_text(encoding="utf-8") if path.is_file() else None
    if text is None:
        return None
    record = read_clip_record(text)
    study.clips_read[run_id] = text
    return record
