"""One run inside a sweep's worker process."""

import torch

from normfree.config import Resolved, UserError
from normfree.runs import BUSY, Busy, Damaged, RunDirectory
from normfree.runs.damage import told
from normfree.runs.result import Ended
from normfree.train.lightning_noise import quieten
from normfree.train.record.metrics import Progress
from normfree.train.run import run_one
from normfree.train.stopping import StopRequest, parent_gone

quieten()


def train_task(resolved: Resolved, overrides: list[str], progress: Progress) -> Ended:
    """The result of a run, whatever happens to it; one CPU thread unless the configuration says otherwise."""
    if resolved.config.trainer.threads is None:
        torch.set_num_threads(1)
    try:
        return run_one(resolved, overrides, progress, StopRequest(parent_gone))
    except Busy as error:
        return {"status": BUSY, "reason": str(error), "traceback": None}
    except Damaged as error:
        return told(error)
    except UserError as error:
        reason = str(error)
    try:
        return RunDirectory.of(resolved).record_failure(resolved, reason)
    except (UserError, OSError):
        # The directory cannot be written, or another process holds it: then the sweep's account alone tells.
        return {"status": "failed", "reason": reason, "traceback": None}
