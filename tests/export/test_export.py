"""``export.py``: what is written computes what the run's network does, says what it is, and is never half there."""

import json
import os
import resource
import signal
from pathlib import Path

import pytest
import torch
from tests.conftest import command_line
from tests.evaluate.conftest import WORDS
from torch import Tensor

from normfree import api
from normfree.cli.main import main
from normfree.config import UserError, resolve_stored
from normfree.data.readers import arrays_of
from normfree.export import checking
from normfree.export.command import export
from normfree.export.formats import formats
from normfree.export.keys import read_export
from normfree.nets import create_model
from normfree.trained import from_file, from_onnx, from_run

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, api.Run]:
    folder = tmp_path_factory.mktemp("runs")
    kinds = {"nf_resnet20": "agc", "resnet20": "none"}
    return {
        model: api.run([f"model={model}", f"clip={clip}", *WORDS, f"runs_dir={folder}"], progress=False)
        for model, clip in kinds.items()
    }


@pytest.fixture(scope="module")
def pixels(runs: dict[str, api.Run]) -> Tensor:
    """All test images, uint8."""
    return arrays_of(resolve_stored(dict(runs["resnet20"].config)).config.data)[0]["test"][0]


@pytest.mark.parametrize("model", ["nf_resnet20", "resnet20"])
@pytest.mark.parametrize("form", ["onnx", "torch_export", "safetensors"])
def test_all_test_images_are_classified_as_by_the_run(
    form: str, model: str, runs: dict[str, api.Run], pixels: Tensor, tmp_path: Path
) -> None:
    run, module = runs[model], formats()[form]
    out = tmp_path / f"network{module.SUFFIX}"
    assert export(read_export([f"run={run.path}", f"format={form}", "kind=ema", f"out={out}"])) == 0
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    trained = from_run(run.path, weights="ema")
    computed = module.read(out)
    inputs, expected = trained.preprocessing.normalised(pixels), trained.logits(pixels)
    found = computed(inputs)
    assert torch.equal(found.argmax(1), expected.argmax(1))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(computed(inputs[:1]), expected[:1], rtol=1e-4, atol=1e-4)


def test_an_onnx_file_has_the_surface_of_a_run(runs: dict[str, api.Run], pixels: Tensor, tmp_path: Path) -> None:
    run, out = runs["nf_resnet20"], tmp_path / "network.onnx"
    export(read_export([f"run={run.path}", f"out={out}"]))
    trained, found = from_run(run.path), from_onnx(out, threads=1)
    for name in ("classes", "preprocessing", "model", "name"):
        assert getattr(found, name) == getattr(trained, name), name
    assert found.about == {**found.about, "weights": "raw", "checkpoint": "final", "folded": True}
    torch.testing.assert_close(found.probabilities(pixels[:7]), trained.probabilities(pixels[:7]), rtol=1e-4, atol=1e-5)
    assert found.folded().at(14) is found
    with pytest.raises(UserError, match="the file is for 14 px"):
        found.at(28)
    import onnx

    told = {entry.key: entry.value for entry in onnx.load(out).metadata_props}
    assert json.loads(told["classes"]) == [str(digit) for digit in range(10)]
    assert told["run"] == run.run_id
    (images,) = onnx.load(out).graph.input
    assert images.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert [each.dim_value for each in images.type.tensor_type.shape.dim[1:]] == [1, 14, 14]


def test_metadata_lies_in_the_other_files_too(runs: dict[str, api.Run], pixels: Tensor, tmp_path: Path) -> None:
    run = runs["nf_resnet20"]
    for form, out in (("torch_export", tmp_path / "a.pt2"), ("safetensors", tmp_path / "a.safetensors")):
        export(read_export([f"run={run.path}", f"format={form}", f"out={out}", "images=20"]))
    extra = {"normfree.json": ""}
    torch.export.load(tmp_path / "a.pt2", extra_files=extra)
    told = json.loads(extra["normfree.json"])
    trained, again = from_run(run.path), from_file(tmp_path / "a.safetensors")
    assert told["run"] == run.run_id
    assert json.loads(told["preprocessing"])["size"] == 14
    assert (again.preprocessing, again.classes) == (trained.preprocessing, trained.classes)
    assert torch.equal(again.logits(pixels[:50]), trained.logits(pixels[:50]))


def test_an_exported_file_is_exported_and_evaluated_in_its_turn(runs: dict[str, api.Run], tmp_path: Path) -> None:
    run, weights = runs["nf_resnet20"], tmp_path / "weights.safetensors"
    export(read_export([f"run={run.path}", "format=safetensors", f"out={weights}"]))
    assert main(["evaluate", f"weights={weights}", f"out={tmp_path / 'e'}"]) == 0
    record = json.loads((tmp_path / "e" / "evaluation.json").read_text(encoding="utf-8"))
    assert record["results"]["raw"]["test"]["top1"] == run.accuracy
    assert main(["export", f"weights={weights}", f"out={tmp_path / 'again.onnx'}"]) == 0
    assert from_onnx(tmp_path / "again.onnx").name == "weights.safetensors"


