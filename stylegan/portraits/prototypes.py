"""Characters put together from parts, in the colours that suit a small picture: where a fit of portraits may begin.

A picture of a character is nearly a sum of its colours, each times a mask: the share of every pixel that shows skin,
hair, a hat and so on, with the light that falls there. Games shade what they draw, so each colour may change evenly
across and down the picture. With the masks in hand the best colours for a target are a linear least-squares problem of
thirty unknowns, which takes microseconds, where drawing takes ten milliseconds. What is changed about the top of a
head, its eyes, its mouth and its body hardly overlaps, so that the changes of the masks add up. A few hundred masks
thus stand for a million characters, which are compared part by part.

    python -m stylegan.portraits.prototypes

draws the masks anew, for `stylegan/weights/prototypes.safetensors`, after the renderer or its vocabulary has changed.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from stylegan.common.files import whole_file
from stylegan.common.tensors import read_tensors
from stylegan.portraits.characters import EXTRAS, TABLE
from stylegan.portraits.coordinates import COORDINATES, decode
from stylegan.portraits.head import build
from stylegan.portraits.landmarks import frame
from stylegan.portraits.render import render
from stylegan.portraits.variants import GROUPS, SHAPES, USUAL, Change

NAMES = (*COORDINATES, *EXTRAS)
# Parts with a colour of their own, as the coordinates call them.
PARTS = ("skin", "hair", "hat", "cloth", "ground", "second", "trim", "bone", "whisker", "iris")
_CHANNELS = ("red", "green", "blue")
# Masks are drawn at `_DRAWN` pixels and kept at `_SIDE`, of a square of half side `_HALF` around (0, `_MIDDLE`) in the
# plane of the picture, in decimetres.
_DRAWN, _SIDE, _HALF, _MIDDLE = 64, 40, 1.9, 0.1
# Masks are kept in steps of one in so many.
_LEVELS = 32
# sRGB of a part while its mask is drawn.
_BRIGHT = 0.6
# Targets are compared at so many pixels.
_SMALL = 16
# Colours are drawn towards grey a little, so that parts that hardly show get none that is strange, and towards one
# colour for the whole part.
_RIDGE, _EVEN = 0.3, 3.0
# How much further a human face may be than one with a mask, tusks or hearts for eyes.
_ODD = 1.08
# The same of hearts for eyes that are not red: dark ones are holes or glasses.
PALE_HEARTS = 1.4
# Half sides of pictures, and how high and how far aside their middles are, that are tried.
_ZOOMS, _LIFTS, _SHIFTS = (0.95, 1.1, 1.3, 1.55), (-0.3, -0.12, 0.06, 0.24, 0.42), (0.0,)
# Of shapes and cameras, so many are tried with all parts for each target.
_PROMISING = 12
# Pairs of a target and a camera that are looked at together.
_TOGETHER = 20
_ROWS = {row.name: row for row in TABLE}
# A shape's number, and half a side of the picture, how high and how far aside its middle is.
_View = tuple[int, float, float, float]


@dataclass(frozen=True)
class Masks:
    """For each of S shapes: `base` (S, 11, 40, 40), masks of `PARTS` and last what no colour changes, such as teeth;
    and by group `changes` (S, V, 11, 40, 40) of its variants, the first of which changes nothing."""

    base: Tensor
    changes: dict[str, Tensor]


@dataclass(frozen=True)
class _Best:
    """What was chosen for each of M pairs of a target and a camera: `masks` (M, 11, 256), `error` (M,), colours
    (M, 10, 3) and, by group, the number (M,) of the variant."""

    masks: Tensor
    error: Tensor
    colour: Tensor
    chosen: dict[str, Tensor]

    def at(self, rows: Tensor) -> _Best:
        chosen = {group: number[rows] for group, number in self.chosen.items()}
        return _Best(self.masks[rows], self.error[rows], self.colour[rows], chosen)


def _joined(some: list[_Best]) -> _Best:
    chosen = {group: torch.cat([one.chosen[group] for one in some]) for group in GROUPS}
    masks, error, colour = (torch.cat([getattr(one, name) for one in some]) for name in ("masks", "error", "colour"))
    return _Best(masks, error, colour, chosen)


def point(*changes: Change) -> Tensor:
    """Coordinates (128,) of a character with these changes, later ones over earlier ones."""
    u = torch.full((len(NAMES),), 0.5)
    for name, value in {k: v for change in (USUAL, *changes) for k, v in change.items()}.items():
        u[NAMES.index(name)] = _ROWS[name].value(value) if isinstance(value, str) else value
    return u


@cache
def masks() -> Masks:
    """Those in the box."""
    path = Path(str(resources.files("stylegan") / "weights" / "prototypes.safetensors"))
    packed = read_tensors(path)[0]["masks"].numpy().tobytes()
    levels = torch.frombuffer(bytearray(zlib.decompress(packed)), dtype=torch.int8)
    whole = levels.view(len(SHAPES), -1, len(PARTS) + 1, _SIDE, _SIDE).float() / _LEVELS
    groups = whole[:, 1:].split([len(variants) for variants in GROUPS.values()], 1)
    return Masks(whole[:, 0], dict(zip(GROUPS, groups, strict=True)))


def dressed(pictures: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The characters that are expected to come nearest to small pictures.

    Args:
        pictures: (N, 3, h, w) in [0, 1].
        count: how many for each, at most 12, of different shapes or cameras.

    Returns:
        u (N, count, 128), the nearest first, and the mean squared errors (N, count) that are expected of them.
    """
    small = F.interpolate(pictures, size=(_SMALL, _SMALL), mode="area").flatten(2)
    n, views = len(small), _views()
    shown = torch.stack([_within(*view[:3]) for view in views])
    each = max(1, _TOGETHER // n)
    first = []
    for i in range(0, len(views), each):
        few = views[i : i + each]
        rows = torch.arange(len(few)).repeat_interleave(n)
        goal = small.repeat(len(few), 1, 1)
        best = _none(goal, torch.stack([_reduced("", *view)[0] for view in few])[rows])
        for group, fits in (("top", shown[i : i + each][rows]), ("body", None)):
            best = _with(best, goal, group, torch.stack([_reduced(group, *view) for view in few])[rows], fits)
        first.append(best)
    errors = torch.cat([best.error for best in first]).view(len(views), n)
    # (N, 12) views, the rows of which stand in `first` one target after the other.
    promising = errors.topk(_PROMISING, dim=0, largest=False).indices.T
    tried = _joined(first).at((promising * n + torch.arange(n)[:, None]).flatten())
    target = torch.arange(n).repeat_interleave(_PROMISING)
    found = []
    for rows in torch.arange(len(target)).split(_TOGETHER):
        best, seen = tried.at(rows), promising.flatten()[rows].tolist()
        for group in ("eyes", "mouth", "top", "eyes"):
            changes = torch.stack([_reduced(group, *views[w]) for w in seen])
            best = _with(best, small[target[rows]], group, changes, shown[seen] if group == "top" else None)
        found.append(best)
    best = _joined(found)
    least, order = best.error.view(n, -1).topk(count, dim=1, largest=False)
    rows = (order + torch.arange(n)[:, None] * _PROMISING).flatten()
    u = _points(best.at(rows), [views[w] for w in promising.flatten()[rows].tolist()])
    return u.view(n, count, -1), least


@cache
def _views() -> list[_View]:
    """The shapes and cameras that are tried."""
    return [(s, z, y, x) for s in range(len(SHAPES)) for z in _ZOOMS for y in _LIFTS for x in _SHIFTS]


@cache
def _reduced(group: str, shape: int, half: float, lift: float, shift: float) -> Tensor:
    """Changes (V, 11, 256) of a shape as a camera sees them; base (1, 11, 256) for the group "".

    They are kept, since each target needs most of them: 30 MiB.
    """
    pixels = torch.arange(2 * _SMALL) + 0.5
    matrices = []
    for middle in (_MIDDLE - lift, shift):
        # Rows of the picture go down, heights go up.
        at = (middle + half * (pixels / _SMALL - 1)) / _HALF
        index = ((at + 1) * _SIDE / 2 - 0.5).clamp(0, _SIDE - 1)
        weight = (1 - (index[:, None] - torch.arange(_SIDE)).abs()).clamp(min=0)
        matrices.append(weight.view(_SMALL, 2, _SIDE).mean(1))
    down, across = matrices
    box = masks()
    x = box.changes[group][shape] if group else box.base[shape, None]
    return (down @ (x @ across.T)).flatten(-2)


@cache
def _cameras() -> Tensor:
    """(S, V, 3), for every shape and top: half a side of the picture at zoom 1, where its middle is, how tall it is."""
    rows = []
    for shape in SHAPES:
        p = decode(torch.stack([point(shape, change) for change in GROUPS["top"]]))
        seen = frame(build(p))
        rows.append(
            torch.cat([seen.axes[:, 0].norm(dim=1, keepdim=True) / seen.zoom, seen.centre[:, 1:], p["tall"]], 1)
        )
    return torch.stack(rows)


def _within(shape: int, half: float, lift: float) -> Tensor:
    """(V,) bool, which tops the camera of a portrait can show like that: what is tall lifts it and moves it away."""
    scale, middle, tall = _cameras()[shape].unbind(1)
    zoom = half / scale - 0.22 * tall
    return (zoom > 0.72) & (zoom < 1.62) & (((lift - middle) / scale).abs() < 0.37)


def _weight(change: Change) -> float:
    """What errors of a variant are multiplied by: an odd thing has to come clearly nearer than a human face."""
    odd = any(change.get(name, "none") not in ("none", "human") for name in ("eye_style", "eyewear", "teeth"))
    return _ODD if odd or "muzzle" in change else 1.0


def red(colour: Tensor) -> Tensor:
    """(...) bool, whether colours (..., 3) are a bright red or pink, as hearts are."""
    return (colour[..., 0] > 0.65) & (colour[..., 0] - colour[..., 1:].amax(-1) > 0.2)


def _none(small: Tensor, base: Tensor) -> _Best:
    zero = torch.zeros(len(small), dtype=torch.int64)
    colour, error = _coloured(small, base[:, None])
    return _Best(base, error[:, 0], colour[:, 0], dict.fromkeys(GROUPS, zero))


def _with(best: _Best, small: Tensor, group: str, changes: Tensor, fits: Tensor | None = None) -> _Best:
    """The best of the variants of a group, whose `changes` are (M, V, 11, 256); of those that `fits` (M, V) allows."""
    rows = torch.arange(len(small))
    bare = best.masks - changes[rows, best.chosen[group]]
    tried = bare[:, None] + changes
    colour, error = _coloured(small, tried)
    weighted = error * torch.tensor([_weight(change) for change in GROUPS[group]])
    hearts = torch.tensor([change.get("eye_style") == "hearts" for change in GROUPS[group]])
    pale = hearts & ~red(colour[:, :, PARTS.index("iris")])
    weighted = torch.where(pale, error * PALE_HEARTS, weighted)
    one = (weighted if fits is None else weighted.masked_fill(~fits, torch.inf)).argmin(1)
    return _Best(tried[rows, one], error[rows, one], colour[rows, one], {**best.chosen, group: one})


@cache
def _slopes() -> Tensor:
    """(3, 256): what is even, what rises to the right and what rises downwards, from -1 to 1."""
    across = (torch.arange(_SMALL) + 0.5) * (2 / _SMALL) - 1
    y, x = torch.meshgrid(across, across, indexing="ij")
    return torch.stack([torch.ones_like(x), x, y]).flatten(1)


def _coloured(small: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """The best colours (M, V, 10, 3) for targets (M, 3, 256) of masks (M, V, 11, 256), and the errors (M, V).

    The colours are those in the middles of the parts.
    """
    parts, goal = seen[:, :, :-1], small[:, None] - seen[:, :, -1:]
    sloped = (parts[:, :, :, None] * _slopes()).flatten(2, 3)
    ridge = torch.tensor([_RIDGE, _EVEN, _EVEN]).repeat(len(PARTS))
    pull = sloped @ goal.transpose(2, 3)
    pull[:, :, ::3] += _RIDGE * 0.5
    found = torch.linalg.solve(sloped @ sloped.transpose(2, 3) + torch.diag(ridge), pull)
    error = (found.transpose(2, 3) @ sloped - goal).square().mean((2, 3))
    found = found.unflatten(2, (len(PARTS), 3))
    # A slope is not for nothing.
    error = error + _EVEN * found[:, :, :, 1:].square().sum((2, 3, 4)) / goal[0, 0].numel()
    there = parts.clamp(min=0) + 1e-6
    middle = (there @ _slopes().T) / there.sum(3, keepdim=True)
    return (found * middle[..., None]).sum(3).clamp(0, 1), error


def _points(best: _Best, views: list[_View]) -> Tensor:
    """The coordinates (M, 128) of what was chosen in each row."""
    rows = []
    for i, (shape, *_) in enumerate(views):
        u = point(SHAPES[shape], *(GROUPS[group][int(best.chosen[group][i])] for group in GROUPS))
        rows.append(u)
    u = torch.stack(rows)
    at = [NAMES.index(f"{part}_{channel}") for part in PARTS for channel in _CHANNELS]
    u[:, at] = best.colour.flatten(1).clamp(0.01, 0.99)
    p = decode(u)
    seen = frame(build(p))
    # How the frame of `landmarks` depends on these three, turned round.
    half, lift, shift = torch.tensor([view[1:] for view in views]).unbind(1)
    scale = seen.axes[:, 0].norm(dim=1) / seen.zoom[:, 0]
    zoom = half / scale - 0.22 * p["tall"][:, 0]
    u[:, NAMES.index("camera_zoom")] = (-0.32 + (0.1024 + 2.12 * (zoom - 0.74)).clamp(min=0).sqrt()) / 1.06
    u[:, NAMES.index("camera_lift")] = 0.5 + (lift - seen.centre[:, 1]) / scale / 0.7
    u[:, NAMES.index("camera_shift")] = 0.5 + (shift - seen.centre[:, 0]) / scale / 0.36
    return u.clamp(0.01, 0.99)


def _drawn(u: Tensor) -> Tensor:
    """Masks (N, 11, 40, 40) of characters u (N, 128)."""
    out = torch.zeros(len(u), len(PARTS) + 1, _DRAWN, _DRAWN)
    slots: list[str | None] = [*PARTS, None]
    for i in range(0, len(slots), 3):
        seen = u.clone()
        for part in PARTS:
            for channel in _CHANNELS:
                seen[:, NAMES.index(f"{part}_{channel}")] = 0
        three = slots[i : i + 3]
        for slot, channel in zip(three, _CHANNELS, strict=False):
            if slot is not None:
                seen[:, NAMES.index(f"{slot}_{channel}")] = _BRIGHT
        out[:, i : i + len(three)] = render(seen, _DRAWN)[:, : len(three)]
    out[:, :-1] = (out[:, :-1] - out[:, -1:]) / _BRIGHT
    view = frame(build(decode(u)))
    s = ((torch.arange(_SIDE) + 0.5) * (2 / _SIDE) - 1) * _HALF
    y, x = torch.meshgrid(_MIDDLE - s, s, indexing="ij")
    flat = torch.stack([x.flatten(), y.flatten()], 1)
    at = (flat - view.centre[:, None]) @ torch.linalg.inv(view.axes)
    return F.grid_sample(out, at.view(len(u), _SIDE, _SIDE, 2), padding_mode="border", align_corners=False)


def main() -> None:
    """Draw the masks and write the file."""
    whole = []
    for shape in SHAPES:
        base = _drawn(point(shape)[None])
        variants = torch.stack([point(shape, change) for group in GROUPS.values() for change in group])
        whole.append(torch.cat([base, torch.cat([_drawn(part) for part in variants.split(32)]) - base]))
    levels = (torch.stack(whole) * _LEVELS).round().clamp(-127, 127).to(torch.int8)
    packed = zlib.compress(levels.numpy().tobytes(), 9)
    path = Path(str(resources.files("stylegan") / "weights" / "prototypes.safetensors"))
    with whole_file(path) as file:
        save_file({"masks": torch.frombuffer(bytearray(packed), dtype=torch.uint8)}, file)
    print(f"{path}: {path.stat().st_size} bytes, {levels.shape[0] * levels.shape[1]} masks")


if __name__ == "__main__":
    main()
