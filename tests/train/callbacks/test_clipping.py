"""The callback: once a step, what it refuses, a user's own clipper."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import FSDPStrategy
from tests.conftest import resolved
from tests.train import own_clipping
from torch import nn

from normfree.config import Resolved, UserError
from normfree.config.schema import ClipConfig
from normfree.runs import RunDirectory, run_id
from normfree.train.callbacks import GradientClipping
from normfree.train.parts.instantiate import clipper_of
from normfree.train.plan import describe_plan
from normfree.train.run import run_one

OWN = "tests.train.own_clipping"
AGC = ClipConfig(name="agc", clip_factor=0.01, eps=1e-3, unit="deepmind", scope="all")


class Small(pl.LightningModule):
    """A regression without a classifier, an activation or anything of normfree."""

    def __init__(self, fused: bool = False) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.fused = fused

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        return self.layer(batch[0]).pow(2).sum() * 1e3

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 1e-6, fused=self.fused)


def train(callback: pl.Callback, module: pl.LightningModule | None = None, **options: Any) -> None:
    images = torch.utils.data.TensorDataset(torch.randn(12, 4))
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", callbacks=[callback], enable_model_summary=False, **quiet, **options
    )
    trainer.fit(module or Small(), torch.utils.data.DataLoader(images, batch_size=2))


@pytest.fixture(autouse=True)
def quiet_lightning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytorch_lightning.trainer.connectors.data_connector.rank_zero_warn", lambda *_, **__: None)
    own_clipping.CALLS.clear()


def test_the_floor_is_that_of_its_scope() -> None:
    class Gained(Small):
        def __init__(self) -> None:
            super().__init__()
            self.skip_gain = nn.Parameter(torch.zeros(()))

        def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
            return (self.skip_gain + self.layer.bias.sum()) * 1e3

    module = Gained()
    nn.init.zeros_(module.layer.bias)
    clipping = GradientClipping(ClipConfig(**{**vars(AGC), "eps": 0.1, "eps_scope": "skip_gains"}))
    train(clipping, module, max_steps=1)
    limits = {
        place: round(float(limit), 9)
        for part in clipping.statistics.parts  # type: ignore[union-attr]
        for (place, _), limit in zip(part.owners, part.limit, strict=True)
    }
    names = [name for name, _ in module.named_parameters()]
    assert {names[place]: limit for place, limit in limits.items()} == {"skip_gain": 1e-3, "layer.bias": 1e-5}


@pytest.mark.parametrize(("accumulation", "calls"), [(1, 6), (2, 3), (3, 2)])
def test_once_an_optimizer_step(accumulation: int, calls: int) -> None:
    own = ClipConfig(name="custom", _target_=f"{OWN}.halve")
    train(GradientClipping(own), accumulate_grad_batches=accumulation, log_every_n_steps=1)
    assert [2] * calls == own_clipping.CALLS


def test_gradients_of_the_whole_group_are_clipped() -> None:
    clipping = GradientClipping(AGC)
    train(clipping, accumulate_grad_batches=3, log_every_n_steps=1)
    assert clipping.statistics is not None
    assert clipping.statistics.units == 3
    assert float(clipping.statistics.norm_after) < 0.1 * float(clipping.statistics.norm_before)


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"^clip=agc and trainer.gradient_clip_val=1.0: gradients would be clipped twi"):
        train(GradientClipping(AGC), gradient_clip_val=1.0)
    train(GradientClipping(ClipConfig(name="none")), gradient_clip_val=1.0, log_every_n_steps=1)

    trainer = pl.Trainer(logger=False, accelerator="cpu", enable_checkpointing=False)
    monkeypatch.setattr(pl.Trainer, "strategy", FSDPStrategy.__new__(FSDPStrategy))
    with pytest.raises(UserError, match=r"^clip=agc and strategy=FSDPStrategy: each device has a piece"):
        GradientClipping(AGC).setup(trainer, Small(), "fit")


def test_a_fused_optimizer_with_float16_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl.Trainer, "precision", "16-mixed")
    with pytest.raises(UserError, match=r"^clip=agc, precision=16-mixed and a fused optimizer: .* use precision=bf16"):
        train(GradientClipping(AGC), Small(fused=True), log_every_n_steps=1)
    monkeypatch.setattr(pl.Trainer, "precision", "bf16-mixed")
    train(GradientClipping(AGC), Small(fused=True), log_every_n_steps=1)


def test_a_model_without_a_classifier_needs_the_whole_scope() -> None:
    clip = ClipConfig(name="agc", clip_factor=0.01, eps=1e-3, unit="deepmind", scope="deepmind")
    with pytest.raises(UserError, match=r"^clip: Small has no module named 'classifier'; clip with scope='all'$"):
        train(GradientClipping(clip))


def test_an_own_function_in_a_run(tiny: Callable[..., Resolved]) -> None:
    run = tiny("clip=custom", f"clip._target_={OWN}.halve", "clip.arguments={share: 0.25}")
    assert run_one(run, [])["status"] in ("finished", "untrained", "diverged")
    assert len(own_clipping.CALLS) == run.steps
    with RunDirectory.of(run).metrics.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["grad/norm_before"]]
    assert rows
    for row in rows:
        assert float(row["grad/norm_after"]) == pytest.approx(0.25 * float(row["grad/norm_before"]))


def test_an_own_class_keeps_its_state() -> None:
    clipping = GradientClipping(ClipConfig(name="custom", _target_=f"{OWN}.Fading", arguments={"max_norm": 8.0}))
    train(clipping, log_every_n_steps=1)
    assert clipping.statistics is not None
    assert float(clipping.statistics.norm_after) == pytest.approx(8 / 2**6, rel=1e-3)


@pytest.mark.parametrize(
    ("target", "arguments", "message"),
    [
        ("halve", None, r"clip._target_=halve: give module.name, such as my_clipping.halve"),
        ("no_such_package.halve", None, "no module named no_such_package; start where it can be imported, put "),
        (f"{OWN}.quarter", None, r"clip._target_=\S+quarter: \S+ has no quarter; there are: "),
        (f"{OWN}.NOT_CODE", None, "an int cannot be called; name a function or a class"),
        (f"{OWN}.Inert", None, "its objects cannot be called"),
        (f"{OWN}.Fading", None, r"clip.arguments=\{\}: .*missing a required argument: 'max_norm'"),
        (f"{OWN}.halve", {"part": 1}, r"clip.arguments=\{'part': 1\}: .*unexpected keyword argument 'part'"),
    ],
)
def test_errors_of_one_line(target: str, arguments: dict[str, Any] | None, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        clipper_of(ClipConfig(name="custom", _target_=target, arguments=arguments))
    assert "\n" not in str(error.value)


def test_what_fails_while_it_is_imported_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad_clipping_file.py").write_text("1 / 0\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"cannot be imported \(ZeroDivisionError: division by zero\)"):
        clipper_of(ClipConfig(name="custom", _target_="bad_clipping_file.halve"))


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["clip.stages=[5x]"], "clip.stages=[5x]: choose from stem, head and numbers of stages, from 0"),
        (["clip=norm", "clip.stages=[1]"], "clip.stages=[1]: for clip=agc alone; leave it out with clip=norm"),
        (["clip=custom"], "clip._target_=null: clip=custom needs a value, such as clip._target_=my_clipping.halve"),
        (["clip._target_=a.b"], "clip._target_=a.b: clip=agc has its own code; add clip=custom"),
        (["clip.unit=layer"], "clip.unit=layer: choose one of deepmind, timm, tensor"),
        (["clip.scope=body"], "clip.scope=body: choose one of deepmind, timm, all"),
        (["clip.clip_factor=0"], "clip.clip_factor=0.0: must be greater than 0"),
        (["clip.eps=-1"], "clip.eps=-1.0: must be greater than 0"),
        (["clip.name=zclip"], "clip.z_threshold=null: clip=zclip needs a value"),
        (["clip=zclip", "clip.z_threshold=0"], "clip.z_threshold=0.0: must be greater than 0"),
        (["clip=zclip", "clip.warmup_steps=0"], "clip.warmup_steps=0: must be at least 1"),
        (["clip=adagc", "clip.decay=1"], "clip.decay=1.0: must be at least 0 and below 1"),
        (["clip=adagc", "clip.max_ratio=-1"], "clip.max_ratio=-1.0: must be greater than 0"),
        (["clip=adagc", "clip.max_norm=null"], "clip.max_norm=null: clip=adagc needs a value"),
        (["clip=autoclip", "clip.percentile=101"], "clip.percentile=101.0: must be from 0 to 100"),
        (["clip=autoclip", "clip.stages=[1]"], "clip.stages=[1]: for clip=agc alone; leave it out with clip=autoclip"),
        (["clip=per_tensor", "clip.max_norm=0"], "clip.max_norm=0.0: must be greater than 0"),
        (
            ["clip=custom", "clip._target_=a.b", "clip.arguments=3"],
            "clip.arguments=3: give names and values, such as 'clip.arguments={share: 0.5}'",
        ),
    ],
)
def test_bad_values_are_one_line(overrides: list[str], line: str) -> None:
    with pytest.raises(UserError) as error:
        resolved(*overrides)
    assert str(error.value) == line


def test_a_stage_that_a_network_does_not_have(tiny: Callable[..., Resolved]) -> None:
    with pytest.raises(UserError, match=r"^clip.stages=\['7'\]: choose from stem, 0, 1, 2, head$"):
        run_one(tiny("clip.stages=[7]"), [])
    with pytest.raises(UserError, match=r"^clip.stages=\['7'\]: choose from stem, 0, 1, 2, head$"):
        describe_plan(tiny("clip.stages=[7]"))


def test_a_clipper_that_there_is_not(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    for start in (lambda run: run_one(run, []), describe_plan):
        with pytest.raises(UserError, match=r"^clip._target_=nowhere.halve: no module named nowhere; start where"):
            start(tiny("clip=custom", "clip._target_=nowhere.halve"))
    assert not list(tmp_path.rglob("environment.json")), "told before anything is written"


def test_what_is_clipped_names_the_run() -> None:
    names = [run_id(resolved(*one)) for one in ([], ["clip.stages=[0,1]"], ["clip.stages=[1,0]"], ["clip.stages=[1]"])]
    assert len({name.rpartition("-")[2] for name in names}) == 3
    assert "agc0.01eps0.1in0+1" in names[1]
    own = ("clip=custom", f"clip._target_={OWN}.halve")
    assert len({run_id(resolved(*own, *more)) for more in ([], ["clip.arguments={share: 0.1}"])}) == 2
