"""Places on a grid at which pictures that look alike are neighbours."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import uniform_filter
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

# Of a picture's description: a thumbnail of so many pixels a side, in so many principal components.
_SIDE, _COMPONENTS = 8, 16
# Places whose pictures are exchanged at once.
_EXCHANGED = 200
_SHRINKS, _SMALLEST = 0.9, 1.0


def descriptions(pictures: Tensor) -> Tensor:
    """Pictures (N, 3, R, R) of uint8 as (N, 3 * 8 * 8) numbers that are near where pictures look alike."""
    small = F.interpolate(pictures.float() / 255, (_SIDE, _SIDE), mode="area")
    return small.flatten(1)


def arrange(seen: Tensor, columns: int, rng: torch.Generator) -> Tensor:
    """A place for each picture on a grid, row by row, with pictures alike side by side.

    Linear assignment sorting (Barthel, Hezel, Jung, Schall: Improved Evaluation and Generation of Grid Layouts Using
    Distance Preservation Quality and Linear Assignment Sorting, 2023, section 4): the grid is blurred, and pictures
    are assigned anew to the blurred places that are most like them; the blur shrinks each time. As in the faster form
    of section 4.3, the assignment is made among random places at a time.

    Args:
        seen: (N, D), of `descriptions`.
        columns: of the grid; its last row may be part empty.
        rng: what the first places are drawn from.

    Returns:
        (N,) int64: which picture is at each place.
    """
    count = len(seen)
    columns = min(columns, count)
    rows = -(-count // columns)
    x = (seen - seen.mean(0)).double()
    if x.shape[1] > _COMPONENTS:
        _, vectors = torch.linalg.eigh(x.T @ x)
        x = x @ vectors[:, -_COMPONENTS:]
    values = x.numpy()
    order = torch.randperm(count, generator=rng).numpy()
    filled = np.zeros((rows, columns))
    filled.reshape(-1)[:count] = 1
    radius = max(rows, columns) / 2
    while radius >= _SMALLEST:
        wanted = _blurred(values[order], filled, int(radius))
        places = torch.randperm(count, generator=rng).numpy()
        for some in np.array_split(places, -(-count // _EXCHANGED)):
            pictures = order[some]
            cost = ((values[pictures][:, None] - wanted[some][None]) ** 2).sum(2)
            taken, at = linear_sum_assignment(cost)
            order[some[at]] = pictures[taken]
        radius *= _SHRINKS
    return torch.from_numpy(order)


def _blurred(values: np.ndarray, filled: np.ndarray, radius: int) -> np.ndarray:
    """The mean of what lies within `radius` of each place, without the empty ones."""
    rows, columns = filled.shape
    sheet = np.zeros((rows * columns, values.shape[1]))
    sheet[: len(values)] = values
    size = 2 * radius + 1
    weight = uniform_filter(filled, size, mode="constant")
    blurred = uniform_filter(sheet.reshape(rows, columns, -1), (size, size, 1), mode="constant")
    return (blurred / np.maximum(weight, 1e-9)[:, :, None]).reshape(rows * columns, -1)[: len(values)]
