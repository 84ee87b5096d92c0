"""What StyleGAN2 is trained by (Karras et al. 2020), and the picture distance of the warm start."""

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
    """Mean over pictures (N, 3, H, W) of the squared gradient of their logits (Mescheder et al. 2018, equation 9)."""
    (gradient,) = torch.autograd.grad(real_logits.sum(), pictures, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


def path_lengths(images: Tensor, ws: Tensor) -> Tensor:
    """Length (N,) of the Jacobian of images (N, 3, H, W) to styles (N, num_ws, w_dim) along random pictures.

    Karras et al. 2020, equation 4.
    """
    direction = torch.randn_like(images) / sqrt(images.shape[2] * images.shape[3])
    (gradient,) = torch.autograd.grad((images * direction).sum(), ws, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()


def pyramid_distance(x: Tensor, y: Tensor) -> Tensor:
    """Mean absolute difference of Laplacian pyramids, summed over the levels down to 4 px.

    A plain distance is dominated by large areas; each level of the pyramid has its say, so edges stay sharp
    (Bojanowski et al. 2018, Optimizing the Latent Space of Generative Networks, equation 4).
    """
    difference = x - y
    total = difference.new_zeros([])
    while difference.shape[-1] > 4:
        smaller = F.avg_pool2d(difference, 2)
        total = total + (difference - F.interpolate(smaller, scale_factor=2, mode="nearest")).abs().mean()
        difference = smaller
    return total + difference.abs().mean()
