"""Single faults in what a report reads: result.json, sweep.json, metrics.csv, clip.csv and the experiment file."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from tests.report import synthetic

from normfree.runs.clip_record import COLUMNS

NAME = "faulty"
DAMAGED, LINE, HARMLESS = "damaged", "line", "harmless"
"""What has to come of a fault: the run counts as damaged, one line and exit code 2, or a report as without it."""

_DEEP = 5000


@dataclass(frozen=True)
class Fault:
    """`apply` changes the victim's files under a folder with `runs` and `experiments`; `allowed` may come of it."""

    name: str
    apply: Callable[[Path], None]
    allowed: tuple[str, ...]


def runs() -> list[dict[str, Any]]:
    """Two arms of two seeds."""
    return [
        synthetic.made(model, clip, 64, 0.8, seed, 64 if model == "resnet20" else None, ["stability"])
        for model, clip in (("resnet20", "none"), ("nf_resnet20", "agc01"))
        for seed in (0, 1)
    ]


VICTIM = "nf_resnet20-agc01-b64-lr0.8-s0"


def experiment() -> dict[str, Any]:
    """A panel of each kind that reads other files than results, and one that does not."""
    return {
        "name": NAME,
        "question": "What comes of it?",
        "series": {
            "bn": {"label": "BN", "where": {"model.name": "resnet20"}},
            "nf": {"label": "NF", "where": {"model.name": "nf_resnet20"}},
        },
        "figure": ["accuracy", "curves"],
        "panels": {
            "accuracy": {"kind": "accuracy_over", "title": "Accuracy", "where": {"grids": "stability"}, "x": "lr"},
            "curves": {"kind": "learning_curves", "title": "Loss", "y": "train/loss"},
            "clipped": {"kind": "clipped_layers", "title": "Clipped", "series": ["nf"]},
        },
        "claims": {
            "more": {"kind": "trains_more_often", "claim": "One trains more often.", "a": "nf", "b": "bn"},
            "equal": {"kind": "equal_accuracy", "claim": "They are equal.", "a": "nf", "b": "bn", "margin": 0.01},
        },
        "rules": {"alpha": 0.05, "level": 0.95, "minimum_seeds": 2},
        "threats": ["Made up."],
    }


def clip_csv() -> str:
    rows = [",".join(COLUMNS)]
    for step in (10, 20):
        rows += [f"{step},-1,,all,10,2,0.1,0.2,0.3,0.4,0.5", f"{step},0,1,conv1,10,2,0.1,0.2,0.3,0.4,0.5"]
    return "\n".join(rows) + "\n"


def write(folder: Path) -> None:
    """The sound experiment."""
    synthetic.write(runs(), folder / "runs" / NAME, {run["run_id"]: "finished" for run in runs()})
    (folder / "runs" / NAME / VICTIM / "clip.csv").write_text(clip_csv())
    (folder / "experiments").mkdir()
    (folder / "experiments" / f"{NAME}.yaml").write_text(yaml.safe_dump({"experiment": experiment()}))


# What no field can be, whatever it is for.
_NEVER: dict[str, Any] = {
    "a list": [1],
    "a table": {"a": {"b": 1}},
    "400 digits": int("9" * 400),
    "a surrogate": "\ud800",
    "nested": None,
    "NaN": float("nan"),
    "Infinity": float("inf"),
}
_FIELDS = (
    "run_id", "arm_id", "seed", "status", "lr", "steps", "steps_done", "attempts", "precision", "reason", "traceback",
    "model.name", "model.normalizer", "model.parameters", "clip.label", "data.classes", "data.label",
    "batch.global", "batch.norm_batch", "metrics.test/accuracy", "metrics.train/final_loss",
    "batch_dependence.logits_train_vs_eval", "time.seconds", "provenance.commit", "provenance.threads",
)  # fmt: skip


def faults() -> list[Fault]:
    """All of them, each under its name."""
    return [*_of_results(), *_of_plans(), *_of_metrics(), *_of_clip_records(), *_of_experiments()]


def _result(folder: Path) -> Path:
    return folder / "runs" / NAME / VICTIM / "result.json"


def _text_of(value: Any) -> str:
    """JSON with a marker for what json cannot write."""
    return json.dumps(value).replace('"NESTED"', "[" * _DEEP + "]" * _DEEP)


