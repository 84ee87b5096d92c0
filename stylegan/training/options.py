"""The options of a training run: what it trains, how it reads pictures, and how long it goes on.

Each class is the one list of its options: `stylegan train` derives its command line from the fields.
"""

from dataclasses import dataclass, field, fields
from typing import Any

AUGMENTS = ("none", "fixed", "ada")
OPTIMIZERS = ("adam", "muon")
METHODS = ("gan", "regression")
FRAMINGS = ("pad", "crop", "stretch")


def _option(default: Any, text: str, **metadata: Any) -> Any:
    return field(default=default, metadata={"help": text, **metadata})


@dataclass(frozen=True)
class TrainingOptions:
    """The options that decide the numbers of a run. A run can only be continued with the options that it began with.

    `metadata["method"]` names the method, of `METHODS`, that alone uses an option. `metadata["free"]` marks an option
    that may change when a run is continued, because it does not change the numbers, or hardly.
    """

    resolution: int = _option(128, "Pixels a side: a power of two from 8 upwards.", default_help="by the pictures")
    z_dim: int = _option(64, "Length of a latent z.")
    w_dim: int = _option(256, "Length of a style w.")
    channel_base: int = _option(4096, "Feature maps at a resolution, times that resolution, in both networks.")
    channel_max: int = _option(256, "Most feature maps of a layer, in both networks.")
    mapping_layers: int = _option(4, "Dense layers of the mapping network.")
    mapping_features: int = _option(0, "Width of the mapping network's hidden layers; 0 for w_dim.")
    mapping_lr_multiplier: float = _option(0.1, "Factor on the mapping network's learning rate.")
    num_fp16_res: int = _option(
        0, "How many of the highest resolutions run in half precision: float16 on a GPU, bfloat16 on a CPU."
    )
    batch_size: int = _option(
        16, "Pictures a step, over all processes: at most 4, or a multiple of 4 for each process."
    )
    learning_rate: float = _option(2e-3, "Learning rate of the optimiser.")
    optimizer: str = _option(
        "adam", "Optimiser of the regression; a GAN is trained by Adam.", choices=OPTIMIZERS, method="regression"
    )
    ema_kimg: float = _option(2.0, "Half-life of the averaged generator, in thousands of pictures.")
    r1_gamma: float | None = _option(
        None,
        "Weight of the R1 penalty.",
        default_help="0.0002 * resolution^2 / batch_size; on a CPU 0.0001 * resolution^2",
        method="gan",
    )
    r1_interval: int = _option(16, "Steps between two R1 penalties.", method="gan")
    pl_weight: float = _option(2.0, "Weight of the path length penalty; 0 for none.", method="gan")
    pl_interval: int = _option(8, "Steps between two path length penalties.", method="gan")
    style_mixing: float = _option(0.9, "Share of generated pictures whose styles come from two latents.", method="gan")
    pair_weight: float = _option(
        0.0, "Weight of the distance between G(z) and the portrait of z; 0 for none.", method="gan"
    )
    mirror: bool = _option(False, "Show half of the real pictures mirrored.", method="gan")
    augment: str = _option(
        "none",
        "What the discriminator sees: none, the pictures as they are; fixed, augmented with probability augment_p; ada,"
        " with a probability that follows its overfitting.",
        choices=AUGMENTS,
        method="gan",
    )
    augment_p: float = _option(0.0, "Probability of fixed, and the one that ada begins with.", method="gan")
    ada_target: float = _option(0.6, "Overfitting that ada holds: the mean of sign(D(real)).", method="gan")
    ada_kimg: float = _option(500.0, "Thousands of pictures in which ada can go from probability 0 to 1.", method="gan")
    seed: int = _option(0, "The same seed gives the same run.")
    texture_weight: float = _option(
        0.0, "Weight of the distance between textures in the regression; 0 for none.", method="regression"
    )
    skin_weight: float = _option(
        0.0,
        "Weight of the squared difference of the skin's lightness in the regression; 0 for none.",
        method="regression",
    )
    decay_kimg: float = _option(
        0.0,
        "Let the learning rate of the regression fall evenly, to 0 at so many thousands of pictures; 0 for not at all.",
        method="regression",
    )
    compile: bool = _option(False, "Run the networks through torch.compile.", free=True)

    def __post_init__(self) -> None:
        if self.augment not in AUGMENTS:
            raise ValueError(f"There is no augmentation {self.augment!r}; choose one of {', '.join(AUGMENTS)}.")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"There is no optimizer {self.optimizer!r}; choose one of {', '.join(OPTIMIZERS)}.")
        if self.augment == "fixed" and self.augment_p == 0:
            raise ValueError("A fixed augmentation needs a probability above 0; give augment_p, or choose none.")
        if self.augment == "none" and self.augment_p != 0:
            raise ValueError("Without augmentation there is no augment_p; choose fixed or ada, or leave it out.")
        if not 0 <= self.augment_p <= 1:
            raise ValueError(f"The probability of augmentation is {self.augment_p}; give one from 0 to 1.")
        if self.batch_size < 1 or (self.batch_size > 4 and self.batch_size % 4):
            raise ValueError(
                f"A batch of {self.batch_size} pictures cannot be compared in groups of 4; give a multiple of 4."
            )
        if not min(self.r1_interval, self.pl_interval, self.learning_rate, self.ada_kimg) > 0:
            raise ValueError("Intervals, the learning rate and ada_kimg must be above 0; give positive ones.")
        if not min(self.texture_weight, self.skin_weight, self.decay_kimg) >= 0:
            raise ValueError("Weights of distances and decay_kimg cannot be negative; give 0 or more.")

    @property
    def r1_weight(self) -> float:
        """R1's gamma, with the default of Karras et al. 2020 (ADA), appendix C."""
        return 0.0002 * self.resolution**2 / self.batch_size if self.r1_gamma is None else self.r1_gamma


