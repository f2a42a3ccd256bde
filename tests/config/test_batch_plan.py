import pytest
from hypothesis import given
from hypothesis import strategies as st

from normfree.config import UserError, plan_batch

small = st.integers(1, 12)


@given(devices=small, nodes=small, micro=small, accumulation=small)
def test_every_factor_of_the_batch_is_kept(devices: int, nodes: int, micro: int, accumulation: int) -> None:
    batch = devices * nodes * micro * accumulation
    plan = plan_batch(batch, devices, nodes, micro)
    assert (plan.devices, plan.nodes, plan.micro_batch, plan.accumulation) == (
        devices,
        nodes,
        micro,
        accumulation,
    )
    assert plan.world_size * plan.micro_batch * plan.accumulation == batch


@given(batch=st.integers(1, 5000), devices=small, nodes=small, limit=st.none() | st.integers(1, 300))
def test_a_step_sees_exactly_the_batch_or_the_error_names_batches_that_divide(
    batch: int, devices: int, nodes: int, limit: int | None
) -> None:
    try:
        plan = plan_batch(batch, devices, nodes, limit=limit)
    except UserError as error:
        assert batch % (devices * nodes)
        proposed = [int(word.split("=")[1]) for word in str(error).split("use ")[1].split(" or ")]
        for better in proposed:
            assert plan_batch(better, devices, nodes).batch == better
            assert abs(better - batch) < devices * nodes
        return
    assert plan.world_size * plan.micro_batch * plan.accumulation == batch
    assert limit is None or plan.micro_batch <= limit
    # Chosen, it is the largest that fits.
    share = batch // plan.world_size
    larger = [size for size in range(plan.micro_batch + 1, share + 1) if share % size == 0]
    assert all(limit is not None and size > limit for size in larger)


@pytest.mark.parametrize(
    ("key", "values"), [("batch", (0, 1, 1)), ("trainer.devices", (8, 0, 1)), ("trainer.nodes", (8, 1, -1))]
)
def test_nothing_below_one(key: str, values: tuple[int, int, int]) -> None:
    with pytest.raises(UserError, match=rf"{key}=-?\d+: must be at least 1"):
        plan_batch(*values)


def test_the_plan_reads_as_a_product() -> None:
    assert str(plan_batch(4096, 8, 2, 64)) == "4096 = 2 nodes x 8 devices x 64 samples x 4 accumulated"
