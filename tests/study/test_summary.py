"""What a report answers before it shows, and the threats that the runs show: sentences by rule from numbers."""

from pathlib import Path

import pandas as pd
import pytest

from normfree.report.facts import _few_images, arms_grid
from normfree.study import Collection, Study, judge
from normfree.study.experiment import parse_experiment
from normfree.study.statistics import difference_interval, mean_interval
from normfree.study.summary import summary
from normfree.study.threats import found_threats

SERIES = {"bn": {"label": "BN", "where": {"model": "bn"}}, "nf": {"label": "NF", "where": {"model": "nf"}}}


def row(
    model: str, lr: float, seed: int, accuracy: float, status: str = "finished", **other: object
) -> dict[str, object]:
    found: dict[str, object] = {
        "run_id": f"{model}-{lr}-{other.get('batch', 64)}-{seed}", "arm_id": f"{model}-{lr}-{other.get('batch', 64)}",
        "status": status, "seed": seed, "lr": lr, "model.name": model, "clip.label": "none", "clip.name": "none",
        "model.normalizer": "none" if model == "nf" else "batchnorm", "test/accuracy": accuracy, "stalled": None,
        "batch.global": other.get("batch", 64), "batch.norm_batch": None, "precision": "32-true", "steps": 100.0,
        "steps_done": 100.0, "data.name": "d", "data.train": 6400.0, "overrides": "", "grids": (),
        "time.images_per_second": other.get("rate", 100.0), "provenance.device": "CPU",
    }  # fmt: skip
    return found


def study_of(rows: list[dict[str, object]], **content: object) -> Study:
    return Study(parse_experiment({"series": SERIES, **content}, "exp"), Collection(pd.DataFrame(rows), Path()))


def arms(bn: list[float], nf: list[float]) -> list[dict[str, object]]:
    return [row("bn", 0.1, i, value) for i, value in enumerate(bn)] + [
        row("nf", 0.1, i, value) for i, value in enumerate(nf)
    ]


def test_a_difference_that_excludes_0_is_a_win() -> None:
    study = study_of(arms([0.95, 0.951, 0.949], [0.90, 0.902, 0.898]))
    interval = mean_interval([0.05, 0.049, 0.051])
    won = summary(study, [])[0]
    assert won.startswith("The most accurate is BN, at 95.0 % (n = 3): +5.0 points (95 % t interval ")
    assert (
        f"{100 * interval.low:+.1f} to {100 * interval.high:+.1f}, n = 3 paired seeds) above the next, NF, at 90.0 %"
        in won
    )


def test_a_difference_that_does_not_is_none() -> None:
    won = summary(study_of(arms([0.95, 0.90, 0.99], [0.94, 0.95, 0.93])), [])[0]
    assert won.startswith("No series wins: BN, at 94.7 % (n = 3), and NF, at 94.0 % (n = 3), differ by ")
    assert "which does not exclude 0" in won


def test_validation_chooses_the_arm_of_a_series() -> None:
    rows = arms([0.95, 0.951, 0.949], [0.90, 0.902, 0.898])
    rows += [row("bn", 0.4, seed, 0.97) for seed in range(3)]
    for one in rows:
        one["validation/accuracy"] = 0.9 if one["lr"] == 0.1 else 0.8
    won = summary(study_of(rows), [])[0]
    assert won.startswith("The most accurate is BN, at lr 0.1, 95.0 % (n = 3): ")
    assert won.endswith("each in the arm that validation chose.")
    del rows[-1]["validation/accuracy"]
    assert "at lr 0.4, 97.0 %" in summary(study_of(rows), [])[0]


@pytest.mark.parametrize(("group", "told"), [(64, False), (16, True)])
def test_the_group_of_batchnorms_statistics_is_told_where_it_is_no_batch(group: int, told: bool) -> None:
    rows = arms([0.95, 0.951, 0.949], [0.90, 0.902, 0.898])
    for one in rows:
        one["batch.norm_batch"] = group if one["model.name"] == "bn" else None
    assert ("norm_batch" in summary(study_of(rows), [])[0]) == told


