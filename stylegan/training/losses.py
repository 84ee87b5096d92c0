"""The losses: logistic, R1 penalty and path length for a GAN; distances between pictures for a regression."""

from math import sqrt

import torch
from torch import Tensor
from torch.nn import functional as F


def generator_loss(fake_logits: Tensor) -> Tensor:
    """Non-saturating loss of a generator (Goodfellow et al. 2014): mean of `-log sigmoid(D(G(z)))`."""
    return F.softplus(-fake_logits).mean()


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Logistic loss of a discriminator: mean of `-log sigmoid(D(x)) - log(1 - sigmoid(D(G(z))))`."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def r1_penalty(real_logits: Tensor, pictures: Tensor) -> Tensor:
    """R1: the mean over pictures (N, 3, H, W) of the squared norm of the gradient of their logits (N, 1).

    Mescheder et al. 2018, equation 9, without its factor gamma / 2.
    """
    (gradient,) = torch.autograd.grad(real_logits.sum(), pictures, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


def path_lengths(images: Tensor, ws: Tensor, rng: torch.Generator) -> Tensor:
    """Lengths (N,) of J^T y for the Jacobian J of images (N, 3, H, W) by styles (N, num_ws, w_dim).

    The random images y are normal, of deviation 1 / sqrt(H * W), and drawn from `rng` (Karras et al. 2020, equation 4).
    """
    direction = torch.empty_like(images).normal_(generator=rng) / sqrt(images.shape[2] * images.shape[3])
    (gradient,) = torch.autograd.grad((images * direction).sum(), ws, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()


def pyramid_distance(x: Tensor, y: Tensor) -> Tensor:
    """Mean absolute difference of Laplacian pyramids, summed over the levels down to 4 px.

    Large areas dominate a plain distance; here each level counts alike, so that edges stay sharp (Bojanowski et al.
    2018, Optimizing the Latent Space of Generative Networks, equation 4).
    """
    difference = x - y
    total = difference.new_zeros([])
    while difference.shape[-1] > 4:
        smaller = F.avg_pool2d(difference, 2)
        total = total + (difference - F.interpolate(smaller, scale_factor=2, mode="nearest")).abs().mean()
        difference = smaller
    return total + difference.abs().mean()


def skin_distance(x: Tensor, y: Tensor, places: Tensor) -> Tensor:
    """Mean squared difference of lightness of pictures x and y (N, 3, R, R) at places of skin, over these.

    Lightness is L* / 100 of CIE 1976, so that dark skin counts as light skin does, and each place counts by its mean.
    The least absolute differences of `pyramid_distance` lie at medians, which leave out rare light and shade; the
    least squared ones lie at means.

    Args:
        x, y: in [-1, 1].
        places: (N, P, R, R) of booleans, see `stylegan.portraits.skin_places`; none of them empty.
    """
    shares = places / places.sum((2, 3), keepdim=True)
    return torch.einsum("nphw,nhw->np", shares, _lightness(x) - _lightness(y)).square().mean()


def _lightness(x: Tensor) -> Tensor:
    """L* / 100 (N, H, W) of pictures (N, 3, H, W) in [-1, 1] of sRGB."""
    # Where black has no slope, and outside of the range, it learns from the other distances.
    srgb = ((x + 1) / 2).clamp(0, 1)
    linear = torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    y = torch.einsum("nchw,c->nhw", linear, x.new_tensor([0.2126, 0.7152, 0.0722]))
    return torch.where(y <= 0.008856, 9.033 * y, 1.16 * y.clamp(min=1e-4) ** (1 / 3) - 0.16)


def texture_distance(x: Tensor, y: Tensor, rng: torch.Generator, filters: int = 16, window: int = 8) -> Tensor:
    """Distance between the textures of pictures (N, 3, R, R): a sliced Wasserstein distance within small windows.

    A plain distance counts a strand of hair that lies beside the right one twice, and so teaches blur. This one
    compares what is in a window, wherever it lies there. On each Laplacian level down to 16 px, the responses to random
    filters of 7x7 px are sorted within each window (Heitz et al. 2021, A Sliced Wasserstein Loss for Neural Texture
    Synthesis, on pixels instead of features). The result is the mean absolute difference of the sorted responses, in
    units of y's contrast on the level, summed over the levels.

    Args:
        x: the pictures to judge.
        y: the pictures that they should be, on the same device.
        rng: what filters and windows are drawn from, on that device.
        filters: how many, on each level.
        window: side of a window, in responses; they lie two pixels apart.
    """
    total = x.new_zeros([])
    while x.shape[-1] >= 16:
        smaller = [F.avg_pool2d(t, 2) for t in (x, y)]
        blurred = [F.interpolate(t, scale_factor=2.0, mode="bilinear", align_corners=False) for t in smaller]
        bank = torch.randn(filters, 3, 7, 7, generator=rng, device=rng.device)
        bank = bank / bank.flatten(1).norm(dim=1)[:, None, None, None]
        details = torch.cat([x - blurred[0], y - blurred[1]]) / ((y - blurred[1]).square().mean().sqrt() + 1e-3)
        # The windows lie elsewhere each time, so that their borders are not learnt.
        row, column = torch.randint(0, 2, (2,), generator=rng, device=rng.device).tolist()
        responses = F.conv2d(details[:, :, row:, column:], bank, stride=2, padding=3)
        whole = responses.shape[-1] // window * window
        windows = responses[:, :, :whole, :whole].unfold(2, window, window).unfold(3, window, window)
        ordered = windows.flatten(4).sort(dim=-1).values
        total = total + (ordered[: len(x)] - ordered[len(x) :]).abs().mean()
        x, y = smaller
    return total
