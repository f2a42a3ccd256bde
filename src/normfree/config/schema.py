"""The schema of one run: every key, its type and its meaning.

YAML files in ``conf/`` give the values; a key or a type that is not here is an error when the configuration is
composed. Ranges and relations between keys are checked by :func:`normfree.config.validate.validate`.
"""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

SCHEMA_VERSION = 1

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "64-true")
"""Lightning's names of what a run computes in."""


@dataclass
class ModelConfig:
    """A network of ``normfree.nets``; ``None`` leaves a value to the network's own definition."""

    name: str = MISSING  # of the network, as docs/models.md has them
    family: str = MISSING  # for example resnet, nf_resnet or nfnet
    # The network's own, or another in its place: docs/normalizers.md, or module.name of yours; NF networks have none
    normalizer: str = MISSING
    normalizer_sees: str | None = None  # filled in: what statistics of one of yours see: batch, sample or none
    train_size: int | None = None  # image side in pixels that the paper trains it at
    test_size: int | None = None  # image side in pixels that the paper tests it at
    depth: list[int] | None = None  # blocks of each stage
    width: list[int] | None = None  # output channels of each stage
    stem_width: int | None = None  # output channels of the stem
    group_size: int | None = None  # channels of a group (NFNets)
    bottleneck_ratio: float | None = None  # width of a block's 3x3 convolutions, as a share of its stage's (NFNets)
    se_ratio: float | None = None  # hidden share of Squeeze-and-Excitation; 0: none
    activation: str | None = None  # relu, gelu, silu or another of normfree.nets.activations
    standardization: str | None = None  # of the weights (NFNets): deepmind or timm
    alpha: float | None = None  # scale of the residual branch
    drop_rate: float | None = None  # dropout before the classifier
    stochastic_depth_rate: float | None = None  # of the last block; rises linearly from 0 at the first
    groups: int | None = None  # groups of channels (GroupNorm, EvoNorm-S0); None: 32, fewer in narrow layers
    channels_per_group: int | None = None  # the same said the other way round
    alpha_init: float | None = None  # where the slope of DyT and Derf begins; None: 0.5
    preserve_variance: bool | None = None  # gains of DyT and Derf begin where a unit normal keeps its variance; None: 1
    ghost_batch: int | None = None  # samples of a ghost batch of BatchNorm; None: the micro batch
    sync_norm: bool = False  # BatchNorm statistics over the micro batches of all devices (SyncBN; GPUs alone)
    _target_: str | None = None  # custom: module.name of a class or function of yours that gives a torch.nn.Module
    arguments: Any = None  # what else the network takes, by name
    weights: str | None = None  # to start from: a file, a run's directory, or an experiment that has a run of this kind
    weights_kind: str = "raw"  # of a run's weights: raw, as trained, or ema, their moving average
    head: str | None = None  # classifier of the weights: keep or new; None: new where the classes are others
    freeze: list[str] | None = None  # not trained: some of stem, 0, 1, ...; or all, everything but the classifier
    freeze_norm: bool = False  # BatchNorm uses its running statistics in training too, and leaves them as they are
    weights_sha256: str | None = None  # filled in: of the weights themselves; given, other ones are refused
    weights_run: str | None = None  # filled in: the run that they are of
    weights_arm: str | None = None  # filled in: the arm of that run, where it was chosen by its seed


@dataclass
class ClipConfig:
    """Gradient clipping; keys that the chosen rule does not use stay ``None``."""

    name: str = MISSING  # none, norm, agc, zclip, adagc, autoclip, per_tensor or custom
    clip_factor: float | None = None  # agc: largest |gradient| / |parameter| of a unit (lambda)
    eps: float | None = None  # agc: floor of |parameter|
    eps_scope: str | None = None  # agc: which parameters have that floor: all, vectors or skip_gains; others 1e-3
    unit: str | None = None  # agc: deepmind, timm or tensor
    scope: str | None = None  # agc: deepmind, timm or all
    stages: list[str] | None = None  # agc: only in some of stem, 0, 1, ..., head; None: everywhere
    max_norm: float | None = None  # norm, zclip: largest global gradient norm; adagc: in warm-up; per_tensor: of each
    z_threshold: float | None = None  # zclip: standard deviations above the mean of earlier norms
    max_ratio: float | None = None  # adagc: largest |gradient| of a tensor, over its average so far
    decay: float | None = None  # zclip, adagc: of the averages of norms
    warmup_steps: int | None = None  # zclip, adagc: first steps, from which averages start
    percentile: float | None = None  # autoclip: of the norms so far, from 0 to 100
    _target_: str | None = None  # custom: module.name of a function or class of yours
    arguments: Any = None  # custom: what it is given beside the parameters, by name


