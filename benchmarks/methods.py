"""The methods "pulse" and "bounded" on portraits that the generator has never seen and on our sprites.

The error is that of the 8-bit picture that a user gets: clamped, rounded, made small again. The table also says whether
dlib's detector finds a face, and how likely the styles are under the generator:

- radius: root mean square of the gaussianised styles, in the generator's own deviations (1 for its own images);
- mean style: Mahalanobis distance, by dimension, of the mean of an image's styles to the generator's distribution
  (about 1 for its own images; 13 for a random point of the sphere, because W fills few of its dimensions);
- spread: how far apart the gaussianised styles of one image lie (0 for its own images, 1 if unrelated);
- GEOCROSS: the spread as PULSE measures it, of the styles after the leaky ReLU.

    python -m benchmarks.methods --count 50
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

import pulse
import stylegan
from benchmarks.environment import describe
from benchmarks.faces import find_faces
from benchmarks.heldout import held_out
from pulse import losses
from pulse.app import sprites
from pulse.options import METHODS
from stylegan.common.pixels import to_bytes
from stylegan.gaussian_fit import fit_gaussian


@dataclass
class Measured:
    """One value for each image of a method, and the CPU seconds of the searches."""

    columns: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0


# How each column becomes one number.
COLUMNS: dict[str, Callable[[torch.Tensor], str]] = {
    "L2 of 8 bits": lambda x: f"{x.median():.2e}",
    "95 %": lambda x: f"{x.quantile(0.95):.2e}",
    "within eps": lambda x: f"{x.mean():.0%}",
    "faces": lambda x: f"{x.mean():.0%}",
    "radius": lambda x: f"{x.mean():.3f}",
    "mean style": lambda x: f"{x.mean():.3f}",
    "spread": lambda x: f"{x.mean():.3f}",
    "GEOCROSS": lambda x: f"{x.mean():.2f}",
}


def columns(result: pulse.Result, eps: float, covariance: torch.Tensor) -> dict[str, list[float]]:
    """The columns of the table, one value for each image.

    Args:
        result: a search in the gaussianised space.
        eps: the mean squared error that counts as reached.
        covariance: (d, d), of one gaussianised style of the generator.
    """
    eight_bit = to_bytes(result.images).float() / 255
    small = pulse.downsample(eight_bit, (result.target.shape[2], result.target.shape[3]))
    error = losses.l2(small, result.target)
    mean = result.latents.mean(1)
    distance = (mean @ torch.linalg.pinv(covariance, rtol=1e-5, hermitian=True) * mean).sum(1) / mean.shape[1]
    values = {
        "L2 of 8 bits": error,
        "95 %": error,
        "within eps": (error <= eps).float(),
        "faces": torch.tensor([float(len(faces) > 0) for faces in find_faces(eight_bit)]),
        "radius": result.radius,
        "mean style": distance.sqrt(),
        "spread": result.spread,
        "GEOCROSS": losses.geocross(result.ws),
    }
    return {name: value.tolist() for name, value in values.items()}


@torch.no_grad()
def style_covariance(G: stylegan.Generator, samples: int = 20_000) -> torch.Tensor:
    """Covariance (d, d) of the gaussianised styles that the generator draws itself."""
    fit = G.gaussian_fit or fit_gaussian(G)
    z = torch.randn(samples, G.z_dim, generator=torch.Generator().manual_seed(1))
    v = (torch.nn.functional.leaky_relu(G.mapping(z)[:, 0], 5) - fit["mean"]) / fit["std"]
    return torch.cov(v.T)


def measure(G: stylegan.Generator, targets: torch.Tensor, options: pulse.SearchOptions) -> dict[str, Measured]:
    """Searches the targets with each method, in turns."""
    measured = {method: Measured() for method in METHODS}
    covariance = style_covariance(G)
    assert options.seed is not None
    for first in range(0, len(targets), 4):
        for method, found in measured.items():
            begun = time.process_time()
            part = targets[first : first + 4]
            result = pulse.search(G, part, options, method=method, seed=options.seed + first)
            found.seconds += time.process_time() - begun
            for column, values in columns(result, options.eps, covariance).items():
                found.columns.setdefault(column, []).extend(values)
    return measured


def print_table(name: str, size: int, measured: dict[str, Measured]) -> None:
    """Prints what `measure` found for targets of `size` pixels."""
    count = len(measured["pulse"].columns["L2 of 8 bits"])
    print(f"\n{name}: {count} targets of {size} px; median and 95 % of L2, means of the rest")
    print(f"{'method':10s}" + "".join(f"{column:>14s}" for column in COLUMNS) + f"{'CPU s each':>14s}")
    for method, found in measured.items():
        cells = [show(torch.tensor(found.columns[column])) for column, show in COLUMNS.items()]
        print(f"{method:10s}" + "".join(f"{cell:>14s}" for cell in cells) + f"{found.seconds / count:14.2f}")
    error = {method: torch.tensor(found.columns["L2 of 8 bits"]) for method, found in measured.items()}
    lower = (error["pulse"] < error["bounded"]).float().mean()
    print(f"pulse has the lower L2 of 8 bits in {lower:.0%}", flush=True)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--generator", default="default")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.count < 1:
        parser.error(f"the number of pictures is {arguments.count}; give one or more.")
    print(describe())
    G = stylegan.load(arguments.generator)
    options = pulse.SearchOptions(steps=arguments.steps, seed=arguments.seed)
    portraits = pulse.downsample(held_out(arguments.count), size=arguments.size).clamp(0, 1)
    print_table("held-out portraits", arguments.size, measure(G, portraits, options))
    print_table("sprites", 16, measure(G, torch.cat([sprites.load(name) for name in sprites.names()]), options))


if __name__ == "__main__":
    main()
