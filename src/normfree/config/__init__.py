"""What a run is asked to be: the schema, its checks and the values that follow from it. Knows no torch."""

from normfree.config.batch_plan import BatchPlan, plan_batch
from normfree.config.errors import UserError
from normfree.config.interpolation import unless
from normfree.config.optimizer import OPTIMIZER_KEYS, check_sam, optimizer_warnings
from normfree.config.resolve import Resolved, resolve, resolve_stored
from normfree.config.schema import SCHEMA_VERSION, TrainConfig
from normfree.config.sources import require_images

__all__ = [
    "OPTIMIZER_KEYS",
    "SCHEMA_VERSION",
    "BatchPlan",
    "Resolved",
    "TrainConfig",
    "UserError",
    "check_sam",
    "optimizer_warnings",
    "plan_batch",
    "require_images",
    "resolve",
    "resolve_stored",
    "unless",
]
