"""``evaluate.py``: what it writes is what the run's result says, however it is computed."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tests.conftest import command_line
from tests.data.images import digits_as_parquet, encoded, write_parquet

from normfree import api
from normfree.cli.main import main
from normfree.config import UserError
from normfree.evaluate.command import evaluate
from normfree.evaluate.keys import read_evaluate
from normfree.evaluate.told import suffix_of
from normfree.nets import create_model, save_weights


def evaluated(*words: str, out: Path) -> dict[str, Any]:
    every = [*words, f"out={out}"]
    evaluate(read_evaluate(every), every)
    record: dict[str, Any] = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    return record


def test_raw_and_ema_are_as_accurate_as_the_result_says(run: api.Run, tmp_path: Path) -> None:
    record = evaluated(f"run={run.path}", "kind=both", out=tmp_path)
    metrics, results = run.result["metrics"], record["results"]
    for kind, prefix in (("raw", ""), ("ema", "ema_")):
        found = results[kind]["test"]
        assert found["top1"] == metrics[f"test/{prefix}accuracy"]
        assert found["top5"] == metrics[f"test/{prefix}top5_accuracy"]
        assert found["nll"] == pytest.approx(metrics[f"test/{prefix}loss"], rel=1e-5)
        assert sum(each["correct"] for each in found["classes"]) == found["correct"]
        assert sum(each["images"] for each in found["reliability"]) == found["images"] == 1000
    assert record["data"]["digest"] == run.result["data"]["digest"]
    assert record["networks"]["raw"]["preprocessing"]["mean"] == run.result["data"]["mean"]
    assert (tmp_path / "figures" / "confusion_ema.svg").is_file()


@pytest.mark.parametrize("split", ["test", "validation"])
def test_what_workers_read_is_as_accurate_as_the_result_says(read_anew: api.Run, split: str, tmp_path: Path) -> None:
    record = evaluated(f"run={read_anew.path}", f"split={split}", out=tmp_path)
    assert record["results"]["raw"]["test"]["top1"] == read_anew.result["metrics"][f"{split}/accuracy"]
    files = pd.read_parquet(tmp_path / "predictions.parquet")["file"]
    assert files.is_unique
    assert files.str.match(rf"{'test' if split == 'test' else 'train'}-.*\.parquet, row \d+").all()


def test_labels_are_those_of_the_files(read_anew: api.Run, tmp_path: Path) -> None:
    """Zeros and ones lie there in turn."""
    for split in ("test", "validation", "train"):
        evaluated(f"run={read_anew.path}", f"split={split}", out=tmp_path / split)
        table = pd.read_parquet(tmp_path / split / "predictions.parquet")
        assert (table["file"].str.extract(r"row (\d+)")[0].astype(int) % 2 == table["label"]).all()
        assert (table["label_name"] == table["label"].map({0: "zero", 1: "one"})).all()


@pytest.mark.parametrize("devices", [1, 2])
def test_all_of_a_set_is_its_splits_one_after_another(read_anew: api.Run, tmp_path: Path, devices: int) -> None:
    words = [f"run={read_anew.path}", f"devices={devices}"]
    record = evaluated(*words, "split=all", out=tmp_path / "all")
    for split in ("train", "validation", "test"):
        evaluated(*words, f"split={split}", out=tmp_path / split)
    parts = [pd.read_parquet(tmp_path / split / "predictions.parquet") for split in ("train", "validation", "test")]
    table = pd.read_parquet(tmp_path / "all" / "predictions.parquet")
    assert table["index"].tolist() == list(range(60)), "each place once"
    for key in ("file", "label", "prediction"):
        assert table[key].tolist() == pd.concat(parts)[key].tolist()
    assert record["data"]["images"] == record["results"]["raw"]["test"]["images"] == 60
    assert "the network was trained on most of them" in (tmp_path / "all" / "index.html").read_text(encoding="utf-8")


def test_class_folders_without_splits_are_counted_whole(read_anew: api.Run, tmp_path: Path) -> None:
    for row, (content, label) in enumerate(zip(encoded("test", 7)[0], [0, 1, 0, 1, 0, 1, 0], strict=True)):
        folder = tmp_path / "images" / ("zero", "one")[label]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{row}.png").write_bytes(content)
    words = [f"run={read_anew.path}", "data=folder", f"data.root={tmp_path / 'images'}", "classes=by_name", "split=all"]
    evaluated(*words, out=tmp_path / "out")
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    names = {f"{('zero', 'one')[row % 2]}/{row}.png": ("zero", "one")[row % 2] for row in range(7)}
    assert dict(zip(table["file"], table["label_name"], strict=True)) == names


def test_a_run_may_be_moved_and_renamed(run: api.Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "of a colleague")
    record = evaluated(f"run={tmp_path / 'of a colleague'}", out=tmp_path / "out")
    assert record["results"]["raw"]["test"]["top1"] == run.accuracy


def test_no_other_evaluation_is_written_over(run: api.Run, tmp_path: Path) -> None:
    evaluated(f"run={run.path}", out=tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    for words in (["split=validation"], ["evaluate=shift", "shifts=1"], ["kind=ema"], ["size=20"]):
        with pytest.raises(UserError, match=r"holds another evaluation \(.*\); give another folder, or remove"):
            evaluated(f"run={run.path}", *words, out=tmp_path / "out")
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before
    evaluated(f"run={run.path}", "devices=2", "batch=100", out=tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=r"holds index\.html, which no evaluation made"):
        evaluated(f"run={run.path}", out=tmp_path / "mine")


def test_evaluations_of_a_network_have_folders_of_their_own(run: api.Run, tmp_path: Path) -> None:
    names = [
        suffix_of([f"run={run.path}", *words])
        for words in ([], ["split=train"], ["evaluate=test,shift"], ["data=folder", "data.root=/far/photos"])
    ]
    assert names == ["", "_split=train", "_evaluate=test,shift", "_data=folder_photos"]
    assert suffix_of([f"run={run.path}", "device=cpu", "batch=3", "out=here"]) == ""


def test_classes_that_have_numbers_for_names_are_asked_about(run: api.Run, folder: Path, tmp_path: Path) -> None:
    contents, labels = encoded("test", 20)
    for split in ("train", "test"):
        write_parquet(tmp_path / "images" / f"{split}-0.parquet", contents, labels, names=None)
    words = [f"run={run.path}", "data=parquet", f"data.root={tmp_path / 'images'}", "data.cache=off"]
    with pytest.warns(
        UserWarning, match="its classes have numbers for names, which are taken for the network's"
    ) as said:
        evaluated(*words, "classes=by_number", out=tmp_path / "out")
    assert len(said) == 1


def test_weights_that_are_not_finite_are_no_network(run: api.Run, tmp_path: Path) -> None:
    network = create_model("resnet20", num_classes=10, in_channels=1)
    with torch.no_grad():
        next(network.parameters())[0, 0, 0, 0] = float("nan")
    torch.save(network.state_dict(), tmp_path / "nan.pt")
    with pytest.raises(UserError, match="has numbers that are not finite, as after a divergence"):
        evaluated(f"weights={tmp_path / 'nan.pt'}", "model=resnet20", "data=mnist5k", out=tmp_path / "out")


def test_a_run_that_did_not_train_is_said_to_be_one(run: api.Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    result = tmp_path / "run" / "result.json"
    content = json.loads(result.read_text(encoding="utf-8"))
    (tmp_path / "run" / "checksums.sha256").unlink()
    result.write_text(json.dumps({**content, "status": "diverged", "reason": "the loss blew up"}), encoding="utf-8")
    with pytest.warns(UserWarning, match="run run is diverged: the loss blew up"):
        evaluated(f"run={tmp_path / 'run'}", out=tmp_path / "out")


def test_unreadable_images_are_left_out_and_the_others_keep_their_places(read_anew: api.Run, tmp_path: Path) -> None:
    digits_as_parquet(tmp_path / "images", 40, 20)
    contents: list[bytes | None] = list(encoded("test", 20)[0])
    contents[3] = contents[8] = b"nothing"
    write_parquet(tmp_path / "images" / "test-00000-of-00001.parquet", contents, [row % 2 for row in range(20)])
    words = [f"run={read_anew.path}", f"data.root={tmp_path / 'images'}", "data.on_error=skip", "evaluate=test,shift"]
    tables = []
    for batch in (4, 250):
        with pytest.warns(UserWarning, match="unreadable image left out"):
            record = evaluated(*words, f"batch={batch}", out=tmp_path / str(batch))
        assert (record["data"]["images"], record["data"]["left_out"]) == (18, 2)
        tables.append(pd.read_parquet(tmp_path / str(batch) / "predictions.parquet"))
    assert tables[0]["index"].tolist() == [row for row in range(20) if row not in (3, 8)]
    assert (tables[0]["label"] == tables[0]["index"] % 2).all()
    assert tables[0]["prediction"].equals(tables[1]["prediction"])


def test_classes_in_another_order_are_found_by_their_names(read_anew: api.Run, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    for split, count in (("train", 40), ("test", 20)):
        contents, labels = encoded(split, count)
        write_parquet(folder / f"{split}-0.parquet", contents, [1 - each for each in labels], names=("one", "zero"))
    words = [f"run={read_anew.path}", "data=parquet", f"data.root={folder}", "data.cache=off"]
    with pytest.raises(UserError, match=r"in another order .* add classes=by_name"):
        evaluated(*words, out=tmp_path / "no")
    record = evaluated(*words, "classes=by_name", out=tmp_path / "by_name")
    assert record["results"]["raw"]["test"]["top1"] == read_anew.accuracy
    record = evaluated(*words, "classes=by_number", out=tmp_path / "by_number")
    assert record["results"]["raw"]["test"]["top1"] == pytest.approx(1 - read_anew.accuracy)


def test_other_images_of_fewer_classes_and_in_colour(run: api.Run, folder: Path, tmp_path: Path) -> None:
    """They become grey, and have the size and the normalisation of the run's own."""
    words = [f"run={run.path}", "data=parquet", f"data.root={folder}", "classes=by_number", "data.cache=off"]
    record = evaluated(*words, out=tmp_path)
    through = record["networks"]["raw"]["preprocessing"]
    assert (through["size"], through["channels"], through["mean"]) == (14, 1, run.result["data"]["mean"])
    assert {each["name"] for each in record["results"]["raw"]["test"]["classes"] if each["images"]} == {"0", "1"}


