"""How near generated pictures are to the real ones: sliced Wasserstein distance, FID and KID.

The sliced Wasserstein distance compares patches and needs no network. FID and KID compare features, and the user names
the function that computes them: the usual network comes with its own weights and licence.
"""

from collections.abc import Callable
from importlib import import_module

import torch
from torch import Tensor

from stylegan.checkpoints.loading import Generator
from stylegan.training.dataset import Dataset
from stylegan.training.networks import draw
from stylegan.training.sliced_wasserstein import mean_distance, sliced_wasserstein

# Pictures (n, 3, R, R) of uint8 to features (n, D).
Features = Callable[[Tensor], Tensor]


def measure(
    generator: Generator, dataset: Dataset, count: int, features: Features | None = None, seed: int = 0
) -> dict[str, float]:
    """Distances between samples of a generator and as many real pictures.

    Args:
        generator: in evaluation mode.
        dataset: the real pictures.
        count: how many are compared, or all if there are fewer.
        features: a function from pictures (n, 3, R, R) of uint8 on the CPU to (n, D), for FID and KID; None for none.
        seed: of the samples and of the choice of real pictures.

    Returns:
        "swd", the mean over the levels of the sliced Wasserstein distance; with `features` and more than one picture
        also "fid" and "kid".
    """
    count = min(count, len(dataset))
    rng = torch.Generator().manual_seed(seed)
    index = torch.randperm(len(dataset), generator=rng)[:count]
    z = torch.randn(count, generator.z_dim, generator=rng)
    reals, fakes = dataset.reals(index), draw(generator, z, dataset.c(index))
    smallest = min(16, dataset.resolution)
    numbers = {"swd": mean_distance(sliced_wasserstein(reals, fakes, smallest=smallest))}
    if features is not None and count > 1:
        of_reals, of_fakes = (_extracted(features, pictures) for pictures in (reals, fakes))
        numbers |= {"fid": frechet_distance(of_reals, of_fakes), "kid": kernel_distance(of_reals, of_fakes)}
    return {name: round(value, 5) for name, value in numbers.items()}


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """Fréchet distance of the normal distributions of features (N, D) and (M, D) (Heusel et al. 2017, equation 6).

    |m - n|^2 + tr(A) + tr(B) - 2 tr((A B)^(1/2)), where the last trace is the sum of the singular values of
    A^(1/2) B^(1/2). With fewer than D pictures the covariances lack full rank, and the distance is too large.
    """
    a, b = x.double(), y.double()
    distance = (a.mean(dim=0) - b.mean(dim=0)).square().sum()
    # The deviations over sqrt(N - 1) are square roots of the covariances, up to a rotation, which keeps the trace.
    a, b = ((f - f.mean(dim=0)) / max(len(f) - 1, 1) ** 0.5 for f in (a, b))
    return float(distance + a.square().sum() + b.square().sum() - 2 * torch.linalg.svdvals(a @ b.T).sum())


def kernel_distance(x: Tensor, y: Tensor) -> float:
    """Unbiased squared MMD of features (N, D) and (M, D), N, M > 1, kernel (x.y / D + 1)^3 (Bińkowski et al. 2018)."""
    a, b = x.double(), y.double()

    def kernel(f: Tensor, g: Tensor) -> Tensor:
        return (f @ g.T / f.shape[1] + 1) ** 3

    def off_diagonal(k: Tensor) -> Tensor:
        return (k.sum() - k.trace()) / (len(k) * (len(k) - 1))

    return float(off_diagonal(kernel(a, a)) + off_diagonal(kernel(b, b)) - 2 * kernel(a, b).mean())


def features_of(name: str) -> Features:
    """Imports the function that "package.module:function" names.

    Raises:
        ValueError: if there is no such module or function.
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"There is no function {name!r} ({error}); name it as package.module:function.") from error
    if not callable(found):
        raise ValueError(f"{name!r} is not a function; name one from uint8 pictures (n, 3, R, R) to features (n, D).")
    return found


@torch.no_grad()
def _extracted(features: Features, pictures: Tensor) -> Tensor:
    found = torch.cat([features(some).cpu() for some in pictures.split(64)])
    if found.ndim != 2 or len(found) != len(pictures):
        raise ValueError(f"The features of {len(pictures)} pictures are {tuple(found.shape)}; they must be (N, D).")
    return found
