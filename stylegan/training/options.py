"""What a training run is told: what it trains, and how long."""

from dataclasses import dataclass

AUGMENTS = ("none", "fixed", "ada")
OPTIMIZERS = ("adam", "muon")


@dataclass(frozen=True)
class TrainingOptions:
    """What decides a run's numbers; a run is only continued with the options it began with.

    Args:
        resolution: of the generator, a power of two.
        z_dim: length of a latent.
        w_dim: length of a style.
        channel_base: feature maps times resolution, of both networks.
        channel_max: most feature maps of a layer, of both networks.
        mapping_layers: dense layers of the mapping network.
        mapping_features: width of the mapping network's hidden layers; 0 for `w_dim`.
        mapping_lr_multiplier: learning-rate multiplier of the mapping network.
        num_fp16_res: how many of the highest resolutions run in half precision: float16 on CUDA, bfloat16 on the CPU.
        batch_size: pictures a step, over all processes; up to 4, or a multiple of 4 for each process.
        learning_rate: of the optimiser.
        optimizer: of a warm start: "adam" or "muon" (`stylegan.training.muon`). Adversarial training is by Adam.
        ema_kimg: half-life of the averaged generator, in thousands of pictures.
        r1_gamma: weight of R1; None for 0.0002 * resolution^2 / batch_size.
        r1_interval: steps between two R1 penalties.
        pl_weight: weight of the path length penalty; 0 for none.
        pl_interval: steps between two path length penalties.
        style_mixing: share of generated pictures whose styles come from two latents.
        pair_weight: weight of the distance between G(z) and the portrait that z stands for; 0 for none.
        mirror: show half of the real pictures mirrored.
        augment: what the discriminator sees: "none", pictures as they are; "fixed", augmented with probability
            `augment_p`; "ada", with a probability that follows its overfitting (`stylegan.training.augment`).
        augment_p: the probability of "fixed", and the one that "ada" begins with.
        ada_target: share of overfitting that "ada" holds, E[sign(D(real))].
        ada_kimg: thousands of pictures in which "ada" can go from probability 0 to 1.
        seed: of everything random.
        texture_weight: weight, in a warm start, of the distance between textures (`losses.texture_distance`).
        compile: run the networks through torch.compile.
    """

    resolution: int = 128
    z_dim: int = 64
    w_dim: int = 256
    channel_base: int = 4096
    channel_max: int = 256
    mapping_layers: int = 4
    mapping_features: int = 0
    mapping_lr_multiplier: float = 0.1
    num_fp16_res: int = 0
    batch_size: int = 16
    learning_rate: float = 2e-3
    optimizer: str = "adam"
    ema_kimg: float = 2.0
    r1_gamma: float | None = None
    r1_interval: int = 16
    pl_weight: float = 2.0
    pl_interval: int = 8
    style_mixing: float = 0.9
    pair_weight: float = 0.0
    mirror: bool = False
    augment: str = "none"
    augment_p: float = 0.0
    ada_target: float = 0.6
    ada_kimg: float = 500.0
    seed: int = 0
    texture_weight: float = 0.0
    compile: bool = False

    def __post_init__(self) -> None:
        if self.augment not in AUGMENTS:
            raise ValueError(f"There is no augmentation {self.augment!r}; choose one of {', '.join(AUGMENTS)}.")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"There is no optimizer {self.optimizer!r}; choose one of {', '.join(OPTIMIZERS)}.")
        if self.augment == "fixed" and self.augment_p == 0:
            raise ValueError("A fixed augmentation needs a probability above 0; give augment_p, or choose none.")
        if not 0 <= self.augment_p <= 1:
            raise ValueError(f"The probability of augmentation is {self.augment_p}; give one from 0 to 1.")
        if self.batch_size < 1 or (self.batch_size > 4 and self.batch_size % 4):
            raise ValueError(
                f"A batch of {self.batch_size} pictures cannot be compared in groups of 4; give a multiple of 4."
            )
        if min(self.r1_interval, self.pl_interval, self.learning_rate, self.ada_kimg) <= 0:
            raise ValueError("Intervals, the learning rate and ada_kimg must be above 0; give positive ones.")

    @property
    def r1_weight(self) -> float:
        """R1's gamma, with the default of Karras et al. 2020 (ADA), appendix C."""
        return 0.0002 * self.resolution**2 / self.batch_size if self.r1_gamma is None else self.r1_gamma


@dataclass(frozen=True)
class Schedule:
    """How long a run goes on, and how often it tells of itself; may differ each time that it is continued.

    Args:
        kimg: length of the run in thousands of pictures.
        minutes: stop earlier, after so many minutes of this call.
        save_minutes: minutes between two saves.
        log_steps: steps between two lines of the log.
        grid_steps: steps between two picture grids; 0 for none.
        metric_steps: steps between two measurements; 0 for none.
        metric_pictures: pictures that a measurement compares.
    """

    kimg: float = 1000.0
    minutes: float | None = None
    save_minutes: float = 5.0
    log_steps: int = 50
    grid_steps: int = 0
    metric_steps: int = 0
    metric_pictures: int = 2048
