"""The stored fixture: an experiment file and runs with every outcome."""

from pathlib import Path

import pytest

from normfree.study import Collection, Experiment, collect, load_experiment

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def experiment() -> Experiment:
    return load_experiment("demo", FIXTURES / "experiments")


@pytest.fixture(scope="session")
def collection() -> Collection:
    return collect("demo", FIXTURES / "sweeps")
