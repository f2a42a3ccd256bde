"""From rows of `latency`: the paper's ratios and its figure 1."""

import pytest

from normfree.bench.latency_figure import caption, draw_figure
from normfree.bench.latency_ratios import ratio_lines, ratios_of
from normfree.bench.selection import fastest, training_rows

PLACE = {
    "what": "train", "precision": "bf16", "layout": "nhwc", "form": "eager", "update": "true", "image_size": "224",
    "batch": "2", "threads": "2", "device": "CPU", "reason": "",
}  # fmt: skip


def row(model: str, value: float | None, **other: str) -> dict[str, str]:
    times = dict.fromkeys(("value", "p10", "p90"), "" if value is None else f"{value:g}")
    return {**PLACE, "model": model, **times, **other}


ROWS = [
    row("nfnet_f1", 200),
    row("nfnet_f1", 300, precision="fp32"),
    row("efficientnet_b7", 900),
    row("efficientnet_b7", 600, precision="fp32"),
    row("nfnet_f0", 100),
    row("bn_nfnet_f0", None, reason="too large: about 9.0 GB, as counted, and 1.0 GB are free"),
    row("nfnet_f1", 1, what="infer", update=""),
]


def test_a_ratio_is_of_each_at_its_fastest() -> None:
    first, *twins = ratios_of(ROWS)
    assert (first.slower, first.faster, first.value) == ("efficientnet_b7", "nfnet_f1", 3.0)
    assert first.how == "fp32 nhwc eager over bf16 nhwc eager; in the same setting 2.00 to 4.50"
    assert {device: round(value, 1) for device, value in first.paper.items()} == {"TPUv3": 8.8, "V100": 13.1}
    assert [round(each.paper["TPUv3"], 2) for each in twins] == [1.52, 1.63, 1.34, 1.16]
    assert [each.value for each in twins] == [None] * 4
    assert twins[0].how == "bn_nfnet_f0: too large: about 9.0 GB, as counted, and 1.0 GB are free"
    assert twins[3].how == "bn_nfnet_f3: no row; nfnet_f3: no row"
    assert ratio_lines(ROWS)[0].startswith("efficientnet_b7 over nfnet_f1: 3.00 (")


def test_twins_in_one_setting() -> None:
    (_, twin, *_) = ratios_of([row("nfnet_f0", 100), row("bn_nfnet_f0", 125)])
    assert (twin.value, twin.how) == (1.25, "bf16 nhwc eager")


def test_the_fastest_is_the_least_of_a_case() -> None:
    assert [(each["model"], each["value"]) for each in fastest(ROWS)] == [
        ("nfnet_f1", "200"),
        ("efficientnet_b7", "600"),
        ("nfnet_f0", "100"),
        ("nfnet_f1", "1"),
    ]


def test_only_rows_that_may_be_compared_are() -> None:
    """Those of one device, batch, update and number of threads."""
    other = [row("nfnet_f0", 1, batch="4"), row("nfnet_f0", 2, device="GPU"), row("nfnet_f0", 3, threads="1")]
    assert training_rows([*other, *ROWS]) == ROWS[:-1]
    assert training_rows([*other, *ROWS], "GPU") == [other[1]]
    assert training_rows([*ROWS, row("nfnet_f0", 9, image_size="256")])[-1]["value"] == "9"
    assert training_rows(ROWS[-1:]) == []


def test_the_figure_is_the_same_bytes_again() -> None:
    files = draw_figure(ROWS)
    assert set(files) == {"png", "pdf", "svg"}
    assert draw_figure(ROWS) == files
    assert draw_figure([row("nfnet_f1", 201), *ROWS[1:]])["svg"] != files["svg"]


def test_the_caption_names_what_is_left_out() -> None:
    told = caption([*ROWS, row("nf_resnet50", 50)])
    assert told.endswith("No accuracy of nf_resnet50 in the paper. Not measured: bn_nfnet_f0.")


@pytest.mark.parametrize("rows", [[], [row("nfnet_nano", 3)], ROWS[5:6]])
def test_without_a_point_it_is_drawn_all_the_same(rows: list[dict[str, str]]) -> None:
    assert draw_figure(rows)["png"]