@dataclass
class DataConfig:
    """Images; sizes are sides of a square in pixels."""

    name: str = MISSING  # of the source: mnist5k, cifar10, folder, ... or custom
    label: str = MISSING  # how figures and tables call it
    root: str | None = None  # folder or file of the images, or OWNER/NAME of the Hugging Face hub
    train_file: str | None = None  # .beton files, where they are not train.beton and val.beton in root
    test_file: str | None = None  # likewise
    classes: int = MISSING  # how many there are
    channels: int = MISSING  # 1 for grey images, 3 for colour
    train_samples: int = MISSING  # images to train on
    validation_samples: int = MISSING  # images that are taken from the training files, and not trained on
    test_samples: int = MISSING  # images to test on
    train_size: int = MISSING  # side of training images
    test_size: int = MISSING  # side of validation and test images
    loader: str = "auto"  # resident (in memory), workers (read again each time), ffcv or auto, by the data set
    workers: int = 0  # processes of data.loader=workers
    on_error: str = "raise"  # an unreadable image stops the run, or skip: is left out and counted
    keep_aspect: bool = False  # central squares instead of squashed images: docs/decisions/0014-pixels.md
    mirror: bool = True  # mirrored images keep their class
    mean: list[float] | None = None  # of each channel, in [0, 1]; None: the training images' own
    std: list[float] | None = None  # of each channel, likewise
    crop_padding: int = 0  # augment=crop_flip: a crop after padding by so many pixels,
    resized_crop: bool = True  # or, where that is 0, augment=crop_flip: one of random size and aspect
    cache: str | None = None  # folder of decoded images; off; None: normfree in the user's cache directory
    download: bool = False  # CIFAR: fetch torchvision's files to root where they are missing
    _target_: str | None = None  # custom: module.name of a class or function of yours, asked for split="train", "test"
    arguments: Any = None  # custom: what it is given beside split (and root where data.root is set), by name


@dataclass
class AugmentConfig:
    """What happens to a training image; zero switches a part off."""

    name: str = MISSING  # of the option
    shift: int = 0  # random translation by up to this many pixels: a random crop after padding with black
    random_resized_crop: bool = False  # area 0.08 to 1, aspect 3/4 to 4/3, bicubic
    flip: bool = False  # mirrored with chance 1/2
    alternate: bool = False  # flip: every image is mirrored in every other epoch, whichever chance chose for the first
    test_flip: bool = False  # evaluation takes the mean of the logits of an image and of its mirror image
    erasing: float = 0.0  # share of images from which a rectangle is erased (area 0.02 to 0.33)
    mixup: float = 0.0  # alpha of MixUp, on half the batches where CutMix is on too
    cutmix: float = 0.0  # alpha of CutMix
    randaugment_layers: int = 0  # operations of RandAugment on an image
    magnitude: float = 0.0  # RandAugment strength on a scale of 0 to 10; the NFNets go up to 15
    increasing: bool = True  # 0 changes nothing and strength grows; false: the NFNet code's scale, whose 0 is black
    mix_first: bool = False  # RandAugment on mixed images, as the NFNet code does, not before