def test_another_size(runs: dict[str, api.Run], tmp_path: Path) -> None:
    export(read_export([f"run={runs['resnet20'].path}", "size=28", f"out={tmp_path / 'large.onnx'}", "images=20"]))
    assert from_onnx(tmp_path / "large.onnx").preprocessing.size == 28


def test_a_file_that_computes_something_else_is_not_written(
    runs: dict[str, api.Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "network.onnx"
    out.write_bytes(b"earlier")
    module = formats()["onnx"]
    read = module.read
    monkeypatch.setattr(module, "read", lambda path: lambda images: read(path)(images).roll(1, 1))
    with pytest.raises(UserError, match=r"was not written; it gives .* of 250 images another class"):
        export(read_export([f"run={runs['resnet20'].path}", f"out={out}"]))
    assert (out.read_bytes(), os.listdir(tmp_path)) == (b"earlier", [out.name])


def test_numbers_that_are_none_are_another_result(runs: dict[str, api.Run], pixels: Tensor) -> None:
    trained = from_run(runs["resnet20"].path)
    inputs = trained.preprocessing.normalised(pixels[:5])

    def nothing(images: Tensor) -> Tensor:
        return torch.full((len(images), 10), torch.nan)

    with pytest.raises(UserError, match="was not written"):
        checking.check(nothing, trained, inputs, Path("a.onnx"))


def test_the_script_says_what_it_wrote(runs: dict[str, api.Run], tmp_path: Path) -> None:
    answer = command_line("export.py", f"run={runs['nf_resnet20'].path}", cwd=tmp_path)
    assert (answer.returncode, answer.stderr) == (0, "")
    *_, compared, last = answer.stdout.splitlines()
    assert last == f"exports/{runs['nf_resnet20'].run_id}.onnx"
    assert (tmp_path / last).is_file()
    assert compared.startswith("read back and compared on 250 real images: the same class for every one")


def test_one_line_for_what_is_wrong(
    runs: dict[str, api.Run], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "no.onnx").write_bytes(b"nothing")
    of = f"run={runs['resnet20'].path}"
    bare = tmp_path / "bare.pt"
    torch.save(create_model("resnet20", num_classes=10, in_channels=1).state_dict(), bare)
    cases = [
        ([], "run: is missing; give run=DIR, or weights=FILE model=NAME"),
        ([of, f"weights={bare}"], "give one of them"),
        (
            [of, "format=onx"],
            "format=onx: no such format, did you mean 'onnx'?; there are: onnx, torch_export",
        ),
        ([of, f"out={tmp_path}"], "is a folder; give a file, such as out="),
        ([of, f"out={tmp_path / 'a.pt2'}"], "a file of this format ends in .onnx; write out="),
        ([of, f"out={tmp_path / 'file' / 'a.onnx'}"], f"a.onnx: {tmp_path / 'file'} is no folder; give another"),
        ([of, "size=2"], "size=2: resnet20 takes images of"),
        ([of, "checkpoint=best"], "the run was trained without trainer.evaluate_every"),
        ([of, "evaluate=test"], "evaluate=test: no such key"),
        ([f"weights={bare}", "model=nf_resnet20"], "weights="),
        ([f"run={tmp_path}"], "give a run directory"),
    ]
    for words, line in cases:
        given = words if any(word.startswith("out=") for word in words) else [*words, f"out={tmp_path / 'a.onnx'}"]
        assert main(["export", *given]) == 2, words
        told = capsys.readouterr().err
        assert told.startswith("error: "), told
        assert told.count("\n") == 1, told
        assert line in told, (words, told)
    assert not (tmp_path / "a.onnx").exists()
    with pytest.raises(UserError, match="no ONNX file, or a damaged one"):
        from_onnx(tmp_path / "no.onnx")
    with pytest.raises(UserError, match="no such file"):
        from_onnx(tmp_path / "absent.onnx")
    monkeypatch.setattr("normfree.export.formats.find_spec", lambda name: None)
    assert main(["export", of, "format=openvino"]) == 2
    assert "needs openvino, which is not installed; pip install 'normfree[openvino]'" in capsys.readouterr().err


@pytest.mark.parametrize("form", sorted(formats()))
def test_a_full_disk_is_one_line(
    form: str, runs: dict[str, api.Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of a disk that takes 20,000 bytes of a file; torch's own writer would end the process."""
    if form == "openvino":
        pytest.importorskip("openvino")
    out = tmp_path / f"network{formats()[form].SUFFIX}"
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        code = main(["export", f"run={runs['resnet20'].path}", f"format={form}", f"out={out}"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert code == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: out={out}: cannot be written (")
    assert told.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_file_may_be_read_by_whom_others_may_be(runs: dict[str, api.Run], tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    export(read_export([f"run={runs['resnet20'].path}", "format=safetensors", f"out={tmp_path / 'a.safetensors'}"]))
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_openvino(runs: dict[str, api.Run], pixels: Tensor, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    out = tmp_path / "network.xml"
    export(read_export([f"run={runs['nf_resnet20'].path}", "format=openvino", f"out={out}"]))
    trained = from_run(runs["nf_resnet20"].path)
    found = formats()["openvino"].read(out)(trained.preprocessing.normalised(pixels[:9]))
    torch.testing.assert_close(found, trained.logits(pixels[:9]), rtol=1e-3, atol=1e-3)
