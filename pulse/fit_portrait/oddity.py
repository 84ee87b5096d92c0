"""How odd a face is: what hides one for a little less error has to come clearly nearer to a target than a plain face.

It counts only for targets that no portrait shows (`Problem.soft`). Other hats and eyes were tried too, and were not
better: what one hat no longer covers another one does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pulse.fit_portrait.problem import ALL, CHARACTER, NAMES, Problem, to_unit
from stylegan import portraits
from stylegan.portraits.prototypes import PALE_HEARTS, red

# Factors of the costs: hoods frame a second face, visors and scarves hide one, marks look like a second mouth, and
# light from nowhere makes a face flat.
_ODD = {
    ("headgear", "hood"): 1.3,
    ("headgear", "visored helmet"): 1.2,
    ("eyewear", "visor"): 1.2,
    ("eyewear", "scarf"): 1.2,
    ("marks", "stripes"): 1.1,
    ("marks", "band"): 1.1,
    ("light_style", "flat"): 1.03,
    ("light_style", "even"): 1.03,
}
# The same of headgear in the colour of skin, which looks like a face around a face, and how near that is in sRGB.
_LIKE_SKIN, _NEAR = 1.2, 0.25


def oddity(v: Tensor) -> Tensor:
    """(M,), 1 for the plainest faces and more for others, of points v (M, 128)."""
    u = to_unit(v)
    out = torch.ones(len(u))
    for (row, name), factor in _ODD.items():
        out = torch.where(_chosen(u, row, name), out * factor, out)
    worn = ~_chosen(u, "headgear", "none") & ~_chosen(u, "headgear", "crown")
    alike = (_colour(u, "hat") - _colour(u, "skin")).norm(dim=1) < _NEAR
    out = out * torch.where(worn & alike, _LIKE_SKIN, 1.0)
    hearts = _chosen(u, "eye_style", "hearts")
    iris = _colour(u, "iris")
    out = out * torch.where(hearts & ~red(iris), PALE_HEARTS, 1.0)
    return torch.where(u[:, CHARACTER] > 0.5, out, 1.0)


def _colour(u: Tensor, name: str) -> Tensor:
    """(M, 3), the sRGB of a part's own colour of points u (M, 128)."""
    return u[:, [NAMES.index(f"{name}_{channel}") for channel in ("red", "green", "blue")]]


def _chosen(u: Tensor, row: str, name: str) -> Tensor:
    """(M,) bool, whether the choice `row` of points u (M, 128) is this one."""
    choice = next(one for one in portraits.TABLE if one.name == row)
    kind = torch.bucketize(u[:, NAMES.index(row)].contiguous(), torch.tensor(choice.bounds))
    return kind == choice.names.index(name)


def weight_of(problem: Problem, v: Tensor) -> Tensor:
    """(M,), by what the costs of points v (M, K) are multiplied before they are compared."""
    return oddity(v) if problem.soft and problem.k == ALL else torch.ones(len(v))