def test_one_seed_tells_nothing() -> None:
    won = summary(study_of(arms([0.95], [0.90])), [])[0]
    assert "no series can be said to win" in won


def test_an_arm_of_which_a_run_failed_is_not_compared() -> None:
    """Its survivors' mean would be the highest."""
    rows = [*arms([0.9, 0.91, 0.92], [0.8, 0.81, 0.79]), row("nf", 1.6, 0, 0.99), row("nf", 1.6, 1, 0.1, "diverged")]
    sentences = summary(study_of(rows), [])
    assert sentences[0].startswith("The most accurate is BN")
    assert sentences[1] == "1 of 8 runs did not train (1 diverged, 0 untrained): NF in 1 of 5."
    assert sentences[2].startswith("1 of 3 arms have fewer than 3 seeds")


def test_what_is_left_open_is_said_first() -> None:
    claim = {"kind": "higher_accuracy", "claim": "BN is better.", "a": "bn", "b": "nf"}
    study = study_of(arms([0.95, 0.90, 0.99], [0.94, 0.95, 0.93]), claims={"c": claim})
    last = summary(study, judge(study.experiment, study.table))[2]
    assert last.startswith("Of 1 claim 0 are supported, 0 refuted and 1 left open.")
    assert last.endswith("BN is better.")


def test_nothing_to_compare() -> None:
    assert summary(study_of([row("bn", 0.1, 0, 0.1, "diverged")]), [])[0].startswith(
        "No arm has an accuracy to compare"
    )


def test_a_plainly_skewed_difference_is_resampled() -> None:
    skewed = [0.5, 0.0, 0.001, 0.002, 0.001, 0.0]
    interval, method = difference_interval(skewed)
    assert method == "bootstrap"
    assert interval == difference_interval(skewed)[0]
    assert min(skewed) <= interval.low < interval.estimate < interval.high <= max(skewed)
    assert mean_interval(skewed).low < 0 <= interval.low
    assert difference_interval([0.1, 0.12, 0.09, 0.11, 0.1])[1] == "t"
    assert difference_interval(skewed[:3])[1] == "t"


PANEL = {"p": {"kind": "accuracy_over", "title": "Batch", "x": "batch"}}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [row("bn", lr, 0, 0.9, batch=batch) for lr, batch in ((0.1, 64), (0.2, 128))],
            "Along batch (Batch) the learning rate changes as well in proportion to it, from 0.1 to 0.2",
        ),
        (
            [row("bn", lr, 0, 0.9, batch=batch) for lr, batch in ((0.1, 64), (0.3, 128))],
            "Along batch (Batch) the learning rate changes as well, from 0.1 to 0.3",
        ),
        (
            [row("bn", 0.1, 0, 0.9, batch=batch) for batch in (64, 128)],
            "passes over the training images change as well, from 1 to 2 epochs",
        ),
        (
            [row("bn", 0.1, 0, 0.9), row("bn", 0.2, 0, 0.9), row("nf", 0.1, 0, 0.9)],
            "Tuned unequally: BN with 2 learning rates, NF with 1",
        ),
        (
            [row("bn", 0.1, 0, 0.9), row("nf", 0.1, 0, 0.1, "untrained")],
            "Only networks without a normaliser have untrained runs (1)",
        ),
        (
            [row("bn", 0.1, 0, 0.9, rate=300.0), row("nf", 0.1, 0, 0.9)],
            "Unequal cost: BN took 300 images a second and NF 100",
        ),
    ],
)
def test_threats_are_found(rows: list[dict[str, object]], said: str) -> None:
    found = found_threats(study_of(rows, panels=PANEL))
    assert any(said in one for one in found), found


def test_equal_arms_are_no_threat() -> None:
    rows = [row(model, 0.1, seed, 0.9) for model in ("bn", "nf") for seed in range(3)]
    assert found_threats(study_of(rows, panels={"p": {"kind": "accuracy_over", "x": "lr"}})) == []


