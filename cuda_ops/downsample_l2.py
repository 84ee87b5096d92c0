"""PULSE's loss core: images made small and their squared error, one pass over memory each way (Menon et al. 2020)."""

import torch
from torch import Tensor

from cuda_ops import build, reference
from cuda_ops.reference import Bands


def downsample_l2(x: Tensor, target: Tensor, rows: Bands, columns: Bands) -> tuple[Tensor, Tensor]:
    """The mean squared error of images made small, and the small images (Menon et al. 2020, section 3).

    Differentiable in `x` and `target`, through both results; a gradient that is to be differentiated again is made of
    PyTorch's operations. Nothing of the size of `x` is kept or made but the gradient of `x`, which is written once.
    The arithmetic and both results are float32 (float64 for float64); autocast changes nothing.

    Args:
        x: (N, C, H, W), contiguous or channels_last.
        target: (N, C, h, w).
        rows: `bands` of the matrix (h, H) that reduces the height.
        columns: `bands` of the matrix (w, W) that reduces the width.

    Returns:
        The mean over C, h and w of the squared difference to `target`, (N,), and the small images (N, C, h, w).

    Raises:
        ValueError: for shapes that do not belong together.
    """
    reference.check_downsample_l2(x, target, rows, columns)
    if not build.native(x):
        return reference.downsample_l2(x, target, rows, columns)
    forth, back = (*rows[:2], *columns[:2]), (*rows[2:], *columns[2:])
    loss, small = torch.ops.cuda_ops.downsample_l2(x, target, *forth, *back)
    return loss, small
