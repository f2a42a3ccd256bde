"""Words of other tools, and what the same is called here."""

import re

_SAME_COMMAND = "give nothing for it: the same command goes on from the run's newest checkpoint"
_ALREADY = "a run that has its result is not trained again; write again=true for a new one beside it"
_PLAN = "write plan=true"
_LIST = "python train.py --help lists groups, options and keys, python runs.py experiment=NAME the runs"
_NORMALIZER = "write model.normalizer=groupnorm or another, for a network with BatchNorm such as model=resnet20"
_CUT = "accumulation follows from batch, the samples of a step, and trainer.micro_batch, those of a pass"
_NORM_BATCH = "it is worked out: write trainer.micro_batch={value}, or model.ghost_batch={value} for less than that"
_CLIPPING = "write clip=norm clip.max_norm=1, or clip=none, agc, zclip, adagc, autoclip or per_tensor"
_SCHEDULE = (
    "all have linear warm-up and a cosine: write optimizer.warmup_steps=60, or optimizer.final_lr=0.01 for its end"
)
_AMP = "write precision=bf16-mixed, 16-mixed or 32-true"

REMEDIES: dict[str, str] = {
    **dict.fromkeys(("max_epochs", "num_epochs", "train_epochs", "n_epochs"), "write epochs={value}"),
    **dict.fromkeys(("max_steps", "num_steps", "iterations", "max_iters"), "write steps={value}"),
    **dict.fromkeys(
        ("batch_size", "train_batch_size", "global_batch_size"), "write batch={value}, the samples of a step"
    ),
    "optimizer.lr": "write lr={value}",
    **dict.fromkeys(("learning_rate", "base_learning_rate"), "write lr={value}"),
    "base_lr": "write optimizer.base_lr={value}",
    **dict.fromkeys(("weight_decay", "wd"), "write optimizer.weight_decay={value}"),
    "momentum": "write optimizer.momentum={value}",
    **dict.fromkeys(("label_smoothing", "smoothing"), "write optimizer.label_smoothing={value}"),
    **dict.fromkeys(("warmup", "warmup_epochs"), "write optimizer.warmup_epochs={value}"),
    "warmup_steps": "write optimizer.warmup_steps={value}",
    **dict.fromkeys(
        ("ema", "model_ema", "ema_decay", "model_ema_decay"), "write optimizer.ema_decay=0.9999 or another"
    ),
    **dict.fromkeys(("norm", "norm_layer", "normalization", "normalizer", "bn"), _NORMALIZER),
    **dict.fromkeys(("activation_function", "act", "act_layer"), "write model.activation={value}"),
    **dict.fromkeys(("drop_path", "drop_path_rate", "stochastic_depth"), "write model.stochastic_depth_rate={value}"),
    **dict.fromkeys(("dropout", "drop"), "write model.drop_rate={value}"),
    **dict.fromkeys(("gradient_clip_val", "grad_clip", "clip_grad", "clip_grad_norm", "clip_mode"), _CLIPPING),
    **dict.fromkeys(("accumulate_grad_batches", "grad_accum", "gradient_accumulation_steps", "accumulation"), _CUT),
    **dict.fromkeys(("gpus", "num_gpus", "nproc_per_node"), "write trainer=ddp trainer.devices={value}"),
    "num_nodes": "write trainer.nodes={value}",
    **dict.fromkeys(("workers", "num_workers"), "write data.workers={value}"),
    **dict.fromkeys(("amp", "fp16", "bf16", "mixed_precision"), _AMP),
    **dict.fromkeys(("dataset", "data_name"), "write data={value}"),
    **dict.fromkeys(("data_dir", "data_path", "data_root", "root", "data.path", "data.dir"), "write data.root={value}"),
    **dict.fromkeys(("image_size", "img_size", "input_size", "resolution"), "write data.train_size={value}"),
    **dict.fromkeys(("auto_augment", "randaugment", "aa"), "write augment=randaugment augment.magnitude=5"),
    "mixup": "write augment.mixup={value}",
    "cutmix": "write augment.cutmix={value}",
    **dict.fromkeys(("output_dir", "output", "save_dir", "log_dir", "default_root_dir"), "write runs_dir={value}"),
    **dict.fromkeys(("use_wandb", "wandb", "log_wandb"), "write logger=wandb"),
    **dict.fromkeys(("wandb_project", "wandb.project"), "write logger=wandb logger.project={value}"),
    **dict.fromkeys(("deterministic", "benchmark"), "runs are deterministic; leave it out"),
    **dict.fromkeys(("resume", "resume_from", "resume_from_checkpoint", "ckpt_path", "ckpt"), _SAME_COMMAND),
    **dict.fromkeys(
        ("pretrained", "weights", "init_from", "pretrained_weights", "initial_checkpoint", "finetune"),
        "write model.weights={value}: a file, a run's directory or an experiment",
    ),
    **dict.fromkeys(("freeze", "freeze_layers", "frozen"), "write model.freeze=[stem,0], or model.freeze=[all]"),
    **dict.fromkeys(("freeze_bn", "bn_frozen", "freeze_norm"), "write model.freeze_norm=true"),
    **dict.fromkeys(("layer_decay", "llrd"), "write optimizer.layer_decay={value}"),
    **dict.fromkeys(("force", "overwrite", "rerun", "retrain"), _ALREADY),
    **dict.fromkeys(("dry_run", "fast_dev_run", "plan", "dryrun"), _PLAN),
    "help": "write --help, which lists groups, options and keys",
    **dict.fromkeys(("list", "ls", "list_models", "models"), _LIST),
    **dict.fromkeys(("sweep", "multirun"), "write -m before the values: python train.py -m seed=0,1"),
    "norm_batch": _NORM_BATCH,
    **dict.fromkeys(("scheduler", "lr_scheduler", "schedule", "sched"), _SCHEDULE),
    **dict.fromkeys(("min_lr", "lr_min", "eta_min"), "write optimizer.final_lr={value}"),
    **dict.fromkeys(("arch", "network", "backbone", "net"), "write model={value}"),
    **dict.fromkeys(("opt", "optim"), "write optimizer={value}"),
    **dict.fromkeys(("sync_bn", "sync_batchnorm", "syncbn"), "write model.sync_norm=true, with trainer=ddp"),
    **dict.fromkeys(("agc", "clipping"), "write clip=agc clip.clip_factor=0.01"),
    **dict.fromkeys(("experiment_name", "exp_name", "run_name"), "write experiment.name={value}"),
    "launcher": "write hydra/launcher={value}",
}
"""Word, or the last word of a dotted key -> what to write."""


def remedy(word: str, value: str = "") -> str:
    """What to write in place of a key or flag of another tool, or nothing where the word is not known.

    Args:
        word: as typed, with or without leading dashes and with groups before a dot.
    """
    plain = re.sub(r"^[-+~]+", "", word).replace("-", "_").lower()
    found = REMEDIES.get(plain) or REMEDIES.get(plain.rpartition(".")[2])
    return found.replace("{value}", value or "...") if found else ""
