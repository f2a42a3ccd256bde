"""Shared by all tests: composing configurations and starting the command line."""

import gc
import os
import pickle
import signal
import subprocess
import sys
import tempfile

# Several test processes share the machine, and OpenMP reads this when torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What tests name on command lines is not kept for the user.
_STATE = tempfile.TemporaryDirectory(prefix="normfree-tests-")
os.environ["XDG_STATE_HOME"] = _STATE.name
# Tests that a shell started in the background ignore Ctrl-C, and so would what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import settings
from omegaconf import DictConfig

from normfree.config import Resolved, TrainConfig, resolve
from normfree.host import spoken
from tests import warm
from tests.tiers import LONG, TIERS, VARIABLE, left_out, tier_of
from tests.undrawn import CLIP_FIGURE, without_drawing

ROOT = Path(__file__).resolve().parent.parent
TINY = ("data.train_size=7", "batch=50", "steps=8", "optimizer.warmup_steps=2", "trainer.log_every=2")
"""A real run of a second: 400 of the embedded digits at 7 x 7 pixels."""

# How long an example takes depends on what else the machine does.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
ConfigStore.instance().store(name="schema", node=TrainConfig)
warm.lend_ranks()
warm.lend_workers("spawn_main")


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """What a test, or what it imports, leaves in the environment is gone: commands of others are forked (`warm`)."""
    before = dict(os.environ)
    yield
    for name in {name for name, _ in before.items() ^ os.environ.items()} - {"PYTEST_CURRENT_TEST"}:
        if name in before:
            os.environ[name] = before[name]
        else:
            del os.environ[name]


@pytest.fixture(autouse=True)
def commands_are_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that calls the installed command leaves its words to no other."""
    monkeypatch.setattr(spoken, "_installed", False)


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in TIERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Every test gets the marker of its tier, and long ones are shortened unless they are asked for by name."""
    for item in items:
        if tier := tier_of(item.nodeid, item.get_closest_marker("cli") is not None):
            item.add_marker(tier)
    named = any("::" in argument for argument in config.args)
    out = set() if LONG or named else left_out(item.nodeid for item in items)
    if out:
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in out])
        items[:] = [item for item in items if item.nodeid not in out]


def pytest_collection_finish() -> None:
    """What thousands of tests and torch are made of stays, and is not searched for garbage again and again; commands
    are forked where the environment is as it is now.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    warm.first_environment()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not LONG:
        terminalreporter.write_line(f"long tests were shortened; {VARIABLE}=1 runs them whole")


def composed(*overrides: str) -> DictConfig:
    """What Hydra composes of these overrides: of the same options of groups once, as a sweep does."""
    if any(each[:1] in "~+" or "@" in each.partition("=")[0] for each in overrides):
        return composed_anew(overrides)
    choices = tuple(each for each in overrides if (ROOT / "conf" / each.partition("=")[0]).is_dir())
    config: DictConfig = pickle.loads(_of_choices(choices))
    values = OverridesParser.create().parse_overrides([each for each in overrides if each not in choices])
    ConfigLoaderImpl._apply_overrides_to_config(values, config)
    return config


def composed_anew(overrides: Sequence[str]) -> DictConfig:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("train", overrides=list(overrides))


@cache
def _of_choices(choices: tuple[str, ...]) -> bytes:
    return pickle.dumps(composed_anew(choices))


def resolved(*overrides: str) -> Resolved:
    return resolve(composed(*overrides), list(overrides))


@pytest.fixture
def no_waiting() -> Callable[[], AbstractContextManager[None]]:
    """Within it, whatever makes the processor wait for a GPU is an error."""
    import torch

    @contextmanager
    def refused() -> Iterator[None]:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Synchronization debug mode is a prototype feature")
            torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")

    return refused


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of this process draw nothing; tests of the figure have another fixture of the name."""
    monkeypatch.setitem(sys.modules, CLIP_FIGURE, without_drawing())


@pytest.fixture
def tiny(tmp_path: Path, undrawn: None) -> Callable[..., Resolved]:
    """Resolve a tiny run under the test's own runs directory."""

    def make(*overrides: str) -> Resolved:
        return resolved(*TINY, f"runs_dir={tmp_path / 'runs'}", *overrides)

    return make


def command_line(
    script: str, *arguments: str, timeout: float = 120, cwd: Path = ROOT, fresh: bool = False, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a script of the root in a process of its own.

    Args:
        fresh: start an interpreter for it, whatever that takes, instead of forking one that has imported torch.
    """
    return (subprocess.run if fresh else warm.run)(
        [sys.executable, str(ROOT / script), *arguments],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
