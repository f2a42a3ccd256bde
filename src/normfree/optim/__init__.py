"""Parameter groups, SGD and learning-rate schedules. Needs torch alone."""

from normfree.optim.parameter_groups import ParameterGroup, parameter_groups
from normfree.optim.schedule import scaled_lr, warmup_cosine
from normfree.optim.sgd import build_sgd

__all__ = ["ParameterGroup", "build_sgd", "parameter_groups", "scaled_lr", "warmup_cosine"]
