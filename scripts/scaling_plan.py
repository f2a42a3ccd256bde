"""The tables of docs/scaling.md: what a step on many nodes should cost, by calculation: python scripts/scaling_plan.py

Measured, on one H100, and read from reports/benchmarks: the steps of networks, their memory, AGC, and a pass over
memory. Stated here: bandwidths and the rest. No run on several nodes stands behind any of it. Writes the page.
"""

import csv
import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "reports/benchmarks"
PAGE = ROOT / "docs/scaling.md"
DEVICE = "nvidia-h100-80gb-hbm3"

PARAMETERS = {
    "resnet50": 25_549_352, "nfnet_f0": 71_489_284, "nfnet_f1": 132_634_256, "nfnet_f2": 193_779_228,
    "nfnet_f3": 254_924_200, "nfnet_f4": 316_069_172, "nfnet_f5": 377_214_144, "nfnet_f6": 438_359_116,
}  # fmt: skip
GIGA_MACS = {
    "resnet50": 4.09, "nfnet_f0": 6.98, "nfnet_f1": 17.44, "nfnet_f2": 33.14,
    "nfnet_f3": 67.94, "nfnet_f4": 121.12, "nfnet_f5": 169.50, "nfnet_f6": 228.29,
}  # fmt: skip
"""Of the forward pass at the size of training, as in docs/models.md."""
BLOCKS = {f"nfnet_f{number}": 12 * (number + 1) for number in range(7)}

BATCH, NODES, GPUS = 4096, (1, 8, 64), 8
NVLINK = 0.80 * 450e9  # bytes a second and GPU, each direction
FAST, SLOW = 0.80 * 8 * 50e9, 0.80 * 12.5e9  # bytes a second and NODE: 8 x 400 Gbit/s, 1 x 100 Gbit/s
BUCKET, LATENCY = 25e6, 5e-6  # bytes of gradients sent at a time; seconds a hop between nodes
BACKWARD = 2 / 3  # of the computation, behind which gradients travel
SGD_PASSES, AVERAGE_PASSES = 5, 3  # reads and writes of all parameters: fused SGD with momentum, moving average
MOST_IMAGES, MEMORY = 128, 60 * 2**30  # of a micro batch: none larger was measured; bytes that one may take


def rows(suite: str) -> list[dict[str, str]]:
    """Of a table of measurements on this device; none where there is no such table."""
    path = BENCHMARKS / f"{suite}-{DEVICE}.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def measured(what: str, unit: float) -> dict[str, dict[int, float]]:
    """Network -> images -> value times ``unit``, the least of several rows; of this package's networks, eager, bf16."""
    found = defaultdict[str, dict[int, float]](dict)
    here = [row for row in rows("nets") if row["subject"].startswith("normfree")]
    here += [row | {"subject": "normfree"} for row in rows("latency") if row["update"] == "false" and row["value"]]
    for row in here:
        if (row["what"], row["form"], row["precision"], row["layout"]) == (what, "eager", "bf16", "nhwc"):
            network = row["subject"].removeprefix("normfree").strip() or row["model"]
            images, value = int(row["batch"]), unit * float(row["value"])
            found[network][images] = min(value, found[network].get(images, math.inf))
    return found


@cache
def steps() -> dict[str, dict[int, float]]:
    """Network -> images -> seconds of forward and backward pass."""
    return measured("train", 1e-3)


def seconds_an_image(network: str) -> float:
    """Where the GPU has enough to do: measured with 128 images, or of NFNet-F1 by multiply-adds."""
    if (whole := steps().get(network, {}).get(MOST_IMAGES)) is not None:
        return whole / MOST_IMAGES
    return seconds_an_image("nfnet_f1") * GIGA_MACS[network] / GIGA_MACS["nfnet_f1"]


def launching(network: str) -> float:
    """Seconds below which no step was measured, however few images: the processor is launching kernels all the time.

    Of a network without measurements: by the number of blocks, at the mean of those that have.
    """
    if network in steps():
        return min(steps()[network].values())
    known = [min(steps()[other].values()) / blocks for other, blocks in BLOCKS.items() if other in steps()]
    return BLOCKS[network] * sum(known) / len(known)


def micro_batch(network: str, images: int) -> int:
    """The largest power of two that divides ``images``, was measured, and fits: by what NFNet-F1 takes."""
    peaks = measured("memory", 2**20)
    image = peaks["nfnet_f1"][MOST_IMAGES] / MOST_IMAGES * GIGA_MACS[network] / GIGA_MACS["nfnet_f1"]
    size = min(images, MOST_IMAGES)
    while size * image > MEMORY:
        size //= 2
    return size


def memory_rate() -> float:
    """Bytes a second of a pass that reads parameters and gradients of NFNet-F0 and writes gradients."""
    passes = [float(row["value"]) for row in rows("clip") if row["method"] == "one pass"]
    return 3 * 4 * PARAMETERS["nfnet_f0"] / (1e-3 * min(passes))


