"""Configuration files on their way to Hydra, which would write out every alias of whatever it is given."""

from pathlib import Path

from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra.plugins.config_source import ConfigResult

from normfree.config.yaml_file import read_checked


class FileConfigSource(file_config_source.FileConfigSource):
    """Hydra's own, which takes the first of this name that registers; it looks at a file before it is loaded."""

    def load_config(self, config_path: str) -> ConfigResult:
        """As Hydra's.

        Raises:
            UserError: for a file that is no YAML, or becomes too much with its aliases written out.
        """
        path = Path(self.path) / self._normalize_file_name(config_path)
        if path.exists():
            group, _, option = config_path.removesuffix(".yaml").rpartition("/")
            read_checked(path, f"{group}={option}" if group else option)
        return super().load_config(config_path)


def check_files() -> None:
    """Have every configuration file of this process checked before Hydra loads it."""
    SourcesRegistry.instance().register(FileConfigSource)
