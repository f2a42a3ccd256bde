"""Bad input: one line on stderr with key, value and remedy, exit code 2, and nothing started."""

from pathlib import Path

import pytest
from tests.conftest import command_line

CASES = [
    ("model=nf_resnet21", "model=nf_resnet21: no such option; did you mean nf_resnet20?"),
    ("clip=acg", "clip=acg: no such option; did you mean agc?"),
    ("clip=my_clip.halve", "; for one of yours: clip=custom clip._target_=my_clip.halve"),
    ("help=model", "help=model: no such key; write --help, which lists groups, options and keys"),
    ("experiment=quickstar", "did you mean quickstart?"),
    ("btch=64", "btch=64: no such key; did you mean batch?"),
    ("trainer.max_epochs=3", "trainer.max_epochs=3: no such key; write epochs=3"),
    ("hydra.launcher=slurm", "hydra.launcher=slurm: write hydra/launcher=slurm, with a stroke"),
    ("recipe=null", "recipe=null: recipe is never empty; leave it away, or choose one of bn_nfnet"),
    ("--resume", "--resume: no such flag; give nothing for it: the same command goes on"),
    ("lr=1e400", "lr=inf: must be a finite number"),
    ("clip.factor=0.1", "clip.factor=0.1: no such key; did you mean clip.clip_factor?"),
    ("modle=resnet20", "modle=resnet20: no such key; did you mean model?"),
    ("+batch_size=64", "batch_size=64: no such key"),
    ("+model.layers=3", "model.layers=3: no such key; there are: _target_, activation"),
    ("batch=many", "batch=many: not a whole number"),
    ("batch=6.5", "batch=6.5: not a whole number"),
    ("data.mean=3", "data.mean=3: not a list, or null; write 'data.mean=[3]'"),
    ("model.freeze=stem", "model.freeze=stem: not a list, or null; write 'model.freeze=[stem]'"),
    ("batch=1e3", "batch=1000.0: not a whole number; write batch=1000"),
    ("-m seed=0-2", "seed=0-2: not a whole number; of several values a sweep (-m) is made: 'seed=range(0,3)'"),
    (
        "model=custom model._target_=torch.nn.Flatten model.width=24",
        "model.width=24: not a list, or null; to give it to what is yours: model.arguments.width=24",
    ),
    ("data.mean=[a]", "data.mean[0]=a: not a number"),
    ("experiment.grids=null", "experiment.grids=null: not names and values; write 'experiment.grids={NAME: VALUE}'"),
    ("lr=high", "lr=high: not a number, or null"),
    ("plan=maybe", "plan=maybe: not true or false"),
    ("batch=0", "batch=0: must be at least 1"),
    ("batch=-64", "batch=-64: must be at least 1"),
    ("batch=3501", "batch=3501: larger than the 3500 training images of mnist5k; use batch=3500 or less"),
    ("trainer.micro_batch=48", "use batch=48 or batch=96"),
    ("steps=10 epochs=2", "steps=10 and epochs=2: give one of them"),
    ("lr=-0.1", "lr=-0.1: must be greater than 0"),
    ("optimizer.warmup_steps=600", "optimizer.warmup_steps=600: 600 steps of warm-up are not shorter than"),
    ("optimizer.ema_decay=1", "optimizer.ema_decay=1.0: must be at least 0 and below 1"),
    ("optimizer=muon", "clip=agc: beside optimizer=muon, which gives every output of a kernel a step"),
    ("optimizer=lion", "clip=agc: beside optimizer=lion, which steps by the sign"),
    ("optimizer.warmup_steps=6 optimizer.warmup_epochs=1", "keep one of them"),
    ("augment.magnitude=100", "augment.magnitude=100: the scale is 0 to 10, and up to 30 at most"),
    ("data.loader=workers", "data.loader=workers: mnist5k is held in memory; leave it out"),
    ("data.mean=[0.5]", "data.mean=[0.5] data.std=None: give both or neither"),
    ("data.test_size=14", "data.test_size=14: mnist5k is tested at the size of training"),
    (
        "data=imagenet data.root=/",
        "data.train_size=null: data=imagenet takes its image sizes from the network",
    ),
    ("precision=fp8", "precision=fp8: choose one of 32-true, bf16-mixed, 16-mixed, 64-true"),
    ("batch=64,128", "batch=64,128: several values make a sweep; add -m"),
    ("batch", "batch: cannot be read as KEY=VALUE; give it a value: batch=..."),
    ("scheduler=cosine", "scheduler=cosine: no such key; all have linear warm-up and a cosine: write"),
    ("arch=resnet20", "arch=resnet20: no such key; write model=resnet20"),
    ("data.train_size=13", "data.train_size=13: mnist5k has sizes 7, 10, 14, 20, 28"),
    ("data=imagenet data.train_size=8 data.test_size=8 augment=crop_flip", "data.root=PATH"),
    ("model.stem_wdth=8", "model.stem_wdth=8: no such key; did you mean model.stem_width?"),
    (
        "model.width=[8,16]",
        "model=nf_resnet20: model.depth=[3, 3, 3] and model.width=[8, 16] need one",
    ),
    ("model.activation=relux", "model=nf_resnet20: model.activation=relux: there is none; did you mean relu"),
    ("model.alpha=-1", "model.alpha=-1.0: must be greater than 0"),
    ("model=nfnet_nano model.standardization=tim", "model.standardization=tim: choose one of deepmind, timm"),
    ("model.standardization=timm", "model.standardization=timm: not an option of nf_resnet20; leave it out or choose"),
    ("model=nfnet_nano model.group_size=12", "multiple of model.group_size=12; give it model.width=24 or 48"),
    (
        "model=nfnet_f0 data=mnist5k augment=none batch=64 data.train_size=20",
        "data.train_size=20: nfnet_f0 reduces its maps 32-fold and needs images of 32 px or more; use",
    ),
    ("trainer.nodes=2", "trainer.nodes=2: several nodes need SLURM to start the processes; add hydra/launcher=slurm"),
    ("hydra/launcher=slurm", "hydra/launcher=slurm: one run is submitted as a sweep of one; add -m"),
    ("hydra/launcher=slrm", "hydra/launcher=slrm: no such option"),
    ("-m batch=64,0", "batch=0: must be at least 1 (in the combination batch=0"),
    ("batch=999 trainer=ddp_cpu trainer.devices=999", "trainer.devices=999: there are"),
    ("-m seed=0,1 batch=999 trainer=ddp_cpu trainer.devices=999", "trainer.devices=999: there are"),
    ("-m seed=0,1 trainer.nodes=2", "trainer.nodes=2: this machine is one node; add hydra/launcher=slurm"),
    ("-m experiment=quickstart batch=5000", "batch=5000: larger than"),
]