def agc_seconds(network: str) -> float:
    """Of AGC in Triton, 5 % of units clipped, measured on NFNet-F0; by parameters. BatchNorm networks do without."""
    if network not in BLOCKS:
        return 0.0
    (row,) = (row for row in rows("clip") if (row["method"], row["clipped"]) == ("normfree triton", "0.05"))
    return 1e-3 * float(row["value"]) * PARAMETERS[network] / PARAMETERS["nfnet_f0"]


def pass_seconds(network: str, passes: float) -> float:
    """Of so many reads and writes of all parameters."""
    return passes * 4 * PARAMETERS[network] / memory_rate()


def ring_seconds(size: float, nodes: int, node_bandwidth: float, turns: int = 2) -> float:
    """Of an all-reduce of ``size`` bytes in a ring over all GPUs; with one turn, of an all-gather."""
    ranks = nodes * GPUS
    moved = turns * (ranks - 1) / ranks * size
    hops = turns * math.ceil(math.log2(nodes)) * math.ceil(size / BUCKET)
    return max(moved / NVLINK, moved / node_bandwidth if nodes > 1 else 0.0) + hops * LATENCY


@dataclass(frozen=True)
class Step:
    """Seconds: forward and backward passes; AGC, SGD and average; all-reduce; what of it no backward pass hides."""

    compute: float
    update: float
    reduce: float
    waiting: float

    @property
    def seconds(self) -> float:
        return self.compute + self.update + self.waiting


def step(network: str, nodes: int, node_bandwidth: float, gradient_bytes: int = 4, launched: bool = True) -> Step:
    """A step of the batch; ``launched=False``: as if launching kernels took no time."""
    images = BATCH // (nodes * GPUS)
    size = micro_batch(network, images)
    one = max(size * seconds_an_image(network), launching(network) if launched else 0.0)
    update = agc_seconds(network) + pass_seconds(network, SGD_PASSES + AVERAGE_PASSES)
    reduce = ring_seconds(gradient_bytes * PARAMETERS[network], nodes, node_bandwidth)
    return Step(images // size * one, update, reduce, max(0.0, reduce - BACKWARD * one))


def bf16_saves(network: str, nodes: int, node_bandwidth: float, launched: bool = True) -> float:
    """The share of a step that gradients of 16 bits would save."""
    whole = step(network, nodes, node_bandwidth, 4, launched)
    return 1 - step(network, nodes, node_bandwidth, 2, launched).seconds / whole.seconds


def steps_table(launched: bool) -> str:
    """A row a network and number of nodes, in Markdown; ``launched=False``: of several nodes."""
    lines = [
        "| network | nodes | images a GPU | compute, ms | update, ms | all-reduce, ms | waiting, of the step "
        "| bf16 gradients save | images/s, fast |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for network in PARAMETERS:
        for nodes in NODES if launched else NODES[1:]:
            both = FAST, SLOW
            cases = [step(network, nodes, each, launched=launched) for each in (both if nodes > 1 else both[:1])]
            saved = [bf16_saves(network, nodes, each, launched) for each in (both if nodes > 1 else both[:1])]
            cells = [
                f"`{network}`", f"{nodes}", f"{BATCH // (nodes * GPUS)}",
                f"{1e3 * cases[0].compute:,.1f}", f"{1e3 * cases[0].update:.1f}",
                ", ".join(f"{1e3 * case.reduce:.1f}" for case in cases),
                ", ".join(f"{case.waiting / case.seconds:.0%}" for case in cases),
                ", ".join(f"{share:.0%}" for share in saved), f"{BATCH / cases[0].seconds:,.0f}",
            ]  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def sharded_table() -> str:
    """What it saves to keep and update momentum and moving average in parts, one a rank, on 8 nodes; in Markdown."""
    lines = [
        "| network | momentum and average, GB | saved a GPU, GB | of its 80 GB | update saved, ms "
        "| parameters gathered, ms: one node, fast, slow |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for network, parameters in PARAMETERS.items():
        kept = 1 / (8 * GPUS)
        size = 2 * 4 * parameters
        gathered = [ring_seconds(4 * parameters, *where, turns=1) for where in ((1, FAST), (8, FAST), (8, SLOW))]
        cells = [
            f"`{network}`", f"{size / 1e9:.2f}", f"{size * (1 - kept) / 1e9:.2f}", f"{size * (1 - kept) / 80e9:.1%}",
            f"{1e3 * pass_seconds(network, SGD_PASSES + AVERAGE_PASSES) * (1 - kept):.1f}",
            ", ".join(f"{1e3 * seconds:.1f}" for seconds in gathered),
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def filled(page: str) -> str:
    """The page with its tables as they are now."""
    for name, table in (("eager", steps_table(True)), ("free", steps_table(False)), ("sharded", sharded_table())):
        head, mark, rest = page.partition(f"<!-- scaling_plan.py: {name} -->\n")
        assert mark, f"{PAGE} has no place for the table {name}"
        page = f"{head}{mark}\n{table}\n\n<!-- end -->{rest.partition('<!-- end -->')[2]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
