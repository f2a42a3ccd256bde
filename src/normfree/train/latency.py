"""How long networks of runs take to classify a batch, one beside the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

from normfree.config import Resolved

CPU_CLOCK, WALL_CLOCK = "cpu", "wall"


def inference_seconds(
    runs: Sequence[Resolved], batch: int, rounds: int, threads: int
) -> tuple[list[list[float]], str, str]:
    """Seconds that the folded network of each run takes for a batch of its test images, in every round.

    Networks take turns in an order that rotates, so that what else the machine does hits all alike. On one thread of a
    processor it is the time of this process alone, which others on the machine do not add to.

    Returns:
        Seconds a run and round; the device; the clock, ``cpu`` or ``wall``.

    Raises:
        UserError: a network cannot be built, or its device is not there.
    """
    import torch

    from normfree.nets import fold
    from normfree.probe.timing import interleave
    from normfree.train.hardware import choose_device, device_name
    from normfree.train.parts.network import build_network

    torch.set_num_threads(threads)
    device = choose_device(runs[0])
    clock = CPU_CLOCK if device.type == "cpu" and threads == 1 else WALL_CLOCK

    def case(resolved: Resolved) -> Callable[[], None]:
        config = resolved.config
        torch.manual_seed(0)
        layout = torch.channels_last if config.trainer.channels_last else torch.contiguous_format
        built = build_network(resolved)
        network = (fold(built) if built.foldable else built.eval()).to(device, memory_format=layout)  # type: ignore[call-overload]
        size = config.data.test_size
        images = torch.randn(batch, config.data.channels, size, size, device=device).contiguous(memory_format=layout)

        def call() -> None:
            mixed = config.precision == "bf16-mixed"
            with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16) if mixed else nullcontext():
                network(images)

        return call

    cases = {str(number): case(resolved) for number, resolved in enumerate(runs)}
    seconds = interleave(cases, rounds, device, clock, warmup=3)
    return list(seconds.values()), device_name(device), clock