def test_a_network_with_several_normalisers_is_told_apart_by_them() -> None:
    rows = [row("resnet20", 0.1, 0, 0.9) | {"model.normalizer": name, "arm_id": name} for name in ("batchnorm", "frn")]
    rows.append(row("nf", 0.1, 0, 0.8))
    study = Study(parse_experiment({}, "exp"), Collection(pd.DataFrame(rows), Path()))
    assert {one.label for one in study.series} == {"resnet20, batchnorm, none", "resnet20, frn, none", "nf, none"}
    assert set(study.table["series"]) == {one.label for one in study.series}


def test_few_seeds_are_no_conclusion_and_what_validation_chose_is_said() -> None:
    two = arms([0.90, 0.92], [0.70, 0.72])
    assert summary(study_of(two), [])[0].startswith("The highest test accuracy is that of BN, at 91.0 % (n = 2): +20.0")
    assert summary(study_of(two), [])[0].endswith("; fewer seeds than 3, from which nothing is concluded.")
    rates = [
        row(model, lr, 0, accuracy) for model, lr, accuracy in (("bn", 0.1, 0.7), ("bn", 0.2, 0.8), ("nf", 0.1, 0.5))
    ]
    for one, validation in zip(rates, (0.9, 0.6, 0.5), strict=True):
        one["validation/accuracy"] = validation
    said = summary(study_of(rates), [])[0]
    assert (
        "the highest test accuracies, of each in the arm that validation chose, are those of BN, at lr 0.1, 70.0 %"
        in said
    )
    study = study_of(rates)
    marked = {row[0] or "BN": row for row in arms_grid(study).rows if any("chosen" in entry for entry in row)}
    assert [entry for entry in marked["BN"] if "chosen" in entry] == ["90.0, chosen"]
    assert len(marked) == 1


def test_epochs_that_change_along_the_learning_rate_are_a_threat() -> None:
    rows = [row("bn", 0.1, 0, 0.9), row("bn", 0.4, 0, 0.9) | {"steps": 300.0}]
    panels = {"p": {"kind": "accuracy_over", "title": "T", "x": "lr"}}
    found = found_threats(study_of(rows, panels=panels, figure=["p"]))
    assert any("Along lr (T) the passes over the training images change as well, from 1 to 3" in one for one in found)


def test_few_test_images_are_a_threat() -> None:
    rows = [one | {"data.test": images} for one in arms([0.7], [0.7]) for images in (200.0,)]
    assert any(
        "of 200 test images: one of 70 % is known to ±6.4 points" in one for one in _few_images(pd.DataFrame(rows))
    )
    assert _few_images(pd.DataFrame([one | {"data.test": 50_000.0} for one in rows])) == []


def along_normalizers() -> list[dict[str, object]]:
    """Of one network two arms that differ in the normaliser alone, and all runs of one did not train."""
    rows = []
    for name, accuracy, status in (("batchnorm", 0.44, "finished"), ("my_norms.ChannelRMS", 0.3, "untrained")):
        for seed in range(3):
            one = row("bn", 0.1, seed, accuracy, status)
            rows.append(one | {"model.normalizer": name, "arm_id": name, "run_id": f"{name}-{seed}"})
    return rows


def test_what_is_along_the_axis_is_told() -> None:
    panels = {"over": {"kind": "accuracy_over", "x": "model.normalizer", "series": ["bn"]}}
    study = study_of(along_normalizers(), panels=panels)
    best, failed, _ = summary(study, [])
    assert "at normaliser batchnorm, 44.0 % (n = 3)" in best
    assert "BN (normaliser my_norms.ChannelRMS) in 3 of 3" in failed
    told = arms_grid(study)
    place = told.columns.index("normaliser")
    assert [line[place] for line in told.rows] == ["batchnorm", "my_norms.ChannelRMS"]


def test_an_axis_that_tells_the_series_apart_is_not_told_again() -> None:
    panels = {"over": {"kind": "accuracy_over", "x": "model.name", "series": ["bn", "nf"]}}
    best = summary(study_of(arms([0.95, 0.951, 0.949], [0.90, 0.902, 0.898]), panels=panels), [])[0]
    assert best.startswith("The most accurate is BN, at 95.0 % (n = 3): ")
