"""Drawn answers: the portrait that a small picture shows, drawn by the renderer itself, crisp and of any size.

The search of `pulse.engine` moves styles of a network. Here no network draws: the answer is a point of
`stylegan.portraits`, found by `pulse.fit_portrait`, and drawn.
"""

from __future__ import annotations

import operator
import secrets
import warnings
from typing import Any

import torch
from torch import Tensor

from pulse import pictures
from pulse.fit_portrait import MOST, fit, to_unit
from pulse.operators import downsample
from pulse.options import SearchOptions
from pulse.result import Result
from stylegan import portraits
from stylegan.portraits.coordinates import check_resolution

KINDS = ("any", "people")
RESOLUTION = 512
FIDELITY = 0.7
STARTS = 2
_SMALLEST, _LARGEST = 8, 64
# Stages of a fit that `Result.history` tells of: screened, polished, switches tried, polished again, drawn large.
_STAGES = 5


def draw(
    picture: pictures.Source,
    *,
    kind: str = "any",
    resolution: int = RESOLUTION,
    fidelity: float = FIDELITY,
    starts: int = STARTS,
    seed: int | None = None,
    eps: float = SearchOptions.eps,
    size: int = 16,
    framing: str = "pad",
    background: pictures.Colour = pictures.BACKGROUND,
    notes: list[str] | None = None,
) -> Result:
    """Draws the portrait that, made small, is the given picture.

        result = pulse.draw("knight.png", seed=1)
        print(result.describe())
        result.to_pil().save("face.png")

    Args:
        picture: targets (N, 3, s, s) in [0, 1], s from 8 to 64; or a picture as `pulse.depixelize` takes it.
        kind: "any", people and characters (coloured skin, helmets, horns); or "people", the person that fits best.
        resolution: of the answers, 8 to 1024 px.
        fidelity: from 0, the most probable face, to 1, the closest pixels.
        starts: how many points are polished for each target; more take longer and miss less.
        seed: of the first target, counted on for the others; random if not given.
        eps: mean squared error at which an answer counts as reached.
        size, framing, background, notes: of a picture, as of `pulse.depixelize`; targets are taken as they are.

    Returns:
        The answers. `images` (N, 3, R, R) are the drawn pictures; `downsampled`, `l2`, `loss` and `reached` are those
        of their pixels. `latents` (N, 1, K) are the portraits' normal coordinates; `describe` and `redraw` know what
        they mean. `history` has the errors of five stages: the best point screened, after the polish, after the
        switches, after the last polish, and drawn at `resolution`.

    Raises:
        ValueError: in one sentence, for a picture or an option that cannot be used.
    """
    if kind not in KINDS:
        raise ValueError(f"The kind is {kind!r}; give one of {', '.join(KINDS)}.")
    if isinstance(fidelity, bool) or not isinstance(fidelity, (int, float)) or not 0 <= fidelity <= 1:
        raise ValueError(f"The fidelity is {fidelity!r}; give a number from 0 to 1.")
    check_resolution(resolution)
    # Checked by the one list of options.
    options = SearchOptions(starts=starts, seed=seed, eps=eps)
    target = _target(picture, size, framing, background, notes)
    first = secrets.randbits(32) if options.seed is None else operator.index(options.seed)
    seeds = tuple(first + i for i in range(len(target)))
    rngs = [torch.Generator().manual_seed(one) for one in seeds]
    found = fit(target, kind, _prior(fidelity), starts, rngs)
    v = found.v.clamp(-MOST, MOST)
    images = torch.cat([portraits.render(to_unit(one), resolution) for one in v.split(1)])
    small = downsample(images, size=(target.shape[2], target.shape[3]))
    error = (small - target).square().mean((1, 2, 3))
    reached = error <= options.eps
    history = torch.cat([found.errors, error[:, None]], 1)
    last = torch.full((len(target),), _STAGES - 1)
    return Result(
        images=images,
        downsampled=small,
        target=target,
        loss=error,
        l2=error,
        reached=reached,
        reached_at=last.masked_fill(~reached, -1),
        best_at=last,
        start=found.start,
        latents=v[:, None],
        ws=v.new_zeros(len(v), 0, 0),
        noise=[],
        history={"loss": history, "l2": history.clone()},
        seed=first,
        seeds=seeds,
        settings={
            "finish": "drawn",
            "kind": kind,
            "fidelity": float(fidelity),
            "resolution": resolution,
            "starts": starts,
            "eps": options.eps,
            "seed": first,
            "kernel": "bicubic",
        },
    )


def check_generator(generator: Any) -> None:
    """Raises ValueError if `generator`, a name, a path or a network, is not the one in the box."""
    name = generator if isinstance(generator, str) else getattr(generator, "name", None)
    if name not in ("default", "portraits128"):
        shown = repr(str(generator)) if isinstance(name, str) and name is generator else "given"
        raise ValueError(
            f"Drawn answers come from the portraits that taught the generator 'default', and the generator is {shown}; "
            "leave it out, or choose finish='network'."
        )


def _prior(fidelity: float) -> float:
    """The weight of the prior: from 1e-2, at which only broad colours count, to 1e-5, by powers of ten."""
    return 10 ** (-2 - 3 * float(fidelity))


def _target(picture: Any, size: int, framing: str, background: Any, notes: list[str] | None) -> Tensor:
    if isinstance(picture, Tensor) and picture.ndim == 4 and picture.is_floating_point():
        target = picture.detach().cpu().float()
        if len(target) == 0 or target.shape[1] != 3 or not bool(((target >= 0) & (target <= 1)).all()):
            raise ValueError(f"The target is {tuple(picture.shape)}; give floats (N, 3, s, s) in [0, 1].")
    else:
        found: list[str] = []
        target = pictures.read_target(picture, 1024, size, framing=framing, background=background, notes=found)
        if notes is None:
            for note in found:
                warnings.warn(f"About the picture: {note}", stacklevel=3)
        else:
            notes.extend(found)
    side = target.shape[-1]
    if target.shape[-2] != side or not _SMALLEST <= side <= _LARGEST:
        raise ValueError(
            f"The target is {side}x{target.shape[-2]} pixels; drawn answers need a square of {_SMALLEST} to {_LARGEST}."
        )
    return target
