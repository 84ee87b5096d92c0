"""Switches and choices of a portrait (glasses, a hat, a crown), which a derivative does not see: each is tried.

So are leaps: values of continuous coordinates that lie beyond a flat stretch, such as a beard for a clean chin.
The last Jacobian of a polish foretells what every trial would reach, the most promising are drawn, and the best is kept
if it clearly helps. Then all are tried again from there, so that a hat may follow upon another head.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from pulse.finish import Solution
from pulse.fit_portrait.colours import colour_of, coloured, odd_colour
from pulse.fit_portrait.oddity import weight_of
from pulse.fit_portrait.problem import (
    ALL,
    CHARACTER,
    MOST,
    NAMES,
    PEOPLE,
    SWITCHES,
    Problem,
    to_normal,
    to_unit,
)
from stylegan import portraits

# Of the trials of a round, so many of the most promising are drawn again, one step on.
_FORETOLD = 8
# Of these the best are polished by so many steps where none helps at once.
_TRIED, _STEPS = 2, 2
# Damping of the foretold steps, in shares of the Jacobian's mean square: the least, the most, and how it grows with the
# error. A Jacobian holds the less far, the further off the target is.
_DAMPING = (0.03, 1.0, 40.0)
# Rounds of trials, at most. People have few switches.
_ROUNDS = {"people": 1, "any": 1}
# What was turned has to lower the cost to this share; what hides a human face, to a smaller one.
_CLEARLY, _HIDING = 0.95, 0.85
# At most so many things are taken away from an answer, while the error stays below this many times that with all.
_REMOVED, _LITTLE = 8, 1.1
# Choices that are looks of the whole, not things that a face wears or has.
_LOOKS = ("ground_style", "light_style", "body", "head_block", "bald")
# What leaves little of a human face to see.
_MASKS = {
    "eyewear": ("left patch", "right patch", "mask", "scarf", "shades", "visor"),
    "eye_style": ("plain", "glowing", "hollow", "dots", "arcs", "hearts"),
    "headgear": ("visored helmet",),
    "muzzle": ("yes",),
    "skin_finish": ("ghost", "stone", "metal", "fur", "cloth"),
}
# Leaps of characters: what is set together.
_LEAPS: tuple[dict[str, float], ...] = (
    {"beard": 0.95, "sex": 0.9, "age": 0.5},
    {"beard": 0.95, "beard_length": 0.95, "sex": 0.9, "age": 0.5},
    {"beard": 0.3},
    {"moustache": 0.95, "beard": 0.3, "sex": 0.9, "age": 0.5},
    {"moustache": 0.3, "beard": 0.3},
    {"head_round": 1.0},
    {"head_round": 0.4},
    {"head_width": 0.95},
    {"head_width": 0.2},
    {"eye_large": 0.95},
    {"eye_large": 0.95, "eye_open": 0.95},
    {"eye_large": 0.4, "eye_open": 0.5},
    {"eye_spacing": 0.95},
    {"mouth_width": 0.95, "lip_colour": 0.95},
    {"mouth_width": 0.95, "mouth_open": 0.95, "smile": 0.9},
    {"mouth_width": 0.9, "mouth_open": 0.95, "smile": 0.3},
    {"mouth_width": 0.5, "mouth_open": 0.4},
    {"smile": 0.95},
    {"smile": 0.1},
    {"lip_colour": 0.95},
    {"hair_length": 0.05},
    {"hair_length": 0.4},
    {"hair_length": 0.95},
    {"hair_fringe": 0.95, "hair_length": 0.4},
    {"outline": 0.95},
    {"outline": 0.3},
    {"brow_size": 0.9, "brow_thickness": 0.9},
    {"brow_size": 0.05},
    {"nose_size": 0.05},
    {"nose_size": 0.95},
    {"hat_shape": 0.05},
    {"hat_shape": 0.95},
    {"headgear_size": 0.05},
    {"headgear_size": 0.95},
)
# Hair in place of what covers it, in the colour at the top of the picture.
_HAIR: tuple[dict[str, float], ...] = (
    {"hair_length": 0.1},
    {"hair_length": 0.3, "hair_fringe": 0.95},
    {"hair_length": 0.8},
)
_HEADGEAR = next(row for row in portraits.TABLE if row.name == "headgear")
# Leaps from where a coordinate is, in deviations.
_STRIDES = {"camera_zoom": 0.7, "camera_lift": 0.7, "yaw": 0.7}


def with_switches(problem: Problem, best: Solution) -> Solution:
    """The best points, or what became of them with switches turned, where that is better."""
    x, value, cost = best.x.clone(), best.value.clone(), best.cost.clone()
    active = list(range(len(x)))
    for _ in range(_ROUNDS["people" if problem.k == PEOPLE else "any"]):
        trials = {}
        for i in active:
            points, shares = alternatives(x[i], problem.target[i])
            trials[i] = points, shares * weight_of(problem, x[i : i + 1]) / weight_of(problem, points)
        values = problem.draw(torch.cat([points for points, _ in trials.values()])).split(
            [len(points) for points, _ in trials.values()]
        )
        moved = []
        for (i, (points, shares)), seen in zip(trials.items(), values, strict=True):
            steps, left = foretold(problem, best.jacobian[i], seen, i)
            left = left + problem.strangeness(points + steps, torch.full((len(points),), i))
            few = (left / shares).topk(min(_FORETOLD, len(left)), largest=False).indices
            moved.append(((points[few] + steps[few]).clamp(-MOST, MOST), shares[few]))
        values = problem.draw(torch.cat([points for points, _ in moved])).split([len(points) for points, _ in moved])
        helped: list[int] = []
        others: list[tuple[int, Tensor, Tensor, Tensor]] = []
        for i, (points, shares), seen in zip(active, moved, values, strict=True):
            penalty = problem.penalty(points, torch.full((len(points),), i))
            found = (seen - problem.flat[i]).square().mean(1) + penalty
            order = (found / shares).argsort()
            one = int(order[0])
            if found[one] < shares[one] * cost[i]:
                x[i], value[i], cost[i] = points[one], seen[one], found[one]
                helped.append(i)
            else:
                few = order[:_TRIED]
                others.append((i, points[few], seen[few], shares[few]))
        helped += _polished(problem, others, x, value, cost)
        active = sorted(helped)
        if not active:
            break
    error = (value - problem.flat).square().mean(1)
    return replace(best, x=x, value=value, error=error, cost=cost)


def _polished(
    problem: Problem, trials: list[tuple[int, Tensor, Tensor, Tensor]], x: Tensor, value: Tensor, cost: Tensor
) -> list[int]:
    """Polishes trials (target, points, values, shares) a little, puts what clearly helps into `x`, `value` and `cost`,
    and says which targets these were."""
    if not trials:
        return []
    owner = torch.cat([torch.full((len(points),), i) for i, points, *_ in trials])
    seen = torch.cat([values for _, _, values, _ in trials])
    shares = torch.cat([shares for *_, shares in trials])
    found = problem.polish(torch.cat([points for _, points, *_ in trials]), owner, _STEPS, value=seen)
    helped = []
    for row, i in enumerate(owner.tolist()):
        if found.cost[row] < (1.0 if i in helped else shares[row]) * cost[i]:
            x[i], value[i], cost[i] = found.x[row], found.value[row], found.cost[row]
            helped.append(i)
    return list(set(helped))


def simplified(problem: Problem, best: Solution) -> Solution:
    """The best points without what the targets do not ask for: glasses, masks, fangs, whose absence costs little."""
    points, changed = best.x.clone(), False
    for i in range(len(points)):
        for _ in range(_REMOVED):
            plainer = _plainer(points[i])
            if len(plainer) == 0:
                break
            values = problem.draw(plainer)
            steps, left = foretold(problem, best.jacobian[i], values, i)
            weight = weight_of(problem, plainer)
            one = int((left * weight).argmin())
            moved = (plainer[one] + steps[one]).clamp(-MOST, MOST)[None]
            most = _LITTLE * float(best.error[i] * weight_of(problem, best.x[i : i + 1])[0] / weight[one])
            if float((problem.draw(moved) - problem.flat[i]).square().mean()) > most:
                break
            points[i], changed = moved[0], True
    if not changed:
        return best
    values = problem.draw(points)
    error = (values - problem.flat).square().mean(1)
    return replace(
        best, x=points, value=values, error=error, cost=error + problem.penalty(points, torch.arange(len(points)))
    )


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


def foretold(problem: Problem, jacobian: Tensor, values: Tensor, i: int) -> tuple[Tensor, Tensor]:
    """One damped step (M, K) of each point from its `values` along the Jacobian, and the error (M,) it would leave."""
    p = values.shape[1]
    normal = jacobian.T @ jacobian / p
    error = (values - problem.flat[i]).square().mean(1).min()
    damping = (_DAMPING[0] + _DAMPING[2] * error).clamp(max=_DAMPING[1])
    normal += (problem.prior / problem.k + damping * normal.diagonal().mean() + 1e-9) * torch.eye(len(normal))
    normal += (problem.stiff / problem.k).diag()
    steps = -torch.linalg.solve(normal, jacobian.T @ (values - problem.flat[i]).T / p).T.clamp(-1, 1)
    return steps, (values + steps @ jacobian.T - problem.flat[i]).square().mean(1)


def alternatives(x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The point x (K,) with one switch or choice turned, or one leap taken: (M, K); and (M,) to which share of the
    cost each has to come."""
    changed: list[dict[str, float]] = []
    shares: list[float] = []

    def turned(share: float = _CLEARLY, **values: float) -> None:
        changed.append(values)
        shares.append(share)

    u = to_unit(x)
    for name, (off, bound, on) in SWITCHES.items():
        turned(0.9, **{name: off if float(u[NAMES.index(name)]) > bound else on})
    # Sex and age change much at once, and a derivative is small at their ends.
    turned(sex=0.85 if float(u[NAMES.index("sex")]) < 0.5 else 0.15)
    if len(x) == PEOPLE:
        turned(hat=0.95, hair_length=0.3)
    elif float(u[CHARACTER]) <= 0.5:
        point = x.clone()
        point[CHARACTER] = 0.7
        point = coloured(point[None], target, torch.Generator().manual_seed(0))[0]
        points, others = _points(x, changed), torch.tensor([*shares, 0.9])
        return torch.cat([points, point[None]]), others
    else:
        _turn_all(u, target, turned)
    return _points(x, changed), torch.tensor(shares)


