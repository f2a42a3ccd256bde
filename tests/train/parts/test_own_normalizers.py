"""``model.normalizer=FILE.NAME``: one of the user's own stands beside those of the package."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from tests.train import own_normalizers

from normfree.config import Resolved, UserError, resolve_stored
from normfree.config.normalizers import own
from normfree.nets import count_parameters, create_model
from normfree.runs import RunDirectory, run_id
from normfree.runs.factors import factors_of
from normfree.slurm.submission import read_run, run_file, take_snapshot
from normfree.sweep.stored import permit_target
from normfree.train.parts.network import build_network, network_cost
from normfree.train.plan import describe_plan
from normfree.train.run import run_one

OWN = "tests.train.own_normalizers"
RESNET = ("model=resnet20", "clip=none")
Tiny = Callable[..., Resolved]


def words(name: str) -> tuple[str, ...]:
    return (*RESNET, f"model.normalizer={OWN}.{name}")


def test_a_run_with_one(tiny: Tiny) -> None:
    run = tiny(*words("ImageRMS"))
    assert run_id(run).startswith("resnet20_ImageRMS-none-")
    assert run.norm_batch is None
    result = run_one(run, [])
    assert result["model"]["normalizer"] == f"{OWN}.ImageRMS"
    assert result["status"] in ("finished", "untrained")
    assert (RunDirectory.of(run).path / "attempts/1/own_code/tests/train/own_normalizers.py").is_file()
    assert factors_of(run)["model.source"].startswith("tests.train.own_normalizers@")  # type: ignore[union-attr]


def test_it_stands_where_batchnorm_stood(tiny: Tiny) -> None:
    network = build_network(tiny(*words("ImageRMS")))
    layers = [each for each in network.modules() if isinstance(each, own_normalizers.ImageRMS)]
    plain = build_network(tiny(*RESNET))
    assert len(layers) == sum(isinstance(each, torch.nn.BatchNorm2d) for each in plain.modules())
    assert network_cost(tiny(*words("ImageRMS"))).parameters == count_parameters(plain)
    network(torch.rand(2, 1, 7, 7)).sum().backward()


def test_the_first_weights_are_those_of_every_other_normaliser(tiny: Tiny) -> None:
    torch.manual_seed(0)
    mine = build_network(tiny(*words("ImageRMS"))).state_dict()
    torch.manual_seed(0)
    other = build_network(tiny(*RESNET, "model.normalizer=layernorm")).state_dict()
    assert all(torch.equal(mine[key], other[key]) for key in mine if key.endswith("conv1.weight"))


def test_what_it_gives_may_be_kept_by_autograd(tiny: Tiny) -> None:
    build_network(tiny(*words("Squashed")))(torch.rand(2, 1, 7, 7)).sum().backward()


def test_a_normalizer_says_more_than_a_layer(tiny: Tiny) -> None:
    run = tiny(*words("whole"))
    assert run.norm_batch == run.micro_batch
    assert "whole statistics over" in describe_plan(run)
    network = build_network(tiny(*words("replacing")))
    assert not any(isinstance(each, torch.nn.ReLU) for each in network.modules())
    assert create_model("resnet20", 10, normalizer=own_normalizers.whole).normalizer == "anything"  # type: ignore[comparison-overlap]


def test_a_stored_run_starts_no_code_to_know_what_it_sees(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tiny(*words("ImageRMS"))
    content = asdict(run.config)
    monkeypatch.setattr(own, "imported", lambda *_, **__: pytest.fail("imported"))
    assert run_id(resolve_stored(content)) == run_id(run)
    content["model"]["normalizer_sees"] = None
    with pytest.raises(UserError, match="a stored configuration: leaves open what tests"):
        resolve_stored(content)


def test_another_source_is_another_run(tmp_path: Path, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "my_own_norms.py"
    source = Path(own_normalizers.__file__).read_text(encoding="utf-8")
    names = []
    for version in (source, f"{source}\n# another\n"):
        file.write_text(version, encoding="utf-8")
        names.append(run_id(tiny(*RESNET, "model.normalizer=my_own_norms.ImageRMS")))
    assert names[0] != names[1]


def test_a_snapshot_has_its_source(tiny: Tiny, tmp_path: Path) -> None:
    run = tiny(*words("ImageRMS"))
    folder = take_snapshot(tmp_path / "experiment", [(run, [])])
    assert (folder / "code/tests/train/own_normalizers.py").is_file()
    assert run_id(read_run(run_file(folder, run_id(run)))[0]) == run_id(run)


def test_a_foreign_plan_names_it_in_vain(tmp_path: Path) -> None:
    plan, mine = tmp_path / "sweep.json", "model.normalizer=theirs.Norm"
    permit_target(["model.normalizer=groupnorm"], plan, {})
    with pytest.raises(UserError, match=r"^model.normalizer=theirs.Norm comes from .*sweep.json; look at it"):
        permit_target([mine], plan, {})
    permit_target([mine], plan, {"model.normalizer": ["theirs.Norm"]})


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            words("Unsaid"),
            r"own_normalizers.Unsaid: does not say what its statistics see; give the class sees = 'batch'",
        ),
        (words("Odd"), r"Odd: sees='weather' does not say what"),
        (words("groupnorm"), r"groupnorm: normfree has a normaliser groupnorm, and runs are named by it"),
        (words("number"), r"number: is 3; name a layer"),
        (words("none_such"), r"none_such: tests.train.own_normalizers has no none_such; there are: "),
        (words("Unmade"), r"Unmade: called with 32 channels: KeyError: 32; traceback in "),
        (words("Raises"), r"Raises: RuntimeError: not today; traceback in "),
        (
            words("OneNumber"),
            r"OneNumber: gives a tensor \[\] for one of \[2, 32, 4, 4\], and must give one of the same",
        ),
        (words("text"), r"text: gives a str, and must give a torch.nn.Module"),
        ((*RESNET, "model.normalizer=no_such_file.A"), r"no_such_file.A: no module named no_such_file; start where"),
        ((*words("ImageRMS"), "model.normalizer_sees=batch"), r"model.normalizer_sees=batch: .*ImageRMS says sample"),
        ((f"model.normalizer={OWN}.ImageRMS",), r"nf_resnet20 takes no other normaliser than its own"),
        ((*words("ImageRMS"), "model.ghost_batch=5"), r"has no BatchNorm but ImageRMS, which sees a sample by itself"),
        ((*words("replacing"), "model.activation=relu"), r"activation=relu: all of it is the nonlinearity too"),
    ],
)
def test_what_is_wrong_is_one_line(asked: tuple[str, ...], said: str, tiny: Tiny) -> None:
    with pytest.raises(UserError, match=said) as told:
        build_network(tiny(*asked))
    assert "\n" not in str(told.value)
    assert str(told.value).startswith("model.")