def test_another_set_is_counted_anew_and_one_that_was_moved_is_not(read_anew: api.Run, tmp_path: Path) -> None:
    digits_as_parquet(tmp_path / "fewer", 16, 10)
    record = evaluated(f"run={read_anew.path}", f"data.root={tmp_path / 'fewer'}", out=tmp_path / "a")
    assert record["data"]["images"] == 10
    digits_as_parquet(tmp_path / "moved", 40, 20)
    for split in ("validation", "test"):
        words = [f"data.root={tmp_path / 'moved'}", f"split={split}"]
        there = evaluated(f"run={read_anew.path}", *words, out=tmp_path / f"moved {split}")
        here = evaluated(f"run={read_anew.path}", f"split={split}", out=tmp_path / f"here {split}")
        for key in ("images", "correct", "classes"):
            assert there["results"]["raw"]["test"][key] == here["results"]["raw"]["test"][key]
        assert there["data"]["images"] == {"validation": 4, "test": 20}[split]
    with pytest.raises(UserError, match=r"data\.workers=many: .* could not be converted"):
        evaluated(f"run={read_anew.path}", "data.workers=many", out=tmp_path / "no")


def test_the_same_images_from_another_loader(read_anew: api.Run, tmp_path: Path) -> None:
    """Held in memory, and named as another data set with the same classes."""
    one = evaluated(f"run={read_anew.path}", "data.loader=resident", "data.cache=off", out=tmp_path / "a")
    root = read_anew.config["data"]["root"]
    words = ["data=parquet", f"data.root={root}", "data.validation_samples=4", "data.cache=off"]
    other = evaluated(f"run={read_anew.path}", *words, out=tmp_path / "b")
    correct = round(read_anew.accuracy * 20)
    assert [each["results"]["raw"]["test"]["correct"] for each in (one, other)] == [correct, correct]
    assert f"{root}" not in (tmp_path / "b" / "index.html").read_text(encoding="utf-8")


