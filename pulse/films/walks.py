"""`pulse.morph`: frames of a walk through a generator, through portraits, or from one search result to another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pulse.films.options import MorphOptions, merge
from pulse.films.path import Path
from pulse.fit_portrait import ALL, MOST, drawn, to_normal, to_unit
from pulse.generators import device_of, load_generator
from pulse.latents import latent_space
from pulse.result import Result
from stylegan import portraits
from stylegan.common.console import printable
from stylegan.common.grid import grid
from stylegan.portraits.coordinates import check_resolution
from stylegan.portraits.tint import Tint

if TYPE_CHECKING:
    from stylegan import Generator

PORTRAITS = "portraits"
_RESOLUTION = 128
# Images that a network draws at once: enough for full speed, and 1024 px still fit into memory.
_AT_ONCE = 8

# Points (N, n, d), with their noise maps (N, 1, h, w) or fields, to images (N, 3, H, W) in [0, 1].
Draw = Callable[[Tensor, list[Tensor]], Tensor]


@dataclass(frozen=True)
class _Walks:
    """The paths of a film, all of one kind, and how their points become images."""

    paths: list[Path]
    draw: Draw


def morph(
    source: Generator | str | os.PathLike[str] | Result | Sequence[Result],
    options: MorphOptions | None = None,
    *,
    generator: Generator | str | os.PathLike[str] | None = None,
    labels: Tensor | None = None,
    **overrides: Any,
) -> Iterator[Tensor]:
    """Frames of a walk at constant speed, drawn one after the other as they are asked for.

        frames = pulse.morph("default", seeds=[1, 2, 3], loop=True, frames=90)
        pulse.pictures.write_film("walk.mp4", frames)

    Latents z are walked along great circles (K. Shoemake, Animating Rotation with Quaternion Curves, SIGGRAPH 1985),
    on which a normal vector stays as likely as it was; styles along straight lines. Portraits are points with a normal
    distribution, and are walked as z is.

    Args:
        source: a generator, or its name or path; "portraits", which the renderer draws; or the results of searches,
            between which the walk goes, in their order. Network's and drawn answers cannot be mixed. Paint goes with
            the answers that it is on.
        options: what to walk through.
        generator: which draws the results of a network's search; by default the one that they name.
        labels: (1, c_dim) for a conditional generator.
        overrides: fields of `MorphOptions` by name, in place of those in `options`; `seeds` may be numbers, and `grid`
            two of them.

    Returns:
        Frames (3, H, W) in [0, 1] on the CPU. The first shows the first latent; an open walk ends at the last; after
        the last frame of a loop the first would follow.

    Raises:
        ValueError: in one sentence, before the first frame, for a source or an option that cannot be used.
    """
    chosen = merge(options, overrides)
    results = [source] if isinstance(source, Result) else source
    if isinstance(results, Sequence) and not isinstance(results, str):
        if not all(isinstance(each, Result) for each in results):
            raise ValueError("A morph goes through one generator or through results of searches; give one of the two.")
        walks = _of_results([one for result in results for one in result], chosen, generator)
    elif isinstance(results, str) and results == PORTRAITS:
        walks = _of_portraits(chosen)
    else:
        walks = _of_network(load_generator(results), chosen, labels)
    return _frames(walks, chosen)


def _of_network(G: Any, options: MorphOptions, labels: Tensor | None) -> _Walks:
    _refuse(options, "a network", kind="people", resolution=None)
    seeds, c = options.seeds_of_walks(), _label(G, labels)
    device, space = device_of(G), options.space or "z"
    psi = options.truncation_psi

    def mapped(z: Tensor) -> Tensor:
        return G.mapping(z.to(device), None if c is None else c.expand(len(z), -1), truncation_psi=psi)

    if space == "z":
        points = [torch.stack([_latents(G, seed, 1) for seed in walk]) for walk in seeds]
        styles: Callable[[Tensor], Tensor] = lambda z: mapped(z[:, 0])  # noqa: E731
    else:
        layers = int(G.num_ws) if space == "w+" else 1
        points = []
        with torch.no_grad():
            for walk in seeds:
                z = torch.cat([_latents(G, seed, layers) for seed in walk])
                w = mapped(z)[:, :1].cpu()
                points.append(w.view(len(walk), layers, -1))
        styles = lambda w: w.to(device).expand(-1, int(G.num_ws), -1)  # noqa: E731

    def draw(x: Tensor, noise: list[Tensor]) -> Tensor:
        return G.synthesis(styles(x), noise_mode="const")

    paths = [Path(each, space == "z", options.loop) for each in points]
    return _Walks(paths, _unsigned(draw))


def _of_portraits(options: MorphOptions) -> _Walks:
    _refuse(options, "portraits", space=None, truncation_psi=1.0)
    resolution = options.resolution or _RESOLUTION
    check_resolution(resolution)
    points = []
    for walk in options.seeds_of_walks():
        u = [portraits.sample(1, torch.Generator().manual_seed(seed), options.kind) for seed in walk]
        points.append(to_normal(torch.stack(u)))
    return _Walks([Path(each, True, options.loop) for each in points], _portrait_drawer(resolution))


def _of_results(
    results: list[Result], options: MorphOptions, generator: Generator | str | os.PathLike[str] | None
) -> _Walks:
    _refuse(options, "results of searches", kind="people", truncation_psi=1.0, seeds="", latents=4, seed=0, grid="1x1")
    if len(results) < 2:
        raise ValueError("A morph between results needs two images or more; give another result.")
    drawn = [result.settings.get("finish") == "drawn" for result in results]
    if all(drawn):
        _refuse(options, "drawn answers", space=None)
        if generator is not None:
            raise ValueError("Drawn answers need no generator; leave it out.")
        resolution = options.resolution or int(results[0].images.shape[-1])
        check_resolution(resolution)
        points = torch.cat([_of_characters(result.latents) for result in results])
        fields = _paint(results)
        return _Walks([Path(points, True, options.loop, fields=fields)], _portrait_drawer(resolution))
    if any(drawn):
        raise ValueError("Some of the results are drawn and the others a network's; give results of one kind.")
    _refuse(options, "results of a network's search", resolution=None)
    return _between_network_results(results, options, generator)


def _between_network_results(results: list[Result], options: MorphOptions, generator: Any) -> _Walks:
    G = load_generator(_named(results) if generator is None else generator)
    shape = (int(G.num_ws), int(G.w_dim))
    for result in results:
        if result.ws.shape[1:] != shape or result.images.shape[-1] != int(G.img_resolution):
            raise ValueError(
                f"A result has styles {tuple(result.ws.shape[1:])} and {result.images.shape[-1]} px, and the generator"
                f" {shape} and {G.img_resolution}; name the generator that made the results."
            )
    noise = [torch.cat([result.noise[layer] for result in results]) for layer in range(len(results[0].noise))]
    spaces = {(result.settings.get("space"), result.latents.shape[1:]) for result in results}
    searched = results[0].settings.get("space")
    conditional = int(getattr(G, "c_dim", 0)) > 0
    device = device_of(G)
    styles: Callable[[Tensor], Tensor]
    if options.space is None and len(spaces) == 1 and searched in ("gaussianized", "pulse", "z") and not conditional:
        space = latent_space(G, searched, tile_latent=results[0].latents.shape[1] == 1)
        points, spherical = torch.cat([result.latents for result in results]), True
        styles = space.to_ws
    elif options.space in (None, "w+"):
        points, spherical = torch.cat([result.ws for result in results]), False
        styles = lambda ws: ws  # noqa: E731
    else:
        raise ValueError(f"Results cannot be joined in the space {options.space}; give w+, or leave it out.")

    def draw(x: Tensor, maps: list[Tensor]) -> Tensor:
        return G.synthesis(styles(x.to(device)), noise=[each.to(device) for each in maps] or None)

    return _Walks([Path(points, spherical, options.loop, noise)], _unsigned(draw))


def _frames(walks: _Walks, options: MorphOptions) -> Iterator[Tensor]:
    """Draws the frames, some images at a time."""
    together = max(1, _AT_ONCE // len(walks.paths))
    steps = zip(*(path.walk(options.frames) for path in walks.paths), strict=True)
    waiting: list[tuple[tuple[Tensor, list[Tensor]], ...]] = []
    for number, step in enumerate(steps):
        waiting.append(step)
        if len(waiting) < together and number < options.frames - 1:
            continue
        flat = [point for each in waiting for point in each]
        images = []
        with torch.no_grad():
            for first in range(0, len(flat), _AT_ONCE):
                some = flat[first : first + _AT_ONCE]
                maps = [torch.stack(layer) for layer in zip(*(noise for _, noise in some), strict=True)]
                images.append(walks.draw(torch.stack([point for point, _ in some]), maps))
        for frame in torch.cat(images).split(len(walks.paths)):
            yield frame[0] if len(frame) == 1 else grid(frame, options.columns)
        waiting = []


def _unsigned(draw: Draw) -> Draw:
    """The same from a network's [-1, 1] to [0, 1], on the CPU."""
    return lambda x, noise: ((draw(x, noise).float() + 1) / 2).clamp(0, 1).cpu()


