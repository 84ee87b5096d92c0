"""The targets of a fit, and the portraits that are drawn to meet them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from pulse.finish import Solution, least_squares
from pulse.fit_portrait.drawing import drawn
from pulse.operators import downsample
from stylegan import portraits

PEOPLE, ALL = len(portraits.COORDINATES), len(portraits.COORDINATES) + len(portraits.EXTRAS)
NAMES = (*portraits.COORDINATES, *portraits.EXTRAS)
# Of one coordinate, in deviations: what lies further out looks the same, and is not a likely face.
MOST = 2.6
# The numbers below 0.5 are people, the others characters.
CHARACTER = PEOPLE + portraits.EXTRAS.index("character")
# Pictures held at a time.
_HELD = 512
# Mean squared errors: of a step of 1 along a coordinate that is hardly seen, and where a polish ends.
_LITTLE, _ENOUGH = 1e-5, 2e-5
# By how much what is even over the picture counts less in soft problems, and over how many pixels of 16 it is even.
_MENDED, _EVEN = 6.0, 2.5
# What shapes a face and its frame, and how much more it weighs in the prior of soft problems: there paint does what
# staring eyes, a mouth from ear to ear, a brim on the brows and a chin below the frame would do.
_FACE = {
    "camera_zoom": 0.35,
    "outline": 0.15,
    **dict.fromkeys(("hat_shape", "nose_size"), 0.2),
    **dict.fromkeys(("eye_large", "mouth_width", "camera_lift"), 0.1),
    **dict.fromkeys(("eye_open", "eye_spacing", "mouth_open", "lip_colour", "head_height", "head_width"), 0.06),
    **dict.fromkeys(("brow_size", "yaw", "pitch", "roll"), 0.06),
}
# The middle of their prior where that is not 0: rims leave a forehead, the frame leaves a chin, and edges are inked a
# little, as games ink them.
_MIDDLES = {
    **{"hat_shape": 1.0, "camera_zoom": 0.25, "camera_lift": -0.1},
    **{"nose_size": 0.1, "head_height": 0.3, "outline": 1.1},
}
# How much the colour of skin weighs there. The middle of its prior is the colour that most of the target has in these
# rows and columns of 1/16.
_SKIN, _ROWS, _COLUMNS = 0.2, slice(7, 13), slice(5, 11)
_SKIN_AT = [NAMES.index(f"skin_{channel}") for channel in ("red", "green", "blue")]
# Switches of people: name, a value for off, the bound, and a value for on.
SWITCHES = {"glasses": (0.4, 0.78, 0.9), "hat": (0.4, 0.88, 0.95)}


def to_unit(v: Tensor) -> Tensor:
    """The point u (N, K) of the unit cube of normal coordinates v."""
    return torch.special.ndtr(v.double()).float().clamp(0, 1)


def to_normal(u: Tensor) -> Tensor:
    """Normal coordinates of points u of the unit cube, at most `MOST` from 0."""
    return torch.special.ndtri(u.double()).float().clamp(-MOST, MOST)


class Problem:
    """The targets, and what is drawn to meet them.

    Args:
        target: (N, 3, s, s) in [0, 1].
        kind: "people" or "any".
        prior: weight of the prior; see `pulse.finish.least_squares`.
        soft: differences that are even over much of the picture count less, since paint can mend them (`painting`).
            Values and targets are then filtered; `errors` are of pixels as they are.
    """

    def __init__(self, target: Tensor, kind: str, prior: float, soft: bool = False) -> None:
        self.soft = soft
        self.size = int(target.shape[-1])
        self.target, self.flat = target, self.filtered(target.flatten(1))
        # Pictures of the target's own size are drawn sharper than reduced ones; `correct` mends that.
        self.side = max(32, self.size)
        self.kind = kind
        self.k = PEOPLE if kind == "people" else ALL
        self.prior = prior
        self.evaluations = 0
        kinds = [row.kind for row in portraits.TABLE]
        people = [name not in SWITCHES for name in portraits.COORDINATES]
        self.stiff, self.middle = torch.zeros(self.k), torch.zeros(len(target), self.k)
        if soft and self.k == ALL:
            self.stiff, middle = _human()
            self.middle = middle.repeat(len(target), 1)
            self.middle[:, _SKIN_AT] = _face_colours(target)
        self.continuous = torch.tensor((people + [k == "continuous" for k in kinds])[: self.k])

    def of(self, rows: Tensor) -> Problem:
        """The problem of some of the targets, which counts its own evaluations."""
        return Problem(self.target[rows], self.kind, self.prior, self.soft)

    def filtered(self, values: Tensor) -> Tensor:
        """Values (M, 3 * s * s) as this problem compares them."""
        return _filtered(values, self.size, -0.5) if self.soft else values

    def errors(self, solution: Solution) -> Tensor:
        """Mean squared errors (N * S,) of the pixels, as they are, of a solution with S rows for each target."""
        if not self.soft:
            return solution.error
        wanted = self.flat.repeat_interleave(len(solution.value) // len(self.flat), 0)
        return _filtered(solution.value - wanted, self.size, 0.5).square().mean(1)

    def draw(self, v: Tensor, side: int | None = None) -> Tensor:
        """(M, 3 * s * s), portraits v (M, K) drawn `side` pixels large, made small and filtered."""
        self.evaluations += len(v)
        small = []
        for part in v.split(_HELD):
            images = drawn(to_unit(part.clamp(-MOST, MOST)), side or self.side)
            small.append(downsample(images, size=self.size).flatten(1))
        return self.filtered(torch.cat(small))

    def penalty(self, v: Tensor, rows: Tensor) -> Tensor:
        """The prior's term (M,) of the costs of points v (M, K) for the targets `rows` (M,)."""
        return self.prior * (v - self.middle[rows]).square().mean(1) + self.strangeness(v, rows)

    def strangeness(self, v: Tensor, rows: Tensor) -> Tensor:
        """How far (M,) the faces of points v (M, K) are from those that people have, and their skin from the colour of
        the targets `rows` (M,); 0 unless the problem is soft."""
        return (self.stiff * (v - self.middle[rows]).square()).mean(1)

    def correct(self, v: Tensor) -> None:
        """Takes from the targets by how much the points v (N, K) differ when they are drawn large.

        The defect correction of K. Böhmer, P. Hemker and H. Stetter (1984): what is cheap to draw is moved until what
        is drawn well meets the target.
        """
        self.flat = self.filtered(self.target.flatten(1)) - (self.draw(v, 4 * self.size) - self.draw(v))

    def polish(
        self,
        v: Tensor,
        rows: Tensor,
        steps: int,
        callback: Callable[[int, Solution], object] | None = None,
        jacobian: Tensor | None = None,
        centre: Tensor | None = None,
        renew: int = 2,
        enough: float = _ENOUGH,
        value: Tensor | None = None,
    ) -> Solution:
        """Moves v (M, K), of which each is for the target `rows`, along what is continuous; see `least_squares`.

        `value` (M, P) is what `draw` gives for v, where that is known.
        """
        free = self.continuous.expand_as(v).clone()
        if self.k == ALL:
            free[:, PEOPLE:] &= v[:, CHARACTER, None] > 0
        return least_squares(
            self.draw,
            v,
            self.flat[rows],
            prior=self.prior,
            centre=self.middle[rows] if centre is None else centre,
            stiff=self.stiff,
            free=free,
            value=value,
            jacobian=jacobian,
            renew=renew,
            little=_LITTLE,
            steps=steps,
            enough=enough,
            callback=callback,
        )


