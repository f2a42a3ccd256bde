"""What a benchmark refuses where there is nothing to compile with."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from normfree.config import UserError
from normfree.train.parts.compiled import missing_compiler


def refuse_compiled(forms: Sequence[str], device: torch.device) -> None:
    """Raises UserError where a form is ``compiled`` and there is no compiler."""
    if "compiled" in forms and (missing := missing_compiler(device)):
        raise UserError(f"form={','.join(forms)}: {missing}, or write form=eager")
