"""What `pulse.search` is given, checked before it begins."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pulse.generators import device_of


def check_tensor(target: Any) -> None:
    """Raises ValueError, in one sentence, for a target that is no tensor of floating-point numbers."""
    if not isinstance(target, Tensor) or not target.is_floating_point():
        what = f"{tuple(target.shape)} {target.dtype}" if isinstance(target, Tensor) else f"a {type(target).__name__}"
        raise ValueError(f"The target is {what}; give a floating-point tensor (N, 3, h, w).")


def check_target(G: Any, target: Any, operator: Any) -> None:
    """Raises ValueError, in one sentence, for a target that no image of the generator can fit."""
    check_tensor(target)
    if target.ndim < 1 or min(target.shape) < 1:
        raise ValueError(f"The target is empty, {tuple(target.shape)}; give at least one image of at least one pixel.")
    if operator is not None:
        if not bool(target.isfinite().all()):
            raise ValueError("The target has values that are not finite; give others.")
        if not callable(getattr(operator, "A", None)):
            raise ValueError(f"The operator, a {type(operator).__name__}, has no A(x); give one with A and A_adjoint.")
        return
    if target.ndim != 4:
        raise ValueError(f"The target is {tuple(target.shape)}; give a floating-point tensor (N, 3, h, w).")
    if target.shape[1] != int(G.img_channels):
        raise ValueError(f"The target has {target.shape[1]} channels; the generator makes {G.img_channels}, give that.")
    if max(target.shape[2:]) > int(G.img_resolution):
        raise ValueError(
            f"The target is {target.shape[3]}x{target.shape[2]} pixels, the generator makes only {G.img_resolution}; "
            "downsample the target first."
        )
    if not bool(((target >= 0) & (target <= 1)).all()):
        raise ValueError("The target has values outside [0, 1] or not finite; scale or clamp it to [0, 1].")


def check_labels(G: Any, labels: Tensor | None, count: int) -> Tensor | None:
    """The labels (count, c_dim) of so many targets, on the generator's device; None for one without classes.

    Raises:
        ValueError: in one sentence, if there are labels for a generator without classes, none for one with, or others.
    """
    c_dim = int(getattr(G, "c_dim", 0))
    if c_dim == 0:
        if labels is not None:
            raise ValueError("The generator is not conditional and takes no labels; leave them out.")
        return None
    if not isinstance(labels, Tensor) or labels.ndim != 2 or labels.shape[1] != c_dim or len(labels) not in (1, count):
        found = "none" if labels is None else tuple(labels.shape) if isinstance(labels, Tensor) else repr(labels)
        raise ValueError(
            f"The generator is conditional and needs labels, a tensor ({count}, {c_dim}) or (1, {c_dim}); "
            f"it was given {found}."
        )
    return labels.detach().to(device_of(G), torch.float32).expand(count, -1)