@pytest.mark.cli
@pytest.mark.parametrize(("typed", "told"), CASES, ids=[typed for typed, _ in CASES])
def test_one_line_and_exit_code_2(typed: str, told: str, tmp_path: Path) -> None:
    answer = command_line("train.py", *typed.split(), f"runs_dir={tmp_path / 'runs'}")
    assert answer.returncode == 2, answer.stderr
    assert len(answer.stderr.splitlines()) == 1, answer.stderr
    assert told in answer.stderr
    assert not list(tmp_path.rglob("metrics.csv"))


@pytest.mark.cli
@pytest.mark.parametrize("mode", [(), ("-m",)])
def test_no_permission(tmp_path: Path, mode: tuple[str, ...]) -> None:
    (tmp_path / "file").touch()
    answer = command_line("train.py", *mode, f"runs_dir={tmp_path / 'file' / 'runs'}")
    assert answer.returncode == 2
    assert "cannot write there" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


@pytest.mark.cli
@pytest.mark.parametrize("mode", [(), ("-m",)])
def test_a_run_of_another_schema_version(tmp_path: Path, mode: tuple[str, ...]) -> None:
    from tests.conftest import TINY

    arguments = (*TINY, f"runs_dir={tmp_path}")
    planned = command_line("train.py", *arguments, "plan=true")
    place = Path(next(line for line in planned.stdout.splitlines() if line.startswith("run ")).split()[1])
    place.mkdir(parents=True)
    (place / "result.json").write_text('{"schema_version": 99, "status": "finished"}', encoding="utf-8")
    answer = command_line("train.py", *mode, *arguments)
    assert answer.returncode == 2, answer.stderr
    assert "written with schema version 99, this is version 1; move the run away" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