def _portrait_drawer(resolution: int) -> Draw:
    def draw(v: Tensor, paint: list[Tensor]) -> Tensor:
        images = []
        for i, one in enumerate(v):
            tint = Tint(paint[0][i : i + 1], to_unit(paint[1][i])) if paint else None
            images.append(drawn(to_unit(one.clamp(-MOST, MOST)), resolution, tint))
        return torch.cat(images)

    return draw


def _paint(results: Sequence[Result]) -> list[Tensor]:
    """The paint of drawn answers, and the portraits (N, 1, K) that it was made for; nothing where there is none."""
    known = next((result.paint for result in results if result.paint is not None), None)
    if known is None:
        return []
    colours = [torch.zeros_like(known[:1]) if one.paint is None else one.paint for one in results]
    made_for = [one.latents if one.painted_at is None else one.painted_at[:, None] for one in results]
    return [torch.cat(colours), torch.cat([_of_characters(one) for one in made_for])]


def _of_characters(v: Tensor) -> Tensor:
    """Normal coordinates (N, 1, K) of people or characters as (N, 1, 128)."""
    return v if v.shape[2] == ALL else to_normal(portraits.as_characters(to_unit(v[:, 0])))[:, None]


def _latents(G: Any, seed: int, layers: int) -> Tensor:
    """(layers, z_dim), of which the first is the latent that `stylegan.sample` draws for the seed."""
    return torch.from_numpy(np.random.RandomState(seed).randn(layers, int(G.z_dim))).float()