@dataclass
class OptimizerConfig:
    """The optimizer, linear warm-up and cosine decay; keys that the chosen optimizer does not use change nothing."""

    name: str = "sgd"  # sgd, sphere, adamw, lamb, lion, muon or custom
    base_lr: float = 0.1  # learning rate at batch 256
    final_lr: float | None = None  # where the cosine ends; None: 0
    momentum: float = 0.9  # sgd, sphere, muon
    nesterov: bool = True  # sgd, sphere, muon
    head_lr: float | None = None  # sphere: learning rate of linear layers, which are on no sphere
    bias_lr: float | None = None  # sphere: of biases, gains and BatchNorm's scale and offset
    beta1: float | None = None  # adamw, lamb, lion, muon's others: decay of the gradient's average
    beta2: float | None = None  # adamw, lamb: of its square's; lion: of what is kept of the gradient
    eps: float | None = None  # adamw, lamb
    ns_steps: int | None = None  # muon: of the Newton-Schulz iteration that orthogonalises
    adjust_lr: str | None = None  # muon: factor of the rate by a matrix's shape: original or match_rms_adamw
    others: str | None = None  # muon: what steps gains, biases and the classifier: sgd or adamw
    others_lr_ratio: float | None = None  # muon: their learning rate over lr
    others_momentum: float | None = None  # muon: of others=sgd
    weight_decay: float = 2e-5  # not on gains, biases and BatchNorm's scale and offset
    warmup_epochs: float | None = None  # linear warm-up in passes over the training data; one of the three
    warmup_steps: float | None = None  # in optimizer steps; one of the three
    warmup_share: float | None = None  # as a share of all steps; one of the three
    label_smoothing: float = 0.1  # share of the target that is spread over all classes
    ema_decay: float | None = None  # moving average of the weights, evaluated beside them; None: none is kept
    sam_rho: float | None = None  # sharpness-aware minimization: length of the ascent; None: off
    sam_share: float = 0.2  # of the batch, that the ascent is computed on
    layer_decay: float | None = None  # learning rate of a stage beside that of the next, from the head down; None: one
    _target_: str | None = None  # custom: module.name of a class or function of yours that gives a torch optimizer
    arguments: Any = None  # custom: what it is given beside the parameters and lr, by name


@dataclass
class AttackConfig:
    """Adversarial training: images changed to raise the loss of the step; lengths are of pixels from 0 to 1."""

    name: str = "none"  # none or pgd
    epsilon: float | None = None  # pgd: largest change of a pixel
    step_size: float | None = None  # pgd: of one step of the attack
    steps: int | None = None  # pgd: steps of the attack, a forward and backward pass each


@dataclass
class PrivateConfig:
    """Differentially private training: docs/decisions/0034-private-training.md says what is guaranteed."""

    name: str = "none"  # none or dpsgd
    epsilon: float | None = None  # dpsgd: budget of the whole run, which sets the noise
    delta: float | None = None  # dpsgd: chance that the budget may not hold
    max_norm: float | None = None  # dpsgd: largest norm of one image's gradient


@dataclass
class TrainerConfig:
    """Where and how a run computes.

    What it computes is changed by ``gradient_dtype``, through ``norm_batch``, and in its rounding by ``channels_last``
    and ``compile``.
    """

    accelerator: str = "auto"  # auto, cpu or gpu
    devices: int = 1  # of a node, a process each
    nodes: int = 1  # several are for SLURM
    micro_batch: int | None = None  # samples in one forward pass on one device; None: chosen
    gradient_dtype: str | None = None  # bf16: devices send each other gradients in 16 bits; None: as they are
    # CPU threads of a run; None: one in a sweep's worker or where a step is small, else all cores
    threads: int | None = None
    channels_last: bool = False  # images in memory as NHWC
    compile: bool = False  # forward and backward pass through torch.compile, on one GPU as CUDA graphs
    log_every: int = 10  # steps between rows of metrics.csv
    evaluate_every: int | None = None  # steps between evaluations on the validation split
    checkpoint_minutes: float = 5.0  # between checkpoints to go on from
    hang_minutes: float = 5.0  # a run that does not get on for so long is ended; half of it for an image to be read


