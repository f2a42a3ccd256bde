"""``export.py``: from its keys to a file."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from normfree.config import UserError
from normfree.evaluate.folder import require_writable
from normfree.evaluate.images import Images, Wanted
from normfree.evaluate.keys import EvaluateKeys
from normfree.evaluate.subjects import images_of, subjects
from normfree.export.checking import Checked, check
from normfree.export.formats import formats
from normfree.export.keys import ExportKeys
from normfree.export.subject import Subject
from normfree.host.exit_codes import EXIT_OK
from normfree.host.files import flush, where_to_write


def export(keys: ExportKeys) -> int:
    """Write, read back, compare, give it its name and print what it is; returns the exit code.

    Raises:
        UserError: for whatever is wrong with keys, weights or images, or where the file computes something else.
    """
    form = formats()[keys.format]
    form.require()
    asked = EvaluateKeys(
        run=keys.run, weights=keys.weights, checkpoint=keys.checkpoint, kind=keys.kind, size=keys.size,
        classes=keys.classes, data_words=keys.data_words, model_words=keys.model_words,
    )  # fmt: skip
    (original,) = subjects(asked).values()
    wanted = images_of(asked, original)
    out = Path(keys.out or Path("exports") / f"{original.title}{form.SUFFIX}")
    _refuse(out, form.SUFFIX)
    inputs = _real(wanted, keys.images)
    subject = Subject(original.folded() if keys.fold and form.FOLDED else original, wanted.preprocessing)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        draft = Path(folder) / out.name
        with warnings.catch_warnings():
            # torch's own word to itself.
            warnings.filterwarnings("ignore", ".isinstance.treespec, LeafSpec.", FutureWarning)
            try:
                form.write(subject, draft)
            except OSError as error:
                raise _unwritten(error, out) from error
            checked = check(form.read(draft), original, inputs, out)
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        _name(Path(folder), draft, out)
    _print(subject, checked, out, size)
    return EXIT_OK


def _refuse(out: Path, suffix: str) -> None:
    if out.is_dir():
        raise UserError(f"out={out}: is a folder; give a file, such as out={out / f'network{suffix}'}")
    if out.suffix != suffix:
        raise UserError(f"out={out}: a file of this format ends in {suffix}; write out={out.with_suffix(suffix)}")
    require_writable(out.parent, out)


def _real(wanted: Wanted, count: int) -> Tensor:
    """The first test images, normalised."""
    split = "test" if wanted.data.test_samples else "validation"
    found: list[Tensor] = []
    for _, inputs, _, _ in Images(replace(wanted), split).batches(min(count, 250)):
        found.append(inputs.float())
        if sum(map(len, found)) >= count:
            break
    return torch.cat(found)[:count]


def _name(folder: Path, draft: Path, out: Path) -> None:
    """The file itself last, so that it is never there without what belongs to it."""
    try:
        for path in sorted(folder.iterdir(), key=lambda path: path == draft):
            flush(path)
            path.replace(out.with_name(path.name))
    except OSError as error:
        raise _unwritten(error, out) from error


def _unwritten(error: OSError, out: Path) -> UserError:
    return UserError(f"out={out}: cannot be written ({error.strerror or error}); {where_to_write(error, 'out')}")


def _print(subject: Subject, checked: Checked, out: Path, size: int) -> None:
    console = Console(highlight=False)
    about, through = subject.trained.about, subject.preprocessing
    folded = "folded" if about["folded"] else "not folded"
    shape = f"{through.channels} x {through.size} x {through.size}"
    console.print(
        f"{subject.trained.model}, {about['weights']} weights, {folded}; any number of images of {shape}; "
        f"{len(subject.trained.classes)} classes; {size / 2**20:.1f} MiB",
        soft_wrap=True,
    )
    console.print(
        f"read back and compared on {checked.images} real images: the same class for every one, logits differ by up to "
        f"{checked.difference:.2g} of {checked.largest:.3g}",
        soft_wrap=True,
    )
    console.print(str(out), soft_wrap=True, markup=False)
