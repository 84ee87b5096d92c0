"""Metrics whose weights come from elsewhere: LPIPS and NIQE, where they are at hand. Nothing is downloaded."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

# From answers and truths (N, 3, R, R) in [0, 1] to a number for each (N,).
Metric = Callable[[Tensor, Tensor], Tensor]


def at_hand() -> tuple[dict[str, Metric], list[str]]:
    """The metrics that can be measured here, and a sentence for each that cannot.

    LPIPS (Zhang et al., CVPR 2018) with AlexNet is that of the package lpips; its AlexNet is torchvision's. NIQE
    (Mittal et al., IEEE SPL 2013) is that of the package pyiqa.
    """
    hub = Path(torch.hub.get_dir())
    found: dict[str, Metric] = {}
    missing = []
    for name, package, weights, make in (
        ("LPIPS", "lpips", hub / "checkpoints" / "alexnet-owt-7be5be79.pth", _lpips),
        ("NIQE", "pyiqa", hub / "pyiqa" / "niqe_modelparameters.mat", _niqe),
    ):
        if importlib.util.find_spec(package) is None:
            missing.append(f"{name} was not measured because the package {package} is not installed.")
        elif not weights.exists():
            missing.append(f"{name} was not measured because its weights, {weights.name}, are not in {weights.parent}.")
        else:
            found[name] = make()
    return found, missing


def _lpips() -> Metric:
    import lpips

    network: Any = lpips.LPIPS(net="alex", verbose=False).eval()

    def measure(answers: Tensor, truths: Tensor) -> Tensor:
        with torch.no_grad():
            return network(answers * 2 - 1, truths * 2 - 1).flatten()

    return measure


def _niqe() -> Metric:
    import pyiqa

    network: Any = pyiqa.create_metric("niqe", device="cpu")

    def measure(answers: Tensor, truths: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.stack([network(one[None]).flatten()[0] for one in answers])

    return measure
