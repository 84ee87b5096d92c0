"""Switches and choices of a portrait (glasses, a hat, a crown), which a derivative does not see: each is tried.

The last Jacobian of a polish foretells what every trial would reach, and the most promising are drawn.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from pulse.finish import Solution
from pulse.fit_portrait.colours import colour_of, coloured
from pulse.fit_portrait.problem import (
    ALL,
    CHARACTER,
    MOST,
    NAMES,
    PEOPLE,
    SWITCHES,
    Problem,
    rows_of,
    to_normal,
    to_unit,
)
from stylegan import portraits

# Of the ways to turn a switch, the most promising are drawn, and the best polished, if their error before the polish is
# at most so many times that of the point as it is.
_FORETOLD, _TRIED, _WORTH_A_POLISH = 6, 2, 2.0
# At most so many things are taken away from an answer, while the error stays below this many times that with all.
_REMOVED, _LITTLE = 8, 1.15
# Choices that are looks of the whole, not things that a face wears or has.
_LOOKS = ("ground_style", "light_style", "body", "head_block", "bald")
# Of the short polish of what was turned.
_STEPS = 2
# A turned switch has to lower the cost to this share: a polish alone lowers it a little.
_CLEARLY = 0.9


def with_switches(problem: Problem, best: Solution) -> Solution:
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
    tried = problem.polish(torch.cat(trials), owner, _STEPS)
    candidates = rows_of(best, torch.arange(len(best.x)))
    for row, i in enumerate(rows):
        if tried.cost[row] < _CLEARLY * candidates.cost[i]:
            for name, value in vars(tried).items():
                if isinstance(value, Tensor):
                    getattr(candidates, name)[i] = value[row]
    return candidates


def simplified(problem: Problem, best: Solution) -> Solution:
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
    for name, (off, bound, _) in SWITCHES.items():
        if float(u[NAMES.index(name)]) > bound:
            changed.append((name, off))
    if len(x) == ALL and float(u[CHARACTER]) > 0.5:
        for row in portraits.TABLE[1:]:
            if row.kind == "continuous" or row.name.endswith("_own") or row.name in _LOOKS:
                continue
            if float(u[NAMES.index(row.name)]) > row.bounds[0]:
                changed.append((row.name, row.value(row.names[0])))
    points = x.repeat(len(changed), 1)
    for point, (name, value) in zip(points, changed, strict=True):
        point[NAMES.index(name)] = float(to_normal(torch.tensor(value)))
    return points


def _foretold(problem: Problem, jacobian: Tensor, values: Tensor, i: int) -> tuple[Tensor, Tensor]:
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
    for name, (off, bound, on) in SWITCHES.items():
        turned(**{name: off if float(u[NAMES.index(name)]) > bound else on})
    # Sex and age change much at once, and a derivative is small at their ends.
    turned(sex=0.85 if float(u[NAMES.index("sex")]) < 0.5 else 0.15)
    if len(x) == PEOPLE:
        turned(hat=0.95, hair_length=0.3)
        return torch.stack(changed)
    if float(u[CHARACTER]) <= 0.5:
        v = x.clone()
        v[CHARACTER] = 0.7
        changed.append(coloured(v[None], target, torch.Generator().manual_seed(0))[0])
        return torch.stack(changed)
    red, green, blue = (float(c) for c in colour_of(target, "hat").clamp(0.02, 0.98))
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