def _turn_all(u: Tensor, target: Tensor, turned: Callable[..., None]) -> None:
    """Calls `turned` with all other values of the switches and choices of a character, and with all leaps."""
    hat, trim, whisker = (_own(name, colour_of(target, name)) for name in ("hat", "trim", "whisker"))
    iris = _own("iris", odd_colour(target))
    hair = _own("hair", colour_of(target, "hair"))
    for row in portraits.TABLE[1:]:
        if row.kind == "continuous":
            continue
        now = int(torch.bucketize(u[NAMES.index(row.name)], torch.tensor(row.bounds)))
        for i, name in enumerate(row.names):
            if i == now:
                continue
            more = hat if row.name == "headgear" and name != "none" else {}
            if row.name == "eyewear" and name in ("mask", "scarf", "visor"):
                more = trim
            if row.name == "eye_style" and name in ("plain", "glowing", "hearts"):
                more = iris
            share = _HIDING if name in _MASKS.get(row.name, ()) else _CLEARLY
            turned(share, **{row.name: row.value(name)}, **more)
    for leap in _LEAPS:
        turned(**leap, **(whisker if max(leap.get("beard", 0), leap.get("moustache", 0)) > 0.5 else {}))
    for leap in _HAIR:
        turned(headgear=_HEADGEAR.value("none"), bald=0.35, **leap, **hair)
    turned(eye_large=0.95, **iris)
    turned(**trim)
    for name, stride in _STRIDES.items():
        now_at = u[NAMES.index(name)]
        for way in (-stride, stride):
            turned(**{name: float(to_unit(to_normal(now_at) + way))})


def _own(name: str, colour: Tensor) -> dict[str, float]:
    """The coordinates that give a part a colour (3,) of its own."""
    red, green, blue = (float(c) for c in colour.clamp(0.02, 0.98))
    values = {f"{name}_red": red, f"{name}_green": green, f"{name}_blue": blue}
    return {f"{name}_own": 0.75, **values} if f"{name}_own" in NAMES else values


def _points(x: Tensor, changed: list[dict[str, float]]) -> Tensor:
    """(M, K), the point x (K,) with other values in the unit cube."""
    points = x.repeat(len(changed), 1)
    for point, values in zip(points, changed, strict=True):
        for name, value in values.items():
            point[NAMES.index(name)] = float(to_normal(torch.tensor(value)))
    return points
