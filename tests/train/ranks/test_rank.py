"""Whether a process is one of several, and whether these are as many as the configuration counts on."""

from collections.abc import Callable

import pytest
import torch
from tests.conftest import resolved

from normfree.config import Resolved, UserError
from normfree.nets import GhostBatchNorm2d, create_model, localise, norm_batch, synchronise
from normfree.runs import run_id
from normfree.train.hardware import choose_device
from normfree.train.ranks.rank import check_ranks, first_node, rank_of
from normfree.train.ranks.world import ALONE, World, compare_configurations

TASK = {
    "SLURM_JOB_ID": "41", "SLURM_JOB_NAME": "sweep", "SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NODELIST": "gpu[03-04]", "SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_NODEID": "1",
}  # fmt: skip
TWO_BY_TWO = ("trainer=ddp_cpu", "trainer.devices=2", "trainer.nodes=2")


def test_a_task_of_a_step_is_a_rank() -> None:
    rank = rank_of(TASK)
    assert rank is not None
    assert (rank.number, rank.local, rank.node, rank.world_size, rank.address) == (3, 1, 1, 4, "gpu03")
    assert rank.slurm
    same = rank_of(TASK | {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"})
    assert same is not None
    assert (same.address, same.port) == (rank.address, rank.port)
    check_ranks(resolved(*TWO_BY_TWO), rank, TASK)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"SLURM_JOB_ID": "41", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"},  # a batch script without srun
        TASK | {"SLURM_STEP_NUM_TASKS": "1"},
    ],
)
def test_a_single_process_is_none(environment: dict[str, str]) -> None:
    assert rank_of(environment) is None


def test_our_own_process_tree_comes_before_slurm() -> None:
    own = {"NORMFREE_RANK": "1", "NORMFREE_LOCAL_RANK": "1", "NORMFREE_WORLD_SIZE": "2", "NORMFREE_PORT": "5"}
    rank = rank_of(TASK | own)
    assert rank is not None
    assert (rank.number, rank.world_size, rank.slurm) == (1, 2, False)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("127.0.0.[1-2]", "127.0.0.1"),
        ("gpu[003-007,9],login", "gpu003"),
        ("a,b", "a"),
        ("alone", "alone"),
        ("head,gpu[1-2]", "head"),
        ("r[1,4]n2", "r1n2"),
    ],
)
def test_the_first_node(nodes: str, first: str) -> None:
    assert first_node(nodes) == first


@pytest.mark.parametrize(
    ("overrides", "changed", "message"),
    [
        (TWO_BY_TWO[:2], {}, "trainer.nodes=1 need 2 processes, SLURM started 4: set tasks_per_node=2"),
        (("trainer=cpu",), {}, "trainer.devices=1 x trainer.nodes=1 need 1 process, SLURM started 4"),
        (TWO_BY_TWO, {"SLURM_JOB_NAME": "bash"}, "SLURM_JOB_NAME=bash: a job of 4 tasks by this name"),
        (TWO_BY_TWO, {"SLURM_JOB_NAME": "interactive"}, "give it another with --job-name"),
        (TWO_BY_TWO, {"SLURM_LOCALID": "3"}, "SLURM started more than 2 processes on node 1; set tasks_per_node=2"),
    ],
)
def test_what_slurm_started_must_fit(overrides: tuple[str, ...], changed: dict[str, str], message: str) -> None:
    environment = TASK | changed
    with pytest.raises(UserError) as caught:
        check_ranks(resolved(*overrides), rank_of(environment), environment)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_several_nodes_need_slurm() -> None:
    with pytest.raises(UserError, match=r"trainer.nodes=2: several nodes need SLURM .*add hydra/launcher=slurm"):
        check_ranks(resolved(*TWO_BY_TWO), None, {})


def test_more_gpus_than_there_are(tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    many = tiny("trainer=ddp", "trainer.devices=5")
    with pytest.raises(UserError, match=r"trainer.devices=5: there are 2 GPUs here; use trainer.devices=2"):
        choose_device(many)
    rank = rank_of(TASK)
    assert choose_device(tiny("trainer=ddp", "trainer.nodes=2", "batch=48"), rank) == torch.device("cuda", 1)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)  # SLURM binds each task to its own
    assert choose_device(tiny("trainer=ddp", "trainer.nodes=2", "batch=48"), rank) == torch.device("cuda", 0)


def test_synchronised_batchnorm_sees_all_ranks_and_is_refused_on_processors(tiny: Callable[..., Resolved]) -> None:
    several = ("model=resnet20", "batch=128", "trainer.devices=2", "trainer.micro_batch=32")
    local, together = resolved(*several), resolved(*several, "model.sync_norm=true")
    assert (local.norm_batch, together.norm_batch) == (32, 64)
    assert run_id(together) == run_id(resolved("model=resnet20", "batch=128", "trainer.micro_batch=64"))
    assert run_id(together) != run_id(local)
    with pytest.raises(UserError, match=r"model.sync_norm=true.*trainer.accelerator=cpu: torch synchronises"):
        resolved(*several, "model.sync_norm=true", "trainer.accelerator=cpu")
    with pytest.raises(UserError, match=r"model.sync_norm=true: nf_resnet20 has no BatchNorm"):
        resolved("model.sync_norm=true")
    with pytest.raises(UserError, match=r"model.sync_norm=true and model.ghost_batch=8"):
        resolved(*several, "model.sync_norm=true", "model.ghost_batch=8")
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match=r"model.sync_norm=true: torch synchronises BatchNorm between GPUs alone"):
            choose_device(together)


def test_sharpness_aware_steps_on_several_devices_are_not_for_synchronised_batchnorm() -> None:
    several = ("model=resnet20", "clip=none", "optimizer.sam_rho=0.05", "trainer.devices=2")
    assert run_id(resolved("optimizer.sam_rho=0.05", "trainer.devices=2")) == run_id(resolved("optimizer.sam_rho=0.05"))
    assert resolved(*several).config.optimizer.sam_rho == 0.05
    with pytest.raises(UserError, match=r"optimizer.sam_rho=0.05: not with model.sync_norm=true on 2 devices"):
        resolved(*several, "model.sync_norm=true")


def test_synchronising_changes_no_weight_and_can_be_undone() -> None:
    torch.manual_seed(0)
    network = create_model("resnet20", 10, in_channels=1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images = torch.randn(4, 1, 8, 8)
    expected = network.eval()(images)
    together = synchronise(network)
    assert norm_batch(together, 32, world_size=4) == 128
    again = localise(together)
    assert norm_batch(again, 32, world_size=4) == 32
    assert any(isinstance(module, GhostBatchNorm2d) for module in again.modules())
    assert list(again.state_dict()) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in again.state_dict().items())
    assert torch.equal(again.eval()(images), expected)


class Gathered(World):
    """A world in which every rank has what it is given."""

    size = 3

    def __init__(self, tables: list[dict[str, str]]) -> None:
        self._tables = tables

    def gather(self, content: dict[str, str]) -> list[dict[str, str]]:
        return [content | table for table in self._tables]


def test_ranks_that_differ_are_named() -> None:
    run = resolved()
    compare_configurations(ALONE, run)
    compare_configurations(Gathered([{}, {}, {}]), run)
    with pytest.raises(UserError, match=r"ranks 1, 2 of 3: another configuration than rank 0 \(seed=4 and seed=0\)"):
        compare_configurations(Gathered([{}, {"seed": "4"}, {"seed": "5"}]), run)