def test_predictions_counted_again_give_the_numbers(run: api.Run, tmp_path: Path) -> None:
    record = evaluated(f"run={run.path}", out=tmp_path)
    table, found = pd.read_parquet(tmp_path / "predictions.parquet"), record["results"]["raw"]["test"]
    assert table["index"].tolist() == list(range(1000))
    assert (table["label"] == table["prediction"]).mean() == table["correct"].mean() == found["top1"]
    assert (-np.log(table["probability_of_label"])).mean() == pytest.approx(found["nll"])
    among = [label in top for label, top in zip(table["label"], table["top5"], strict=True)]
    assert np.mean(among) == found["top5"]
    assert (table["top5"].str[0] == table["prediction"]).all()
    assert "file" not in table
    classes = pd.read_csv(tmp_path / "classes.csv")
    assert classes["correct"].sum() == found["correct"]


def test_folded_gives_the_same_predictions(run: api.Run, other: api.Run, tmp_path: Path) -> None:
    for number, one in enumerate((run, other)):
        for fold in ("false", "true"):
            record = evaluated(f"run={one.path}", f"fold={fold}", out=tmp_path / f"{number}{fold}")
            assert record["networks"]["raw"]["folded"] is (fold == "true")
        plain, folded = (
            pd.read_parquet(tmp_path / f"{number}{fold}" / "predictions.parquet") for fold in ("false", "true")
        )
        assert plain["prediction"].equals(folded["prediction"])
        np.testing.assert_allclose(plain["probability"], folded["probability"], atol=1e-4)


