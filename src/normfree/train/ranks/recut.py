"""Going on with a run whose batch is now cut in another way: on more devices, or into other micro batches."""

from typing import Any

import torch


def count_anew(checkpoint: dict[str, Any], accumulation: int) -> int:
    """Make Lightning's counts of micro batches, in place, those of so many accumulated ones a step.

    Returns:
        How many there were a step when the checkpoint was saved, always at the end of one.
    """
    loop, steps = checkpoint["loops"]["fit_loop"], int(checkpoint["global_step"])
    progress = loop["epoch_loop.batch_progress"]
    before = int(progress["current"]["ready"]) // steps
    if before != accumulation:
        for counts in (progress["current"], progress["total"]):
            more = steps * accumulation - counts["ready"]
            counts.update({name: count + more for name, count in counts.items()})
        for loader in loop["state_dict"]["combined_loader"]:
            loader["position"] = steps * accumulation
    return before


def correct_of(parts: list[list[float]], number: int, size: int, before: int, accumulation: int) -> list[float]:
    """The share of correct images in the micro batches since the last row, of rank ``number`` of ``size``.

    Args:
        parts: what each rank saved.
        before, accumulation: micro batches a step then and now.
    """
    if len(parts) == size and before == accumulation:
        return list(parts[number])
    each = torch.tensor(parts, dtype=torch.float64)
    steps = each.shape[1] // before
    shares: list[float] = each.view(len(parts), steps, before).mean((0, 2)).repeat_interleave(accumulation).tolist()
    return shares