@cache
def _human() -> tuple[Tensor, Tensor]:
    """By how much more coordinates (128,) weigh in the prior of soft problems, and the middle (128,) of that prior."""
    stiff, middle = torch.zeros(ALL), torch.zeros(ALL)
    for name, weight in _FACE.items():
        stiff[NAMES.index(name)] = weight
    for name, value in _MIDDLES.items():
        middle[NAMES.index(name)] = value
    stiff[_SKIN_AT] = _SKIN
    return stiff, middle


def _face_colours(target: Tensor) -> Tensor:
    """The normal coordinates (N, 3) of the colours that most of the middles of targets (N, 3, s, s) have.

    Medians, since eyes and a mouth have others.
    """
    size = target.shape[-1]
    rows, columns = (slice(at.start * size // 16, at.stop * size // 16) for at in (_ROWS, _COLUMNS))
    return to_normal(target[:, :, rows, columns].flatten(2).median(2).values.clamp(0.02, 0.98))


def _filtered(values: Tensor, size: int, power: float) -> Tensor:
    """Values (M, 3 * s * s) times (I + `_MENDED` S) to this power; S makes a picture smooth and keeps what is even."""
    vectors, waves = _waves(size)
    x = vectors.T @ values.view(-1, 3, size, size) @ vectors
    return (vectors @ (x * (1 + _MENDED * waves) ** power) @ vectors.T).flatten(1)


@cache
def _waves(size: int) -> tuple[Tensor, Tensor]:
    """Eigenvectors (s, s) of a Gaussian filter along one axis, and the eigenvalues (s, s) of the filter along both."""
    at = torch.arange(size) * (16 / size)
    values, vectors = torch.linalg.eigh(torch.exp((at[:, None] - at).square() / (-2 * _EVEN**2)))
    values = (values / values[-1]).clamp(min=0)
    return vectors, values[:, None] * values


def with_rows(whole: Solution, rows: Tensor, some: Solution) -> Solution:
    """A solution with some rows, those of number `rows`, taken from another one."""
    parts: dict[str, Any] = {}
    for name, x in vars(whole).items():
        if isinstance(x, Tensor):
            parts[name] = x.index_copy(0, rows, getattr(some, name))
    return replace(whole, **parts)


def rows_of(solution: Solution, rows: Tensor) -> Solution:
    """Some rows of a solution."""
    parts: dict[str, Any] = {name: x[rows] if isinstance(x, Tensor) else x for name, x in vars(solution).items()}
    return Solution(**parts)
