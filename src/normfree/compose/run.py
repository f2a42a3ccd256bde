"""A run's configuration composed outside of train.py."""

from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore

from normfree.compose.plugins import store_plugins
from normfree.config import Resolved, TrainConfig, UserError, resolve


def compose_run(overrides: list[str], folder: Path | None = None) -> Resolved:
    """As ``python train.py`` would with these overrides.

    Args:
        folder: the configuration's; ``conf`` where the command is run if not given.

    Raises:
        UserError: there is no such folder, or the configuration is wrong.
        HydraException: an option or key that does not exist.
    """
    conf = (folder or Path("conf")).absolute()
    if not (conf / "train.yaml").is_file():
        raise UserError(f"{conf}: no configuration there; run this in the project's folder")
    ConfigStore.instance().store(name="schema", node=TrainConfig)
    store_plugins(conf=[conf])
    with initialize_config_dir(str(conf), version_base="1.3"):
        return resolve(compose("train", overrides=overrides), overrides)
