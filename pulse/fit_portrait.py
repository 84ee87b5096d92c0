"""Which portrait a small picture shows: numbers of `stylegan.portraits` that, drawn and made small, are the picture.

A portrait is a point v of a space with a standard normal prior; `stylegan.portraits.render` draws u = Phi(v). For each
target: points around what a small network reads from it (`stylegan.portraits.encoder`) are drawn, and the best are
polished by Levenberg-Marquardt (`pulse.finish`). A derivative does not see switches (glasses, a hat, a crown), so the
values of each are tried: the last Jacobian foretells what every trial would reach, and the most promising are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from pulse.finish import Solution, least_squares
from pulse.operators import downsample
from stylegan import portraits
from stylegan.portraits import encoder

PEOPLE, ALL = len(portraits.COORDINATES), len(portraits.COORDINATES) + len(portraits.EXTRAS)
NAMES = (*portraits.COORDINATES, *portraits.EXTRAS)
# Of one coordinate, in deviations: what lies further out looks the same, and is not a likely face.
MOST = 2.6
# Points drawn around what the network reads, for each target.
_SCREENED = {"people": 64, "any": 128}
# Of the ways to turn a switch, the most promising are drawn, and the best polished, if their error before the polish is
# at most so many times that of the point as it is.
_FORETOLD, _TRIED, _WORTH_A_POLISH = 6, 2, 2.0
# At most so many things are taken away from an answer, while the error stays below this many times that with all.
_REMOVED, _LITTLE = 8, 1.15
# Choices that are looks of the whole, not things that a face wears or has.
_LOOKS = ("ground_style", "light_style", "body", "head_block", "bald")
# Of each long polish; every second takes a Jacobian anew.
_STEPS = 4
# A turned switch has to lower the cost to this share: a polish alone lowers it a little.
_CLEARLY = 0.9
# The numbers below 0.5 are people, the others characters.
_CHARACTER = PEOPLE + portraits.EXTRAS.index("character")
# Switches of people: name, a value for off, the bound, and a value for on.
_SWITCHES = {"glasses": (0.4, 0.78, 0.9), "hat": (0.4, 0.88, 0.95)}
# Which colour is that of which part of the picture, in rows and columns of 1/16.
_WHERE = {
    "skin": (slice(7, 13), slice(5, 11)),
    "hair": (slice(1, 4), slice(4, 12)),
    "hat": (slice(1, 4), slice(4, 12)),
    "trim": (slice(3, 5), slice(5, 11)),
    "cloth": (slice(14, 16), slice(4, 12)),
    "ground": (slice(0, 6), slice(0, 2)),
    "second": (slice(0, 6), slice(14, 16)),
    "bone": (slice(0, 3), slice(2, 14)),
    "whisker": (slice(12, 15), slice(5, 11)),
}


@dataclass(frozen=True)
class Fit:
    """The portraits found for N targets.

    Attributes:
        v: (N, K), K 64 for people and 128 for any.
        start: (N,), which of the starts won.
        errors: (N, 4), mean squared error of the best screened point, after the polish, after the switches, at the end;
            each in the small pictures that the fit is made with.
        evaluations: portraits drawn, for all targets.
    """

    v: Tensor
    start: Tensor
    errors: Tensor
    evaluations: int


def to_unit(v: Tensor) -> Tensor:
    """The point u (N, K) of the unit cube of normal coordinates v."""
    return torch.special.ndtr(v.double()).float().clamp(0, 1)


def to_normal(u: Tensor) -> Tensor:
    """Normal coordinates of points u of the unit cube, at most `MOST` from 0."""
    return torch.special.ndtri(u.double()).float().clamp(-MOST, MOST)


def fit(target: Tensor, kind: str, prior: float, starts: int, rngs: Sequence[torch.Generator]) -> Fit:
    """The likely portraits that are, made small, nearest to the targets.

    Args:
        target: (N, 3, s, s) in [0, 1].
        kind: "people" or "any".
        prior: weight of the prior; see `pulse.finish.least_squares`.
        starts: how many points are polished for each target.
        rngs: one for each target, so that an answer does not depend on its neighbours.
    """
    problem = _Problem(target, kind, prior)
    v, error = _screen(problem, starts, rngs)
    count = len(target)
    screened = error.view(count, starts).min(1).values
    rows = torch.arange(count).repeat_interleave(starts)
    first = problem.polish(v, rows, _STEPS)
    won = first.cost.view(count, starts).argmin(1)
    best = _rows(first, torch.arange(count) * starts + won)
    polished = best.error
    best = _simplified(problem, _with_switches(problem, best))
    switched = best.error
    best = problem.polish(best.x, torch.arange(count), _STEPS)
    errors = torch.stack([screened, polished, switched, best.error], 1)
    return Fit(best.x, won, errors, problem.evaluations)


class _Problem:
    """The targets, and what is drawn to meet them."""

    def __init__(self, target: Tensor, kind: str, prior: float) -> None:
        self.target, self.flat = target, target.flatten(1)
        self.size = int(target.shape[-1])
        self.k = PEOPLE if kind == "people" else ALL
        self.prior = prior
        self.evaluations = 0
        kinds = [row.kind for row in portraits.TABLE]
        people = [name not in _SWITCHES for name in portraits.COORDINATES]
        self.continuous = torch.tensor((people + [k == "continuous" for k in kinds])[: self.k])

    def draw(self, v: Tensor) -> Tensor:
        """(M, 3 * s * s), portraits v (M, K) made small."""
        self.evaluations += len(v)
        small = []
        for part in v.split(512):
            images = portraits.render(to_unit(part.clamp(-MOST, MOST)), max(32, 2 * self.size))
            small.append(downsample(images, size=self.size).flatten(1))
        return torch.cat(small)

    def polish(self, v: Tensor, rows: Tensor, steps: int) -> Solution:
        """Moves v (M, K), of which each is for the target `rows`, along what is continuous."""
        free = self.continuous.expand_as(v).clone()
        if self.k == ALL:
            free[:, PEOPLE:] &= v[:, _CHARACTER, None] > 0
        return least_squares(
            self.draw, v, self.flat[rows], prior=self.prior, free=free, renew=2, steps=steps, enough=2e-5
        )


def _screen(problem: _Problem, starts: int, rngs: Sequence[torch.Generator]) -> tuple[Tensor, Tensor]:
    """The best points (N * starts, K) of those around what the network reads, and their errors (N * starts,)."""
    count = _SCREENED["people" if problem.k == PEOPLE else "any"]
    mean, deviation = encoder.read(problem.target)
    points = []
    for i, rng in enumerate(rngs):
        spread = torch.randn(count, problem.k, generator=rng)
        spread[0] = 0
        v = mean[i, : problem.k] + 0.8 * deviation[i, : problem.k] * spread
        if problem.k == ALL:
            v[:, _CHARACTER] = 0.7
            v[: count // 2, PEOPLE:] = to_normal(portraits.as_characters(torch.zeros(1, PEOPLE)))[:, PEOPLE:]
            v[count // 2 :] = _coloured(v[count // 2 :], problem.target[i], rng)
        points.append(v.clamp(-MOST, MOST))
    v = torch.stack(points)
    values = problem.draw(v.flatten(0, 1)).view(len(rngs), count, -1)
    cost = (values - problem.flat[:, None]).square().mean(2)
    least, which = cost.topk(starts, dim=1, largest=False)
    return v[torch.arange(len(rngs))[:, None], which].flatten(0, 1), least.flatten()


def _coloured(v: Tensor, target: Tensor, rng: torch.Generator) -> Tensor:
    """The points with colours of their own, those of the target where each part usually is."""
    v = v.clone()
    for name in _WHERE:
        at = [NAMES.index(f"{name}_{channel}") for channel in ("red", "green", "blue")]
        colour = _colour_of(target, name)
        u = colour + 0.08 * torch.randn(len(v), 3, generator=rng)
        v[:, at] = to_normal(u.clamp(0.02, 0.98))
        if f"{name}_own" in NAMES:
            v[:, NAMES.index(f"{name}_own")] = 0.7
    return v


def _colour_of(target: Tensor, name: str) -> Tensor:
    """The mean colour (3,) of a target (3, s, s) where that part usually is."""
    s = target.shape[-1]
    rows, columns = (slice(at.start * s // 16, max(at.stop * s // 16, at.start * s // 16 + 1)) for at in _WHERE[name])
    return target[:, rows, columns].mean((1, 2))


def _with_switches(problem: _Problem, best: Solution) -> Solution:
    """The best points, or what became of them with a switch turned and a short polish, where that is better."""
    trials, rows = [], []
    for i, x in enumerate(best.x):
        changed = _alternatives(x, problem.target[i])
        values = problem.draw(changed)
        steps, left = _foretold(problem, best.jacobian[i], values, i)
        promising = left.topk(min(_FORETOLD, len(left)), largest=False).indices
        moved = (changed[promising] + steps[promising]).clamp(-MOST, MOST)
        error = (problem.draw(moved) - problem.flat[i]).square().mean(1)
        near = (error < _WORTH_A_POLISH * best.error[i]).nonzero()[:, 0]
        kept = near[error[near].argsort()[:_TRIED]]
        trials.append(moved[kept])
        rows += [i] * len(kept)
    if not rows:
        return best
    owner = torch.tensor(rows)
    tried = problem.polish(torch.cat(trials), owner, _STEPS // 2)
    candidates = _rows(best, torch.arange(len(best.x)))
    for row, i in enumerate(rows):
        if tried.cost[row] < _CLEARLY * candidates.cost[i]:
            for name, value in vars(tried).items():
                if isinstance(value, Tensor):
                    getattr(candidates, name)[i] = value[row]
    return candidates


def _simplified(problem: _Problem, best: Solution) -> Solution:
    """The best points without what the targets do not ask for: glasses, masks, fangs, whose absence costs little."""
    points, changed = best.x.clone(), False
    for i in range(len(points)):
        for _ in range(_REMOVED):
            plainer = _plainer(points[i])
            if len(plainer) == 0:
                break
            values = problem.draw(plainer)
            steps, left = _foretold(problem, best.jacobian[i], values, i)
            one = int(left.argmin())
            moved = (plainer[one] + steps[one]).clamp(-MOST, MOST)[None]
            if float((problem.draw(moved) - problem.flat[i]).square().mean()) > _LITTLE * float(best.error[i]):
                break
            points[i], changed = moved[0], True
    if not changed:
        return best
    values = problem.draw(points)
    error = (values - problem.flat).square().mean(1)
    return replace(best, x=points, value=values, error=error, cost=error + problem.prior * points.square().mean(1))


def _plainer(x: Tensor) -> Tensor:
    """(M, K), the point x (K,) with one of what it has beyond a plain head taken away."""
    u = to_unit(x)
    changed = []
    for name, (off, bound, _) in _SWITCHES.items():
        if float(u[NAMES.index(name)]) > bound:
            changed.append((name, off))
    if len(x) == ALL and float(u[_CHARACTER]) > 0.5:
        for row in portraits.TABLE[1:]:
            if row.kind == "continuous" or row.name.endswith("_own") or row.name in _LOOKS:
                continue
            if float(u[NAMES.index(row.name)]) > row.bounds[0]:
                changed.append((row.name, row.value(row.names[0])))
    points = x.repeat(len(changed), 1)
    for point, (name, value) in zip(points, changed, strict=True):
        point[NAMES.index(name)] = float(to_normal(torch.tensor(value)))
    return points


def _foretold(problem: _Problem, jacobian: Tensor, values: Tensor, i: int) -> tuple[Tensor, Tensor]:
    """One damped step (M, K) of each point from its `values` along the Jacobian, and the error (M,) it would leave."""
    p = values.shape[1]
    normal = jacobian.T @ jacobian / p
    normal += (problem.prior / problem.k + 0.03 * normal.diagonal().mean() + 1e-9) * torch.eye(len(normal))
    steps = -torch.linalg.solve(normal, jacobian.T @ (values - problem.flat[i]).T / p).T.clamp(-1, 1)
    return steps, (values + steps @ jacobian.T - problem.flat[i]).square().mean(1)


def _alternatives(x: Tensor, target: Tensor) -> Tensor:
    """(M, K), the point x (K,) with one switch or choice turned, each to each of its other values."""
    changed = []

    def turned(**values: float) -> None:
        v = x.clone()
        for name, u in values.items():
            v[NAMES.index(name)] = float(to_normal(torch.tensor(u)))
        changed.append(v)

    u = to_unit(x)
    for name, (off, bound, on) in _SWITCHES.items():
        turned(**{name: off if float(u[NAMES.index(name)]) > bound else on})
    # Sex and age change much at once, and a derivative is small at their ends.
    turned(sex=0.85 if float(u[NAMES.index("sex")]) < 0.5 else 0.15)
    if len(x) == PEOPLE:
        turned(hat=0.95, hair_length=0.3)
        return torch.stack(changed)
    if float(u[_CHARACTER]) <= 0.5:
        v = x.clone()
        v[_CHARACTER] = 0.7
        changed.append(_coloured(v[None], target, torch.Generator().manual_seed(0))[0])
        return torch.stack(changed)
    red, green, blue = (float(c) for c in _colour_of(target, "hat").clamp(0.02, 0.98))
    hat = {"hat_own": 0.75, "hat_red": red, "hat_green": green, "hat_blue": blue}
    for row in portraits.TABLE[1:]:
        if row.kind == "continuous":
            continue
        now = int(torch.bucketize(u[NAMES.index(row.name)], torch.tensor(row.bounds)))
        for i, name in enumerate(row.names):
            if i != now:
                more = hat if row.name == "headgear" and name != "none" else {}
                turned(**{row.name: row.value(name)}, **more)
    return torch.stack(changed)


def _rows(solution: Solution, rows: Tensor) -> Solution:
    """Some rows of a solution."""
    parts: dict[str, Any] = {name: x[rows] if isinstance(x, Tensor) else x for name, x in vars(solution).items()}
    return Solution(**parts)
