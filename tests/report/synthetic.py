"""Made-up runs in the layout that training writes, with every outcome. `python tests/report/synthetic.py`
stores
the fixture; nothing here is a result."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

MODELS = {
    "resnet20": ("batchnorm", 270_896, 31_000_000),
    "nf_resnet20": ("none", 271_322, 31_000_000),
    "nfnet_nano": ("none", 402_118, 78_000_000),
}
CLIPS = {
    "none": ("none", "none"),
    "norm": ("norm", "norm 0.1"),
    "agc01": ("agc", "AGC 0.01"),
    "agc04": ("agc", "AGC 0.04"),
}
DEPENDENCE = ("logits_batch_vs_single", "logits_train_vs_eval", "gradient_whole_vs_accumulated")


def made(
    model: str, clip: str, batch: int, lr: float, seed: int, norm_batch: int | None, grids: list[str]
) -> dict[str, Any]:
    """One planned run with its factors."""
    overrides = [f"model={model}", f"clip={CLIPS[clip][0]}", f"batch={batch}", f"lr={lr:g}"]
    if CLIPS[clip][0] == "agc":
        overrides.append(f"clip.clip_factor={CLIPS[clip][1].split()[1]}")
    if model == "resnet20":
        overrides.append(f"model.ghost_batch={norm_batch}")
    arm = f"{model}-{clip}-b{batch}-lr{lr:g}" + (f"-bn{norm_batch}" if model == "resnet20" else "")
    factors = {"model": model, "clip": clip, "batch": batch, "lr": lr, "seed": seed, "norm_batch": norm_batch}
    planned = {"run_id": f"{arm}-s{seed}", "overrides": [*overrides, f"seed={seed}"], "grids": grids}
    return {**planned, "arm": arm, **factors}


def status_of(one: dict[str, Any], luck: np.random.Generator) -> str:
    """Roughly what the networks do over the learning rate; a slow run finishes, and has stalled."""
    scaled = one["lr"] * (64 / one["batch"]) ** 0.5
    if one["model"] == "resnet20":
        return "finished"
    if one["clip"] == "none":
        return "diverged" if luck.random() < (0.0, 0.4, 1.0)[(scaled > 0.3) + (scaled > 0.7)] else "finished"
    if one["clip"] == "norm":
        return "diverged" if scaled > 2.5 and luck.random() < 0.6 else "finished"
    if one["clip"] == "agc01":
        return "slow" if scaled < 0.3 or (scaled < 0.5 and luck.random() < 0.5) else "finished"
    return "slow" if scaled < 0.15 else "diverged" if scaled > 2.5 else "finished"


def result(one: dict[str, Any], status: str, luck: np.random.Generator) -> dict[str, Any]:
    """`result.json` of a run that ended."""
    model, norm_batch = one["model"], one["norm_batch"]
    normalizer, parameters, macs = MODELS[model]
    best = 0.982 - 0.01 * abs(math.log2(one["lr"] / 0.4)) / 3 - (0.004 if normalizer == "none" else 0.0)
    best -= 0.05 / norm_batch if norm_batch else 0.0
    accuracies = {
        "finished": best + luck.normal(0, 0.003),
        "slow": luck.uniform(0.42, 0.6),
        "untrained": 0.102,
        "diverged": 0.1,
    }
    losses = {"finished": 0.52 + luck.normal(0, 0.01), "slow": luck.uniform(1.6, 1.9), "untrained": 2.301}
    accuracy, loss = accuracies.get(status), losses.get(status)
    scale = (3e-2 if normalizer == "batchnorm" else 6e-17) * luck.uniform(0.7, 1.3, 3)
    dependence = [float(f"{value:.3g}") for value in scale]
    if normalizer == "none":
        dependence[1] = 0.0
    rate = {"resnet20": 2900, "nf_resnet20": 2100, "nfnet_nano": 900}[model] * luck.uniform(0.95, 1.05)
    done = 300 if status in ("finished", "slow", "untrained") else 140
    reasons = {"diverged": "loss is nan at step 140", "failed": "RuntimeError: out of memory"}
    trace = "Traceback (most recent call last):\n  ...\nRuntimeError: out of memory"
    gain = None if normalizer == "batchnorm" else 0.004 if status == "slow" else round(luck.uniform(0.1, 0.3), 3)
    return {
        "schema_version": 1,
        "run_id": one["run_id"],
        "arm_id": one["arm"],
        "experiment": "demo",
        "seed": one["seed"],
        "status": "finished" if status == "slow" else status,
        "reason": reasons.get(status, ""),
        "stalled": None if gain is None or status == "diverged" else gain < 0.05,
        "chance": None if accuracy is None else {"split": "test", "images": 1000, "share": 0.1, "p_value": 0.5},
        "model": {"name": model, "normalizer": normalizer, "parameters": parameters, "macs": macs},
        "clip": {"name": CLIPS[one["clip"]][0], "label": CLIPS[one["clip"]][1]},
        "data": {
            "name": "mnist5k", "label": "MNIST-5k, 14 px", "classes": 10,
            "train": 3500, "validation": 500, "test": 1000,
        },
        "batch": {
            "global": one["batch"], "micro": one["batch"], "accumulation": 1,
            "devices": 1, "nodes": 1, "norm_batch": norm_batch,
        },
        "lr": one["lr"],
        "precision": "32-true",
        "steps": 300,
        "steps_done": done,
        "metrics": {
            "test/accuracy": None if accuracy is None else round(accuracy, 3),
            "test/loss": loss,
            "train/initial_loss": 2.303,
            "train/final_loss": loss,
            "skip_gain/mean_abs": gain,
        },
        "batch_dependence": dict(zip(DEPENDENCE, dependence, strict=True)),
        "time": {"seconds": round(done * one["batch"] / rate, 2), "images_per_second": round(rate, 1)},
        "attempts": 1,
        "traceback": trace if status == "failed" else None,
        "provenance": {
            "commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False, "normfree": "0.1.0",
            "torch": "2.13.0", "lightning": "2.6.6", "python": "3.11.7", "platform": "Linux x86_64",
            "device": "CPU Example", "threads": 1,
        },
    }  # fmt: skip


def metrics_csv(status: str, steps: int, luck: np.random.Generator) -> str:
    """A few logged steps, with blanks as training writes them."""
    lines = ["step,epoch,lr,train/loss,train/accuracy,validation/loss,validation/accuracy"]
    for step in range(10, steps + 1, 10):
        fall = {"finished": 0.5 + 1.8 * math.exp(-step / 40), "slow": 1.7 + 0.6 * math.exp(-step / 60)}
        loss = fall.get(status, 2.3 + 0.004 * step) * luck.uniform(0.97, 1.03)
        lines.append(f"{step},{step // 55},0.4,{loss:.4f},,,")
    return "\n".join(lines) + "\n"


def write(
    runs: Iterable[dict[str, Any]], directory: Path, statuses: dict[str, str] | None = None, seed: int = 0
) -> None:
    """Write runs and their `sweep.json`; `statuses` overrides the outcome of single runs by id."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    planned = []
    luck = np.random.default_rng(seed)
    for one in runs:
        status = status_of(one, luck)
        status = (statuses or {}).get(one["run_id"], status)
        planned.append({"run_id": one["run_id"], "overrides": one["overrides"], "grids": one["grids"]})
        content = result(one, status, luck)
        curve = metrics_csv(status, content["steps_done"], luck)
        if status == "missing":
            continue
        run = directory / one["run_id"]
        run.mkdir()
        (run / "config.yaml").write_text(yaml.safe_dump({"seed": one["seed"], "lr": one["lr"]}))
        (run / "metrics.csv").write_text(curve)
        if status == "incomplete":
            continue
        text = json.dumps(content, indent=1) + "\n"
        (run / "result.json").write_text(text[:200] if status == "damaged" else text)
    plan = {"schema_version": 1, "experiment": directory.name, "cells": planned}
    (directory / "sweep.json").write_text(json.dumps(plan, indent=1) + "\n")


