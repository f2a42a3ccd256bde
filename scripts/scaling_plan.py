"""The table of docs/scaling.md: what a step on many nodes should cost, by calculation. Nothing here is measured."""

import math

PARAMETERS = {
    "nfnet_f0": 71_489_284, "nfnet_f1": 132_634_256, "nfnet_f2": 193_779_228, "nfnet_f3": 254_924_200,
    "nfnet_f4": 316_069_172, "nfnet_f5": 377_214_144, "nfnet_f6": 438_359_116,
}  # fmt: skip
GIGA_MACS = {
    "nfnet_f0": 6.98, "nfnet_f1": 17.44, "nfnet_f2": 33.14, "nfnet_f3": 67.94,
    "nfnet_f4": 121.12, "nfnet_f5": 169.50, "nfnet_f6": 228.29,
}  # fmt: skip
"""Of the forward pass at the size of training, as in docs/models.md."""

BATCH, NODES, GPUS = 4096, 64, 8
FLOPS = 0.30 * 989e12  # a second and GPU: 30 % of an H100's dense bfloat16 peak
MEMORY = 0.80 * 3.35e12  # bytes a second and GPU
NVLINK = 0.80 * 450e9  # bytes a second and GPU, each direction
FAST, SLOW = 0.80 * 8 * 50e9, 0.80 * 12.5e9  # bytes a second and NODE: 8 x 400 Gbit/s, 1 x 100 Gbit/s
BUCKET, LATENCY = 25e6, 5e-6  # bytes of gradients sent at a time; seconds a hop between nodes
UPDATE_PASSES = 11  # reads and writes of all parameters: AGC 3, SGD with momentum 5, moving average 3
OVERLAPPED = 2 / 3  # the backward pass's part of the computation, behind which gradients travel


def step_seconds(network: str, nodes: int, node_bandwidth: float, gradient_bytes: int = 4) -> tuple[float, ...]:
    """Seconds of computing, updating and communicating, and of the step that they make."""
    parameters, ranks = PARAMETERS[network], nodes * GPUS
    size = parameters * gradient_bytes
    compute = BATCH / ranks * 3 * 2 * GIGA_MACS[network] * 1e9 / FLOPS
    update = UPDATE_PASSES * 4 * parameters / MEMORY
    moved = 2 * (ranks - 1) / ranks * size
    between = moved / node_bandwidth if nodes > 1 else 0.0
    hops = 2 * math.ceil(math.log2(nodes)) * math.ceil(size / BUCKET)
    communicate = max(moved / NVLINK, between) + hops * LATENCY
    return compute, update, communicate, compute + update + max(0.0, communicate - OVERLAPPED * compute)


def efficiency(network: str, node_bandwidth: float, gradient_bytes: int = 4) -> float:
    """Speed on all nodes over that many times the speed on one, at the same batch."""
    one = step_seconds(network, 1, node_bandwidth, gradient_bytes)[-1]
    return one / (NODES * step_seconds(network, NODES, node_bandwidth, gradient_bytes)[-1])


def table() -> str:
    """In Markdown."""
    lines = [
        "| network | gradients, MB (4 B) | compute, ms | update, ms | all-reduce, ms: fast, slow | "
        "efficiency: fast, 4 B | fast, 2 B | slow, 4 B | images/s a node, fast |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, parameters in PARAMETERS.items():
        compute, update, fast, step = step_seconds(name, NODES, FAST)
        slow = step_seconds(name, NODES, SLOW)[2]
        ratios = [efficiency(name, FAST), efficiency(name, FAST, 2), efficiency(name, SLOW)]
        cells = [
            f"`{name}`", f"{parameters * 4 / 1e6:,.0f}", f"{compute * 1e3:.1f}", f"{update * 1e3:.1f}",
            f"{fast * 1e3:.1f}, {slow * 1e3:.0f}", *(f"{ratio:.0%}" for ratio in ratios),
            f"{BATCH / step / NODES:,.0f}",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