def test_two_devices_count_as_one_does(run: api.Run, tmp_path: Path) -> None:
    words = (f"run={run.path}", "evaluate=test,corruptions,shift", "corruptions=shot_noise", "shifts=2", "batch=64")
    one, two = (evaluated(*words, f"devices={number}", out=tmp_path / str(number)) for number in (1, 2))
    assert two["provenance"]["devices"] == 2
    for name in ("corruptions", "shift"):
        for each in ("conditions",):
            first, second = one["results"]["raw"][name][each], two["results"]["raw"][name][each]
            assert counts(first) == counts(second)
    tables = [pd.read_parquet(tmp_path / str(number) / "predictions.parquet") for number in (1, 2)]
    assert tables[0]["prediction"].equals(tables[1]["prediction"])
    assert one["results"]["raw"]["test"]["correct"] == two["results"]["raw"]["test"]["correct"]


def counts(conditions: dict[str, Any]) -> list[int]:
    return [each["correct"] for found in conditions.values() for each in found.values()]


def test_two_runs_on_the_same_images(run: api.Run, other: api.Run, tmp_path: Path) -> None:
    record = evaluated(f"compare={run.path},{other.path}", out=tmp_path)
    found = record["comparison"]
    assert found["difference"] == pytest.approx(run.accuracy - other.accuracy)
    tables = [pd.read_parquet(tmp_path / f"predictions_{name}.parquet")["correct"] for name in "AB"]
    assert found["first_alone"] == (tables[0] & ~tables[1]).sum()
    assert found["second_alone"] == (~tables[0] & tables[1]).sum()
    assert sum(found[key] for key in ("both", "neither", "first_alone", "second_alone")) == 1000


def test_a_released_variant_stands_beside_its_published_accuracy() -> None:
    from tests.evaluate.test_numbers import predictions

    from normfree.evaluate.evaluators import evaluators
    from normfree.evaluate.findings import CLEAN, Judged

    found, _, _ = predictions(50, 6)
    judged = Judged("raw", {CLEAN: found}, [], "abcdef", 256, {"published_top1": 83.6})
    told = evaluators()["test"].findings(judged, read_evaluate(["run=x"]))
    assert told.numbers["published_top1"] == pytest.approx(0.836)
    assert any("Published top-1 83.6 %" in line for line in told.lines)