def quickstart(seeds: int = 3) -> list[dict[str, Any]]:
    """Runs as `experiments/quickstart.yaml` plans them, roughly."""
    every = range(seeds)
    found = []
    for seed in every:
        for batch, factor, grid in ((64, 1, "stability"), (256, 4, "large_batch")):
            for lr in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2):
                for model, clip in (("resnet20", "none"), *(("nf_resnet20", clip) for clip in CLIPS)):
                    grids = [grid]
                    if batch == 64 and lr == 0.4:
                        grids += ["dependence"] + (["statistics"] if clip in ("none", "agc04") else [])
                    norm_batch = batch if model == "resnet20" else None
                    found.append(made(model, clip, batch, lr * factor, seed, norm_batch, grids))
        for norm_batch in (2, 4, 16):
            found.append(made("resnet20", "none", 64, 0.4, seed, norm_batch, ["statistics"]))
        for lr in (0.4, 1.6):
            for clip in ("none", "agc04"):
                found.append(
                    made(
                        "nfnet_nano",
                        clip,
                        64,
                        lr,
                        seed,
                        None,
                        ["nano"] + (["dependence"] if lr == 0.4 else []),
                    )
                )
    return found


def demo() -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The stored fixture: few runs, and every outcome."""
    found = []
    for seed in range(3):
        for lr in (0.2, 0.8, 3.2):
            for model, clip in (("resnet20", "none"), ("nf_resnet20", "none"), ("nf_resnet20", "agc01")):
                found.append(made(model, clip, 64, lr, seed, 64 if model == "resnet20" else None, ["stability"]))
        found.append(made("resnet20", "none", 64, 0.8, seed, 2, ["statistics"]))
    statuses = {one["run_id"]: "finished" for one in found if one["model"] == "resnet20" or one["clip"] == "agc01"}
    statuses |= {f"nf_resnet20-none-b64-lr{lr:g}-s{seed}": "diverged" for lr in (0.8, 3.2) for seed in range(3)}
    statuses |= {f"nf_resnet20-agc01-b64-lr0.2-s{seed}": "slow" for seed in range(3)}
    statuses |= {
        "nf_resnet20-none-b64-lr0.8-s1": "untrained",
        "nf_resnet20-none-b64-lr0.8-s2": "finished",
        "nf_resnet20-agc01-b64-lr0.8-s0": "missing",
        "nf_resnet20-none-b64-lr0.2-s0": "failed",
        "nf_resnet20-none-b64-lr0.2-s1": "damaged",
        "resnet20-none-b64-lr3.2-bn64-s2": "incomplete",
        "resnet20-none-b64-lr0.8-bn2-s2": "preempted",
    }
    return found, statuses


if __name__ == "__main__":
    runs, outcomes = demo()
    write(runs, Path(__file__).parent / "fixtures" / "sweeps" / "demo", outcomes)