def _label(G: Any, labels: Tensor | None) -> Tensor | None:
    c_dim = int(getattr(G, "c_dim", 0))
    if c_dim == 0 and labels is None:
        return None
    if c_dim == 0 or labels is None or tuple(labels.shape) != (1, c_dim):
        given = "none" if labels is None else f"labels {tuple(labels.shape)}"
        wants = f"needs labels (1, {c_dim})" if c_dim else "takes no labels"
        raise ValueError(f"The generator {wants}, and it was given {given}; give what fits.")
    return labels.to(device_of(G))


def _named(results: list[Result]) -> str:
    """The one generator that all results name, if it has a name that can be loaded."""
    from stylegan import list_models

    names = {str(result.settings.get("generator", "")) for result in results}
    name = next(iter(names)) if len(names) == 1 else ""
    if name not in list_models():
        shown = ", ".join(sorted(printable(each) for each in names))
        raise ValueError(f"The results are of {shown}, which is no name of a generator; name its file (generator).")
    return name


def _refuse(options: MorphOptions, what: str, **usual: Any) -> None:
    """Raises ValueError for an option that has no effect on what is walked through."""
    for name, value in usual.items():
        if getattr(options, name) != value:
            raise ValueError(f"The option {name} has no effect on {what}; leave it out.")