@dataclass
class OutcomeConfig:
    """When a run counts as diverged or untrained, the same for every network: see docs/decisions/0004-outcomes.md."""

    window: int = 50  # the end of a run is its last steps: so many, or a quarter of those after warm-up if fewer
    blow_up: float = 2.0  # a loss that blew up is above so many times its start, or that of guessing if larger
    level: float = 0.001  # of the test whether the accuracy at the end is better than guessing's
    patience: int | None = 1000  # steps after warm-up without progress, after which a run is stopped; None: never
    tolerance: float = 0.005  # progress is a loss below that of guessing by more than this share
    # An explanation beside the outcome: a network whose mean |skip gain| is below this has stalled. With alpha 0.2,
    # its residual branches add less than 1 % of the shortcut's standard deviation. None: not asked.
    stalled_skip_gain: float | None = 0.05


@dataclass
class LoggerConfig:
    """metrics.csv is always written; W&B, or a logger of the user's own, when asked for."""

    name: str = "csv"  # csv, wandb or custom
    project: str = "normfree"  # of W&B
    mode: str = "online"  # online or offline
    timeout: float = 10.0  # seconds that a W&B server may cost at most
    tags: list[str] = field(default_factory=list)  # of the run in W&B
    _target_: str | None = None  # custom: module.name of a class or function of yours
    arguments: Any = None  # custom: what it is given beside the run's directory, by name


@dataclass
class SweepConfig:
    """How the command that starts a sweep behaves."""

    detach: bool = False  # with hydra/launcher=slurm: submit and leave


@dataclass
class ExperimentConfig:
    """A sweep with a question: the grids to run and what the report draws from them."""

    name: str = "single"  # the folder of its runs and of its report
    question: str = ""  # what the sweep is to answer
    grids: dict[str, Any] = field(default_factory=dict)  # overrides with lists, by a name; each is a sweep of its own
    trials: dict[str, Any] = field(default_factory=dict)  # a search; normfree.sweep.trials.block has its keys
    size: str = "cpu"  # what size=... says; cpu is the file as it is written
    sizes: dict[str, Any] = field(default_factory=dict)  # normfree.config.experiment_sizes has their keys
    command: str = ""  # that makes the runs, as the report tells it
    rules: dict[str, Any] = field(default_factory=dict)  # of the verdicts: level, fewest seeds
    series: dict[str, Any] = field(default_factory=dict)  # which arms have a colour and a name
    figure: list[Any] = field(default_factory=list)  # panels of the main figure, in rows
    panels: dict[str, Any] = field(default_factory=dict)  # what each panel draws
    claims: dict[str, Any] = field(default_factory=dict)  # what the runs are to support or refute
    threats: list[Any] = field(default_factory=list)  # what limits the conclusions, in sentences


@dataclass
class TrainConfig:
    """One run, or with ``experiment.grids`` or ``-m`` a sweep of runs."""

    model: ModelConfig = field(default_factory=ModelConfig)
    clip: ClipConfig = field(default_factory=ClipConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    attack: AttackConfig = field(default_factory=AttackConfig)
    private: PrivateConfig = field(default_factory=PrivateConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    outcome: OutcomeConfig = field(default_factory=OutcomeConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    experiment: ExperimentConfig = field(default_factory=ExperimentConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    batch: int = MISSING  # samples per optimizer step over all devices, nodes and accumulation steps
    steps: int | None = None  # optimizer steps; or epochs
    epochs: float | None = None  # passes over the training data; or steps
    lr: float | None = None  # None: optimizer.base_lr * batch / 256
    seed: int = 0  # of initial weights, order and augmentation
    precision: str = "32-true"  # or bf16-mixed, 16-mixed, 64-true
    # What else the end is measured on, by a name of yours: keys of data and conditions of the test, such as
    # {other: {root: PATH}, attacked: {attack: {epsilon: 0.03, step_size: 0.008, steps: 10}}}
    evaluate_also: Any = None
    plan: bool = False  # print what would run, and stop
    again: bool | int = False  # true: a run that has its result is run anew beside it; or which repetition, from 2
    runs_dir: str = "runs"  # where run directories are kept
