"""What configuration files may write as ``${name:...}`` besides OmegaConf's own."""

from typing import Any

from omegaconf import OmegaConf


def unless(value: Any, default: Any) -> Any:
    """``epochs: ${unless:${steps},30}``: 30 where nobody says ``steps``, so that a recipe's length gives way."""
    return default if value is None else None


OmegaConf.register_new_resolver("unless", unless, replace=True)
