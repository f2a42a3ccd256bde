"""What the commands do, for notebooks and scripts: ``from normfree import api``. See docs/api.md.

Mistakes raise `normfree.config.UserError` with the line that the command would print. Torch is imported by what trains
or loads a network, and by nothing else.
"""

from normfree.api.experiment import Figure, Report, find_runs, report
from normfree.api.loaded import Run, load_run
from normfree.api.single import RunFailed, run
from normfree.api.sweeping import sweep

__all__ = ["Figure", "Report", "Run", "RunFailed", "find_runs", "load_run", "report", "run", "sweep"]