def test_what_an_earlier_evaluation_left_is_removed_and_nothing_else(run: api.Run, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    evaluated(f"run={run.path}", out=tmp_path)
    record = evaluated(f"run={run.path}", "mistakes=0", out=tmp_path)
    there = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert there == {*record["files"], "evaluation.json", "mine.txt"}
    assert "figures/mistakes.png" not in there


def test_a_file_of_weights_and_another_size(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    torch.manual_seed(0)
    network = create_model("resnet20", num_classes=10, in_channels=1)
    save_weights(network, file, architecture="resnet20", overrides={"num_classes": 10, "in_channels": 1})
    record = evaluated(f"weights={file}", "size=14", out=tmp_path / "out")
    assert record["networks"]["raw"]["preprocessing"]["size"] == 14
    assert record["data"]["images"] == 1000


def test_the_page_needs_no_other_file(run: api.Run, tmp_path: Path) -> None:
    answer = command_line("evaluate.py", f"run={run.path}", f"out={tmp_path / 'e'}", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    assert answer.stdout.splitlines()[-1] == str(tmp_path / "e" / "index.html")
    page = (tmp_path / "e" / "index.html").read_text(encoding="utf-8")
    assert page.count("<img") == page.count('src="data:image/') == 3
    assert "http" not in page.replace("http://www.w3.org", "")
    assert f"{100 * run.accuracy:.2f}" in page


def test_one_line_for_what_is_wrong(
    run: api.Run, read_anew: api.Run, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    of = f"run={run.path}"
    bare = tmp_path / "bare.pt"
    torch.save(create_model("resnet20", num_classes=10, in_channels=1).state_dict(), bare)
    without = tmp_path / "without"
    without.mkdir()
    (without / "config.yaml").write_bytes((run.path / "config.yaml").read_bytes())
    zeros = ["data=parquet", f"data.root={folder}"]
    for words, line in (
        ([], "run: is missing; give run=DIR, weights=FILE model=NAME, or compare=RUN_A,RUN_B"),
        ([of, f"weights={bare}"], "give one of them"),
        ([f"run={tmp_path}"], "has no config.yaml; give a run directory"),
        ([f"run={without}"], "final.ckpt: there is none; the run is incomplete"),
        ([of, "checkpoint=best"], "the run was trained without trainer.evaluate_every"),
        ([of, "evaluate=test,shfit"], "evaluate=shfit: no such evaluator, did you mean 'shift'?; there are: test"),
        (
            [of, "evaluate=corruptions", "corruptions=shot"],
            "corruptions=shot: no such corruption, did you mean 'shot_noise'?",
        ),
        ([of, "evaluate=shift", "shifts=14"], "shifts=14: the images have 14 px"),
        ([of, "size=2"], "size=2: nf_resnet20 takes images of"),
        ([of, "size=11"], "size=11: mnist5k has sizes"),
        ([of, f"out={tmp_path / 'file' / 'x'}"], f"out={tmp_path / 'file' / 'x'}: {tmp_path / 'file'} is no folder"),
        ([of, f"out={run.path}"], "is a run's own folder; give another"),
        ([of, "corruptions=fog"], "corruptions=fog: is of evaluate=corruptions; add that"),
        ([of, "shifts=1,2"], "shifts=1,2: is of evaluate=shift; add that"),
        ([f"run={tmp_path / 'no'}"], f"run={tmp_path / 'no'}: there is no such folder; give a run directory"),
        ([f"run={run.path},{read_anew.path}"], f"two are compared with compare={run.path},"),
        ([f"run={run.path / 'checkpoints' / 'final.ckpt'}"], f"lies in a run; give run={run.path}"),
        ([f"run={bare}"], f"is a file; give a run directory, or weights={bare}"),
        ([f"weights={tmp_path / 'a.onnx'}"], "an ONNX file runs in predict.py alone"),
        ([f"compare={run.path},{tmp_path / 'no'}"], f"compare={tmp_path / 'no'}: there is no such folder"),
        ([f"run={read_anew.path}", "kind=ema"], "kind=ema: run "),
        ([of, "devices=999"], "devices=999: there are"),
        ([of, *zeros], "10, which are not the same (number 0 is zero in the images and 0 to the network)"),
        ([of, "data.rot=x"], "data.rot=x: no such key of data, did you mean 'root'?"),
        ([of, "data=cifar10"], "data=cifar10: no images, data.root is not set"),
        ([of, "model=resnet20"], "a run says of which network it is"),
        ([of, "knd=ema"], "knd=ema: no such key, did you mean 'kind'?"),
        ([f"weights={bare}"], "add model=NAME"),
        ([f"weights={bare}", "model=nf_resnet20"], "weights="),
        ([f"weights={bare}", "model=resnet20", "size=28", *zeros], "has 2 classes and the network 10"),
        ([f"weights={tmp_path / 'no.pt'}", "model=resnet20"], "no such file"),
        ([f"compare={run.path}"], "give two run directories, with a comma between them"),
        ([f"compare={run.path},{run.path}"], "is the same run twice"),
        ([f"compare={run.path},{read_anew.path}"], "their images are not the same"),
        ([f"compare={run.path},{read_anew.path}", "kind=both"], "kind=both"),
    ):
        given = words if any(word.startswith("out=") for word in words) else [*words, f"out={tmp_path / 'out'}"]
        assert main(["evaluate", *given]) == 2, words
        told = capsys.readouterr().err
        assert told.startswith("error: "), told
        assert told.count("\n") == 1, told
        assert line in told, (words, told)
    assert not (tmp_path / "out" / "evaluation.json").exists()
    with pytest.raises(UserError):
        read_evaluate(["run=x", "--run=y"])


def test_an_attack_finds_no_more_images_right(run: api.Run, tmp_path: Path) -> None:
    record = evaluated(f"run={run.path}", "evaluate=test,attack", "reaches=8,64", out=tmp_path)
    found = record["results"]["raw"]["attack"]
    assert found["clean_top1"] == run.result["metrics"]["test/accuracy"]
    assert found["clean_top1"] >= found["top1_by_reach"]["8"] >= found["top1_by_reach"]["64"]
    assert found["top1_by_reach"]["64"] < found["clean_top1"]
