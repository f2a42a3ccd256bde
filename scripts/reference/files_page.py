"""Every file that a run, a sweep, a report and an evaluation leave, and what is in it."""

from pathlib import Path

from normfree.evaluate.folder import RECORD
from normfree.export.formats.torch_export_format import METADATA
from normfree.runs.attempts import FOLDER, OWN_CODE, TRACEBACK
from normfree.runs.checksums import CHECKSUMS
from normfree.runs.directory import RunDirectory
from normfree.runs.plan import PLAN
from normfree.runs.result import Result
from normfree.slurm.submission import MANIFEST, REFUSED
from normfree.study.stored import ABOUT, CLIPS, CURVES, ROWS
from normfree.sweep.trials.journal import JOURNAL
from normfree.sweep.trials.record import LATENCY_FILE, TRIALS_FILE

_RUN = RunDirectory(Path())
RUN = {
    _RUN.config.name: "the configuration, resolved: every key with the value that was used",
    _RUN.overrides.name: "what was typed",
    _RUN.environment.name: "commit, versions, hardware, command and start of the newest attempt",
    _RUN.difference.name: "what was changed in the clone and not committed, where anything was",
    _RUN.metrics.name: "a row every `trainer.log_every` steps: loss, accuracy, learning rate, norms, clipping, speed",
    _RUN.clip_record.name: "with `clip=agc`: of each layer, the units that were clipped, and quantiles of their ratios",
    "clipping.png": "the figure of that, of a run by itself",
    _RUN.result.name: "what came out: the outcome with its reason, measurements, times, digest of the data, provenance",
    f"{_RUN.checkpoints.name}/final.ckpt": "the weights after the last step, and their moving average if one was kept",
    f"{_RUN.checkpoints.name}/best.ckpt": "with `trainer.evaluate_every`: the best on validation images",
    f"{_RUN.checkpoints.name}/last.ckpt": "to go on from; `previous.ckpt` the one before, `new.ckpt` half written",
    f"{FOLDER}/1/environment.json": "of each attempt, by its number, what it worked with",
    f"{FOLDER}/1/{CHECKSUMS}": "of the files of the attempt",
    f"{FOLDER}/1/{_RUN.difference.name}": "as above, of the attempt",
    f"{FOLDER}/1/{TRACEBACK}": "of an attempt that failed",
    f"{FOLDER}/1/{OWN_CODE}/": "the files of your own network, data set, optimizer or clipper, as they were",
    _RUN.wandb_id.name: "with `logger=wandb`: the run there, which is gone on with",
    "lock": "held by the process that writes the run",
    CHECKSUMS: "of every file that is not written any more; compared when it is read",
}
SWEEP = {
    "<run>/": "a run each, named by what it is, with a hash of all that can change its result",
    PLAN: "every planned run with its factors; what the sweep adds to is here",
    ".sweep.lock": "held while the plan is written",
    "worker0.log": "what each worker process said",
    MANIFEST: "of a sweep on SLURM: what was submitted",
    REFUSED: "of one: what SLURM did not take, and why",
    JOURNAL: "of a search: Optuna's trials",
    TRIALS_FILE: "of a search: its trials as reports read them",
    LATENCY_FILE: "of a search: what was timed",
}
REPORT = {
    "report.md": "the report, for a code host and this site",
    "report.html": "the same as one file that needs no other and no network",
    "figures/main.png": "the main figure; every figure also as PDF and SVG",
    ROWS: "a row for every planned run: outcome, factors, measurements, commit, hardware",
    "arms.csv": "a row for every arm: seeds planned and trained, mean, interval",
    "series.csv": "a row for every series of a panel",
    "failures.csv": "every run that did not train, and why",
    CURVES: "what learning curves are drawn from: a row a point of the loss, or another column, of a run's record",
    CLIPS: "what figures of clipping are drawn from, where there is one",
    TRIALS_FILE: "of a search: its trials",
    LATENCY_FILE: "of a search: what was timed",
    ABOUT: "which runs were read, with their digests; `check=true` makes the report again from these files",
}
EVALUATION = {
    "index.html": "the page, which needs no other file",
    RECORD: "all numbers, with the checksum of the weights, the digest of the data, versions and preprocessing",
    "classes.csv": "a row for every class",
    "predictions.parquet": "a row for every image",
    "figures/confusion.png": "the figures, also as PDF and SVG",
}


def page() -> str:
    """Markdown of docs/reference/files.md."""
    return "\n".join(
        [
            "# Files\n",
            "Everything is a plain file: CSV, JSON, YAML, PNG. Nothing else keeps state, and a folder can be moved.\n",
            *_table("A run: `runs/<experiment>/<run>/`", RUN),
            "Of `result.json`, the keys:\n",
            ", ".join(f"`{name}`" for name in Result.__annotations__) + ".\n",
            "Where the outputs of the network are not finite, `chance` and `batch_dependence` are `null`, and",
            "`metrics` has losses and no accuracies: those would be of whatever class comes first.\n",
            *_table("A sweep: `runs/<experiment>/`", SWEEP),
            *_table("A report: `reports/<experiment>/`", REPORT),
            *_table("An evaluation: `evaluations/<run>/`", EVALUATION),
            "With `kind=both`, which takes the moving average beside the weights as trained, each of these is there",
            "twice: `classes_raw.csv` of the weights as trained and `classes_ema.csv` of the average,",
            "`predictions_raw.parquet`, `figures/confusion_raw.png`, and so on.\n",
            "## An export: `exports/`\n",
            "One file each, as [the table of formats](../using.md#export) has them; its classes, preprocessing, run",
            f"and checksum lie in it (`{METADATA}` within a `.pt2`).",
            "",
        ]
    )


def _table(title: str, files: dict[str, str]) -> list[str]:
    return [
        f"## {title}\n",
        "| file | what is in it |",
        "|---|---|",
        *(f"| `{a}` | {b} |" for a, b in files.items()),
        "",
    ]