@dataclass(frozen=True)
class Schedule:
    """How long a run goes on, and how often it reports; may differ each time that the run is continued."""

    kimg: float = _option(5000.0, "Length of the whole run, in thousands of pictures.")
    minutes: float | None = _option(None, "Stop this call after this many minutes.", default_help="no limit")
    save_minutes: float = _option(5.0, "Minutes between two saves.")
    snapshot_kimg: float = _option(
        100.0, "Thousands of pictures between two snapshots that are kept, as is the last of each call; 0 for none."
    )
    log_steps: int = _option(50, "Steps between two lines of log.jsonl.")
    grid_kimg: float = _option(4.0, "Thousands of pictures between two picture grids; 0 for none.")
    metric_kimg: float = _option(20.0, "Thousands of pictures between two measurements; 0 for none.")
    metric_pictures: int = _option(2048, "Pictures that a measurement compares.")

    def __post_init__(self) -> None:
        if self.log_steps < 1 or self.metric_pictures < 2:
            raise ValueError("A run needs log_steps of at least 1 and metric_pictures of at least 2; give more.")
        # Also false for NaN.
        if not min(self.kimg, self.snapshot_kimg, self.grid_kimg, self.metric_kimg, self.save_minutes) >= 0:
            raise ValueError("Lengths and intervals of a run cannot be negative; give 0 or more.")
        if self.minutes is not None and not self.minutes > 0:
            raise ValueError(f"A run cannot end after {self.minutes} minutes; give more than 0.")


@dataclass(frozen=True)
class EncoderOptions:
    """The options of teaching the encoder; a run is only continued with those that it began with."""

    steps: int = _option(6000, "Steps of the whole run.")
    batch_size: int = _option(512, "Pictures a step.")
    learning_rate: float = _option(3e-3, "The highest learning rate of the optimiser, Muon.")
    weight_decay: float = _option(0.05, "Share of each matrix that a step of learning rate 1 takes away.")
    seed: int = _option(0, "The same seed gives the same run.")

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 4 or not self.learning_rate > 0 or not self.weight_decay >= 0:
            raise ValueError("An encoder needs steps, batches of 4 pictures and a learning rate above 0; give more.")


@dataclass(frozen=True)
class PictureOptions:
    """How the pictures of a folder or a zip are read; the defaults are those of the search."""

    framing: str = _option(
        "pad",
        "What happens to pictures that are not square: pad them, crop to the middle, or stretch.",
        choices=FRAMINGS,
    )
    background: str = _option("#808080", "Behind transparent pixels: a colour name or #rrggbb.")
    labelled: bool = _option(False, "The names of the sub-folders are labels to learn.")


def device_defaults(gpu: bool, resolution: int) -> dict[str, Any]:
    """The defaults of `stylegan train`, for a small set of pictures, where they differ from `TrainingOptions`.

    On a GPU the sizes of Karras et al. 2020; on a CPU a network that learns in minutes.
    """
    if gpu:
        return {
            "w_dim": 512,
            "channel_base": 16384,
            "channel_max": 512,
            "mapping_layers": 2,
            "mapping_lr_multiplier": 0.01,
            "num_fp16_res": 4,
            "batch_size": 32,
            "ema_kimg": 10.0,
            "augment": "ada",
        }
    return {
        "w_dim": 128,
        "channel_base": 16 * resolution,
        "channel_max": 64,
        "mapping_layers": 2,
        "batch_size": 16,
        # A small generator needs a more strongly regularised discriminator.
        "r1_gamma": 0.0001 * resolution**2,
        # The path length penalty takes a third of the time, and a short run gains nothing from it, nor from style
        # mixing.
        "pl_weight": 0.0,
        "style_mixing": 0.0,
        "augment": "ada",
        # A run of some ten thousand pictures has to find its p early.
        "ada_kimg": 50.0,
    }


def shown_defaults() -> dict[str, str]:
    """`device_defaults` in words, for help texts: "16; 32 on a GPU"."""
    cpu, gpu = device_defaults(False, 128), device_defaults(True, 128)
    usual = {part.name: part.default for part in fields(TrainingOptions)}
    told = {}
    for name in sorted(cpu.keys() | gpu.keys()):
        if usual[name] is None:
            continue
        on_cpu = "16 * resolution" if name == "channel_base" else cpu.get(name, usual[name])
        on_gpu = gpu.get(name, usual[name])
        told[name] = f"{on_cpu}" if on_cpu == on_gpu else f"{on_cpu}; {on_gpu} on a GPU"
    return told
