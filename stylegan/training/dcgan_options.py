"""The options of a DCGAN's training."""

from dataclasses import dataclass, field
from typing import Any


def _option(default: Any, text: str, **metadata: Any) -> Any:
    return field(default=default, metadata={"help": text, **metadata})


@dataclass(frozen=True)
class DcganOptions:
    """The options that decide the numbers of a run; the constants are those of Radford et al. 2016, section 4.

    A run can only be continued with the options that it began with.
    """

    resolution: int = _option(64, "Pixels a side: 64 as in the paper, or 128.")
    z_dim: int = _option(100, "Length of a latent.")
    width: int = _option(64, "Feature maps of the last hidden layer; the paper's figure has 128.")
    batch_size: int = _option(128, "Pictures a step.")
    learning_rate: float = _option(2e-4, "Learning rate of Adam.")
    beta1: float = _option(0.5, "Momentum of Adam.")
    seed: int = _option(0, "The same seed gives the same run.")
    bfloat16: bool = _option(
        False, "Compute the convolutions in bfloat16.", default_help="where the processor or the GPU has it"
    )

    def __post_init__(self) -> None:
        if self.resolution < 8 or self.resolution > 256 or self.resolution & (self.resolution - 1):
            raise ValueError(
                f"A DCGAN of {self.resolution} px cannot be trained; give a power of two from 8 to 256, such as 64."
            )
        if min(self.z_dim, self.width) < 1 or self.batch_size < 2:
            raise ValueError(
                "A DCGAN needs a z_dim and a width of at least 1, and a batch_size of at least 2; give more."
            )
        if not (self.learning_rate > 0 and 0 <= self.beta1 < 1):
            raise ValueError("The learning rate must be above 0 and beta1 from 0 to below 1; give such numbers.")