def _changed(path: Callable[[Path], Path], change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        content = json.loads(path(folder).read_text())
        change(content)
        path(folder).write_text(_text_of(content))

    return apply


def _setting(field: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        *outer, last = field.split(".", 1) if not field.startswith("metrics.") else ("metrics", field[8:])
        for name in outer:
            content = content[name]
        content[last] = value

    return change


def _bytes(path: Callable[[Path], Path], content: bytes) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path(folder).write_bytes(content)

    return apply


def _of_results() -> Iterator[Fault]:
    for field in _FIELDS:
        for name, value in _NEVER.items():
            wrong = "NESTED" if name == "nested" else value
            yield Fault(f"result {field} is {name}", _changed(_result, _setting(field, wrong)), (DAMAGED,))
    for part in ("model", "clip", "data", "batch", "metrics", "time", "batch_dependence", "provenance"):
        for value in (5, "text", [1]):
            yield Fault(f"result {part}={value}", _changed(_result, _setting(part, value)), (DAMAGED,))
    for field in ("schema_version", "run_id", "arm_id", "seed", "status", "model", "data", "batch", "lr", "metrics"):
        yield Fault(f"result without {field}", _changed(_result, lambda content, f=field: content.pop(f)), (DAMAGED,))
    for field, value in (
        ("run_id", "x" * 5000), ("run_id", "../other"), ("run_id", ""), ("status", "fine"), ("status", ""),
        ("schema_version", 2), ("schema_version", True), ("schema_version", "1"), ("metrics.status", {}),
        ("metrics.test/accuracy", 17.0), ("metrics.test/accuracy", "0.9"), ("metrics.test/accuracy", True),
        ("data.classes", 0), ("data.classes", -1), ("batch.global", 0), ("lr", -1), ("seed", "0"),
    ):  # fmt: skip
        yield Fault(f"result {field} is {str(value)[:20]!r}", _changed(_result, _setting(field, value)), (DAMAGED,))
    for field, value in (
        ("grids", 5), ("overrides", 5), ("series", {"a": 1}), ("new", {"later": [1]}), ("reason", "=1+1|<b>"),
        ("model.name", "nf_resnet20"), ("clip.label", "$\\frac{"), ("data.label", "\u202e"), ("reason", "x" * 100_000),
    ):  # fmt: skip
        yield Fault(
            f"result {field} is odd: {str(value)[:20]!r}",
            _changed(_result, _setting(field, value)),
            (HARMLESS, DAMAGED),
        )
    half = json.dumps(synthetic.result(runs()[2], "finished", _luck()))
    for name, content in {
        "empty": b"",
        "blank": b" \n",
        "half": half[: len(half) // 2].encode(),
        "{}": b"{}",
        "[]": b"[]",
        "null": b"null",
        "a number": b"1",
        "a text": b'"text"',
        "zeros": b"\0" * 500,
        "no UTF-8": b"\xff\xfe" + half.encode(),
        "UTF-16": half.encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf" + half.encode(),
        "schema only": b'{"schema_version": 1}',
        "a key twice": half.replace('"seed"', '"status": "failed", "seed"').encode(),
        "nested lists": b"[" * 100_000,
        "nested tables": b'{"a":' * 100_000,
        "huge": b'{"a": "' + b"x" * (5 * 2**20) + b'"}',
        "5000 digits": half.replace('"seed": 0', f'"seed": {"9" * 5000}').encode(),
        "1e999": half.replace('"lr": 0.8', '"lr": 1e999').encode(),
    }.items():
        yield Fault(f"result is {name}", _bytes(_result, content), (DAMAGED,))
    yield Fault("result is a folder", lambda folder: _replaced(_result(folder), Path.mkdir), (DAMAGED,))
    yield Fault("result is a pipe", lambda folder: _replaced(_result(folder), os.mkfifo), (DAMAGED,))
    yield Fault(
        "result is a loop of links",
        lambda folder: _replaced(_result(folder), lambda p: p.symlink_to(p.name)),
        (DAMAGED,),
    )


def _luck() -> Any:
    import numpy as np

    return np.random.default_rng(0)


def _replaced(path: Path, make: Callable[[Path], Any]) -> None:
    path.unlink()
    make(path)


def _of_plans() -> Iterator[Fault]:
    def plan(folder: Path) -> Path:
        return folder / "runs" / NAME / "sweep.json"

    def of_cell(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
        return lambda content: content["cells"][2].__setitem__(key, value)

    for key in ("run_id", "overrides", "grids"):
        for name, value in {**_NEVER, "5": 5, "a text": "text"}.items():
            if (key, name) in (("run_id", "a text"), ("overrides", "a list of numbers")):
                continue
            wrong = "NESTED" if name == "nested" else value
            yield Fault(f"plan {key} is {name}", _changed(plan, of_cell(key, wrong)), (LINE,))
    for run in ("x" * 5000, "../other", "a/b", "", ".", "..", "a\nb", "_slurm"):
        yield Fault(f"plan run_id is {run[:10]!r}", _changed(plan, of_cell("run_id", run)), (LINE,))
    for overrides in (
        ["status=finished"],
        ["grids=5"],
        ["=1"],
        ["lr=" + "9" * 400],
        ["a=" + "[" * _DEEP],
        ["\u202e=1"],
    ):
        change = of_cell("overrides", overrides)
        yield Fault(f"plan overrides are {overrides[0][:12]!r}", _changed(plan, change), (HARMLESS,))
    for cells_ in (5, "text", {}, [1], [None], [[]], [{}]):
        yield Fault(f"plan cells are {cells_}", _changed(plan, lambda c, v=cells_: c.update(cells=v)), (LINE,))
    yield Fault("plan has a run twice", _changed(plan, lambda c: c["cells"].append(c["cells"][0])), (LINE,))
    yield Fault("plan plans nothing", _changed(plan, lambda c: c.update(cells=[])), (LINE,))
    yield Fault("plan of version 9", _changed(plan, lambda c: c.update(schema_version=9)), (LINE,))
    yield Fault("plan grids=5", _changed(plan, lambda c: c.update(grids=5)), (LINE,))
    for name, content in {
        "empty": b"",
        "null": b"null",
        "[]": b"[]",
        "no UTF-8": b"\xff",
        "nested": b"[" * 9999,
    }.items():
        yield Fault(f"plan is {name}", _bytes(plan, content), (LINE,))


def _of_metrics() -> Iterator[Fault]:
    def metrics(folder: Path) -> Path:
        return folder / "runs" / NAME / VICTIM / "metrics.csv"

    head = b"step,epoch,lr,train/loss\n"
    for name, content in {
        "empty": b"",
        "zeros": b"\0" * 100,
        "no UTF-8": b"\xff\xfe\x00",
        "no UTF-8 inside": head + b"10,0,0.1,2.3\n\xff\xff,0,0.1,2\n20,0,0.1,2\n",
        "a line cut": head + b"10,0,0.1,2.3\n20,0,0",
        "a line short": head + b"10,0,0.1\n20,0,0.1,2\n",
        "a line long": head + b"10,0,0.1,2,3\n20,0,0.1,2\n",
        "words": head + b"ten,0,0.1,two\n",
        "no number": head + b"10,0,0.1,2.3.4\n",
        "steps down": head + b"20,0,0.1,2\n10,0,0.1,2\n",
        "a step of 400 digits": head + b"9" * 400 + b",0,0.1,2\n",
        "no step": b"epoch,train/loss\n1,2\n",
        "columns twice": b"step,train/loss,train/loss\n1,2,3\n",
        "a quote that is open": head + b'10,0,0.1,"2.3\n20,0,0.1,2\n',
        "a formula": b"=1+1,step,train/loss\n@,1,2\n",
        "JSON": b'{"step": 1}',
        "a long line": b"step," + b"x" * 100_000 + b"\n",
    }.items():
        yield Fault(f"metrics {name}", _bytes(metrics, content), (DAMAGED,))
    for name, content in {"only a header": head, "nan": head + b"10,0,0.1,nan\n20,0,0.1,inf\n"}.items():
        yield Fault(f"metrics {name}", _bytes(metrics, content), (HARMLESS,))
    yield Fault("metrics is a folder", lambda folder: _replaced(metrics(folder), Path.mkdir), (DAMAGED,))
    yield Fault("metrics is a pipe", lambda folder: _replaced(metrics(folder), os.mkfifo), (DAMAGED,))
    yield Fault("metrics is gone", lambda folder: metrics(folder).unlink(), (HARMLESS, DAMAGED))


def _of_clip_records() -> Iterator[Fault]:
    def record(folder: Path) -> Path:
        return folder / "runs" / NAME / VICTIM / "clip.csv"

    good = clip_csv()
    for name, content in {
        "no UTF-8": b"\xff\xfe",
        "another header": good.replace("depth", "death").encode(),
        "a line cut": good[:-12].encode(),
        "a line short": good.replace("10,-1,,all", "10,-1,all").encode(),
        "words": good.replace("20,0,1,conv1,10", "20,0,1,conv1,ten").encode(),
        "a step of 400 digits": good.replace("20,", "9" * 400 + ",").encode(),
        "zeros": b"\0" * 200,
        "nan for a count": good.replace("conv1,10", "conv1,nan").encode(),
    }.items():
        yield Fault(f"clip record {name}", _bytes(record, content), (DAMAGED,))
    yield Fault("clip record empty", _bytes(record, b""), (HARMLESS, DAMAGED))
    yield Fault("clip record is gone", lambda folder: record(folder).unlink(), (HARMLESS,))


_WRONG_VALUES = {"5": 5, "a list": [1], "a table": {"a": {"b": 1}}, "NaN": float("nan"), "400 digits": int("9" * 400)}


def _of_experiments() -> Iterator[Fault]:
    def file(folder: Path) -> Path:
        return folder / "experiments" / f"{NAME}.yaml"

    def changed(place: tuple[str, ...], value: Any) -> Callable[[Path], None]:
        content = copy.deepcopy(experiment())
        inner = content
        for name in place[:-1]:
            inner = inner[name]
        inner[place[-1]] = value
        return _bytes(file, yaml.safe_dump({"experiment": content}).encode("utf-8", "surrogatepass"))

    for place in (
        ("series",), ("panels",), ("figure",), ("claims",), ("rules",), ("threats",), ("question",),
        ("series", "bn"), ("series", "bn", "where"), ("series", "bn", "where", "lr"), ("series", "bn", "label"),
        ("panels", "accuracy"), ("panels", "accuracy", "kind"), ("panels", "accuracy", "title"),
        ("panels", "accuracy", "where"), ("panels", "accuracy", "x"), ("panels", "accuracy", "x_label"),
        ("panels", "accuracy", "series"), ("panels", "curves", "y"), ("panels", "curves", "y_scale"),
        ("claims", "equal"), ("claims", "equal", "a"), ("claims", "equal", "margin"), ("claims", "equal", "where"),
        ("claims", "more", "minimum_runs"), ("claims", "more", "kind"), ("claims", "more", "claim"),
        ("rules", "alpha"), ("rules", "level"), ("rules", "minimum_seeds"),
    ):  # fmt: skip
        for name, value in _WRONG_VALUES.items():
            yield Fault(f"experiment {'.'.join(place)} is {name}", changed(place, value), (LINE, HARMLESS))
    for place, value in (
        (("series", "bn", "label"), "$\\frac{"), (("panels", "accuracy", "title"), "x" * 6000),
        (("question",), "a\x07b"), (("panels", "../../out"), experiment()["panels"]["curves"]),
        (("panels", "a/b"), experiment()["panels"]["curves"]), (("figure",), ["curves"] * 40),
        (("series", "bn", "where", "lr"), {"min": "a"}), (("series", "bn", "where", "lr"), {"low": 1}),
        (("series", "bn", "where", "no_factor"), 1), (("claims", "more", "minimum_runs"), 1e300),
    ):  # fmt: skip
        yield Fault(f"experiment {'.'.join(place)} is {str(value)[:12]!r}", changed(place, value), (LINE, HARMLESS))
    aliases = "".join(f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]\n" for last, name in pairwise("abcdefghi"))
    for name, content in {
        "empty": b"",
        "a list": b"- 1\n",
        "no UTF-8": b"experiment: \xff\n",
        "no YAML": b"experiment: [1\n",
        "a tab": b"experiment:\n\tname: a\n",
        "an alias bomb": f"a: &a [x]\n{aliases}experiment: {{question: *i}}\n".encode(),
        "nested lists": b"experiment: " + b"[" * 20_000,
        "nested tables": b"experiment: " + b"{a: " * 20_000,
        "an alias of itself": b"experiment: &a {panels: *a}\n",
        "an unknown alias": b"experiment: *a\n",
        "a Python object": b"experiment: !!python/object/apply:os.system ['true']\n",
        "an unknown interpolation": b"experiment: {question: '${nowhere}'}\n",
        "an interpolation of itself": b"experiment: {question: '${experiment.question}'}\n",
        "interpolations that double": b"experiment:\n  a0: xxxxxxxxxx\n"
        + b"".join(f"  a{i + 1}: ${{.a{i}}}${{.a{i}}}\n".encode() for i in range(60))
        + b"  question: ${.a60}\n",
        "a key twice": b"experiment: {question: a, question: b}\n",
        "huge": b"experiment: {question: '" + b"x" * (2 * 2**20) + b"'}\n",
    }.items():
        yield Fault(f"experiment file is {name}", _bytes(file, content), (LINE,))
