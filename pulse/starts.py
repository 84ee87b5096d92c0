"""Where each start of a search begins: drawn from its seed, or given."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from pulse.latents import Space
from pulse.noise import make_noise, parse_bad_noise_layers
from pulse.options import SearchOptions
from pulse.result import Result

Init = Result | tuple[Tensor, Sequence[Tensor] | None]
"""Where to begin: a result, or its latents (N, vectors, dim) and noise, one (N, 1, h, w) for each noise input.

One row stands for all N images; None in place of the noise draws it.
"""


@dataclass(frozen=True)
class Given:
    """A start given by the caller, checked: latents (N or 1, vectors, dim), noise (N or 1, 1, h, w) each, or None."""

    latents: Tensor
    noise: list[Tensor] | None


def given_starts(init: Init | Sequence[Init] | None, G: Any, space: Space, count: int) -> list[Given]:
    """The starts in `init`; none for None.

    Raises:
        ValueError: in one sentence, for anything that does not fit the generator, the space or `count` images.
    """
    if init is None:
        return []
    several: Any = init if isinstance(init, Sequence) and not _is_one(init) else [init]
    return [_given(one, G, space, count) for one in several]


def starting_points(
    G: Any, space: Space, options: SearchOptions, given: Sequence[Given], image: Tensor, start: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Latents (M, vectors, dim) and noise (M, 1, h, w) of M starts, start `start[i]` of image `image[i]`, on the CPU.

    Every start has its own random numbers, so neither the batch nor the number of starts changes them.
    """
    assert options.seed is not None
    rows = list(zip(image.tolist(), start.tolist(), strict=True))
    rngs = [_rng(options.seed + i, s) for i, s in rows]
    bad = parse_bad_noise_layers(options.bad_noise_layers)
    latents = space.initial(rngs)
    noise = make_noise(G.noise_shapes, options.noise_type, bad, rngs)
    for row, (i, s) in enumerate(rows):
        if not given:
            break
        latents[row] = _row(given[s].latents, i)
        for layer, value in enumerate(given[s].noise or []):
            # A layer that the options keep at zero stays zero.
            if options.noise_type != "zero" and layer not in bad:
                noise[layer][row] = _row(value, i)
    return latents, noise


def chain_rngs(options: SearchOptions, image: Tensor, start: Tensor) -> list[torch.Generator]:
    """The random numbers of chains, start `start[i]` of image `image[i]`: others than those that they began with."""
    assert options.seed is not None
    return [_rng(options.seed + i, s, "steps") for i, s in zip(image.tolist(), start.tolist(), strict=True)]


def with_starts_of(options: SearchOptions, given: Sequence[Given]) -> SearchOptions:
    """The options with as many starts as were given."""
    if len(given) in (0, options.starts):
        return options
    if options.starts > 1:
        raise ValueError(f"The init has {len(given)} starts, the option starts is {options.starts}; make them equal.")
    return replace(options, starts=len(given))


def _is_one(init: Any) -> bool:
    return isinstance(init, Result) or (isinstance(init, tuple) and len(init) == 2 and isinstance(init[0], Tensor))


def _given(init: Any, G: Any, space: Space, count: int) -> Given:
    if not _is_one(init):
        raise ValueError(
            f"The init is or holds a {type(init).__name__}; give a Result, (latents, noise), or a list of them."
        )
    if isinstance(init, Result):
        walked = init.settings.get("space", space.name)
        if {"pulse": "gaussianized"}.get(walked, walked) != space.name:
            raise ValueError(
                f"The init was searched in the space {walked}, this search is in {space.name}; give space={walked!r}."
            )
    latents, noise = (init.latents, init.noise) if isinstance(init, Result) else init
    _check("latents", latents, (space.vectors, space.dim), count)
    if noise is None:
        return Given(latents, None)
    if not isinstance(noise, Sequence):
        raise ValueError(f"The init's noise is a {type(noise).__name__}; give a list of tensors, or None.")
    shapes = list(G.noise_shapes)
    if len(noise) != len(shapes):
        raise ValueError(f"The init has {len(noise)} noise maps, the generator takes {len(shapes)}; give one for each.")
    for layer, (value, shape) in enumerate(zip(noise, shapes, strict=True)):
        _check(f"noise map {layer}", value, (1, *shape), count)
    return Given(latents, list(noise))


def _check(what: str, value: Any, shape: tuple[int, ...], count: int) -> None:
    fits = isinstance(value, Tensor) and value.is_floating_point() and value.ndim == len(shape) + 1
    if not (fits and tuple(value.shape[1:]) == shape and value.shape[0] in (1, count)):
        found = tuple(value.shape) if isinstance(value, Tensor) else f"a {type(value).__name__}"
        rows = "1" if count == 1 else f"{count} or 1"
        raise ValueError(
            f"The init's {what} is {found}; give floating point ({rows}, {', '.join(str(n) for n in shape)})."
        )
    if not bool(value.isfinite().all()):
        raise ValueError(f"The init's {what} has values that are not finite; give others.")


def _row(value: Tensor, i: int) -> Tensor:
    return value[i if value.shape[0] > 1 else 0].detach().cpu().float()


def _rng(seed: int, start: int, use: str = "") -> torch.Generator:
    # Hashed, so that the starts of one seed share nothing with those of its neighbours.
    digest = hashlib.sha256(f"{seed}/{start}{use}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
