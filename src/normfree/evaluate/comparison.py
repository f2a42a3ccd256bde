"""What is told of two networks on the same images."""

from __future__ import annotations

from normfree.config import UserError
from normfree.evaluate.findings import Findings, Judged, Table
from normfree.evaluate.images import Wanted
from normfree.evaluate.paired import paired
from normfree.trained import Trained

FIRST, SECOND = "A", "B"
_LEVEL = 0.05


def refuse_others(first: tuple[Trained, Wanted], second: tuple[Trained, Wanted]) -> None:
    """
    Raises:
        UserError: they were not trained for the same images and classes.
    """
    (one, its), (other, theirs) = first, second
    names = f"compare={one.name},{other.name}"
    if its.digest != theirs.digest:
        raise UserError(
            f"{names}: their images are not the same ({its.data.label}, digest {its.digest}, and {theirs.data.label}, "
            f"digest {theirs.digest}); give both the same with data=NAME data.root=PATH"
        )
    if one.classes != other.classes:
        raise UserError(f"{names}: their classes are not the same; choose two runs of the same classes")


def findings(first: Judged, second: Judged, names: tuple[str, str]) -> Findings:
    """The paired difference of accuracies, McNemar's test and the four counts."""
    found = paired(first.clean, second.clean)
    low, high = (100 * each for each in found.interval)
    alone = found.first_alone + found.second_alone
    verdict = "differ" if found.p_value < _LEVEL else "are not told apart"
    lines = [
        f"Top-1 of A ({names[0]}) less that of B ({names[1]}): {100 * found.difference:+.2f} points, 95 % interval "
        f"{low:+.2f} to {high:+.2f} (paired; Agresti and Min 2005).",
        f"Of {found.images:,} images A alone gets {found.first_alone:,} right and B alone {found.second_alone:,}; "
        f"McNemar's exact test: p = {found.p_value:.3g}" + (f" over {alone:,} images." if alone else "."),
        f"At the level of 5 % the two {verdict} on these images. That is of these two trainings: another seed gives "
        "another network, and runs over several seeds say what a method does.",
    ]
    rows = [
        ["A right", f"{found.both:,}", f"{found.first_alone:,}"],
        ["A wrong", f"{found.second_alone:,}", f"{found.neither:,}"],
    ]
    about = f"The same class is predicted for {100 * found.agree / found.images:.2f} % of the images."
    return Findings(found.record(), lines, [Table("Images by who is right", ["", "B right", "B wrong"], rows, about)])
