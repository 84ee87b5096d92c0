"""What a fast search learns about a generator before it begins: once for a generator, and kept in the cache folder.

A few pictures of the generator's own are drawn whole, to fit what its low resolutions say about them
(`low_resolution`); some hundred more are predicted from these. The regression that moves a start towards its target
(`start`) needs nothing else. Both follow from the weights alone, so they are kept under a digest of the weights.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cuda_ops.cache import cache_folder
from pulse.fast.low_resolution import Coarse, LowResolution, ToRGB, explained, fit_to_rgb, looks_at
from pulse.fast.shared import is_wide
from pulse.fast.start import Gain, gain_of
from pulse.fast.whitening import Whitening, whitening_of
from pulse.generators import device_of
from pulse.latents import Space
from pulse.operators import Downsampler, downsample
from stylegan.common.files import write_bytes, write_tensors
from stylegan.common.progress import progress
from stylegan.common.tensors import Shapes, TensorFileError, digest, read_tensors
from stylegan.networks.light import light_gradients

# Pictures drawn whole, and pictures in all. A hundred of 16 px hold 25 600 pixels for at most 516 unknowns.
_WHOLE, _SAMPLES = 96, 512
# Image pixels that a study draws at once: more take as long for each, and more memory.
_MOST_PIXELS = 2**16
# A generator without low resolutions draws all of its samples whole.
_ALL_WHOLE = 192
# Points for the whitening: their covariance has to have full rank, up to 512.
_POINTS = 4096
# The lowest resolution that is searched on. At 8 px the features hardly know the picture.
_LEAST_LEVEL = 16
# Where another operator than a `Downsampler` looks, there is no size of a target to choose the resolution by.
_FOREIGN_LEVEL = 32
# Low resolutions that predict less than this part of the variance are no help.
_LEAST_EXPLAINED = 0.5
# Coarse pictures have the lowest resolution that predicts this part, in so many pictures.
_LEAST_COARSE, _COMPARED = 0.9, 8
# Bump when what is kept changes its meaning.
_VERSION = "2"


@dataclass(frozen=True)
class Prepared:
    """What `walk` needs to know about a generator, a space and an operator.

    Attributes:
        space: the search's, with starting points that the generator would draw.
        whitening: the coordinates of the walk.
        low: predicts small pictures from the low resolutions; None where the generator or the search has no use for it.
        coarse: predicts them from coarse pictures, where the low resolutions do not; None where nothing does.
        gain: moves a drawn start towards its target; None where it is not known.
        half: whether gradients of the whole network are computed in bfloat16; looks never are, and measure what is off.
    """

    space: Space
    whitening: Whitening
    low: LowResolution | None
    gain: Gain | None
    half: bool = False
    coarse: Coarse | None = None


@dataclass(frozen=True)
class _Study:
    """What is kept of a generator for one level.

    Attributes:
        pictures: (S, C, L, L), of `_latents`.
        to_rgb: predicts them from the features of that level; None where the generator has none.
        coarse: the size of the generator's coarse pictures that predict them, where `to_rgb` does not.
    """

    pictures: Tensor
    to_rgb: ToRGB | None
    coarse: int | None = None


# A service searches one generator again and again; what it learnt of the last few stays in memory.
_MOST_REMEMBERED = 4
_remembered: dict[object, tuple[Whitening, _Study, Gain | None]] = {}


@torch.no_grad()
def prepare(G: Any, space: Space, operator: Any, labels: Tensor | None, own_losses: bool) -> Prepared:
    """Learns about a generator, or remembers it.

    Args:
        G: the generator.
        space: of the search.
        operator: of the search.
        labels: (N, c_dim) for a conditional generator.
        own_losses: whether the search has losses that need whole images.
    """
    level = _level(G, operator)
    if not _draws(G):
        # PULSE's synthesis network alone: all that is known is that its points are unit normal.
        same = torch.eye(space.dim, device=device_of(G))
        return Prepared(space, Whitening(same.new_zeros(space.dim), same, same), None, None, _half(G, own_losses))
    weights = _weights(G, level)
    look = looks_at(operator, level, int(G.img_resolution))
    # A foreign operator may change between two searches.
    sees = (operator.out_size, operator.kernel) if isinstance(operator, Downsampler) else None
    key = (weights, space.name, sees, device_of(G)) if labels is None and sees else None
    if key in _remembered:
        whitening, study, gain = _remembered[key]
    else:
        whitening = _whitening(G, space, labels)
        study = _study(G, level, weights)
        gain = None
        if labels is None:
            points = space.drawn(_latents(G, len(study.pictures)))
            gain = gain_of(whitening.encode(points), study.pictures, look)
        if key is not None:
            while len(_remembered) >= _MOST_REMEMBERED:
                _remembered.pop(next(iter(_remembered)))
            _remembered[key] = whitening, study, gain
    low = coarse = None
    if not own_losses and study.to_rgb is not None:
        if study.to_rgb.explained >= _LEAST_EXPLAINED:
            low = LowResolution(G.synthesis, level, study.to_rgb, look)
        elif study.coarse is not None:
            coarse = Coarse(G.synthesis, study.coarse, looks_at(operator, study.coarse, int(G.img_resolution)))
    space = replace(space, natural=int(G.z_dim), device=device_of(G))
    return Prepared(space, whitening, low, gain, _half(G, own_losses), coarse)


def _level(G: Any, operator: Any) -> int:
    """The resolution to search on: the lowest power of two that holds the target, at most the generator's own."""
    wanted = max(operator.out_size) if isinstance(operator, Downsampler) else _FOREIGN_LEVEL
    level = _LEAST_LEVEL
    while level < wanted:
        level *= 2
    return min(level, int(G.img_resolution))


def _half(G: Any, own_losses: bool) -> bool:
    """Whether bfloat16 is faster: where the processor has it, and convolutions are wide.

    A step of a StyleGAN1 with 512 channels takes less than half of the time, one of a StyleGAN2 seven tenths. With 128
    channels minimal filtering in float32 is faster.
    """
    if device_of(G).type != "cpu" or own_losses:
        return False
    # Newer torch has both.
    asked = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return any(has is not None and has() for has in asked) and is_wide(G)


def _draws(G: Any) -> bool:
    # PULSE's synthesis.pt comes with a mapping network without layers.
    return int(getattr(G.mapping, "num_layers", 1)) > 0


def _whitening(G: Any, space: Space, labels: Tensor | None) -> Whitening:
    if labels is not None:
        space = space.of(torch.arange(_POINTS, device=labels.device) % len(labels))
    return whitening_of(space.drawn(_latents(G, _POINTS)))


def _latents(G: Any, count: int) -> Tensor:
    """The latents z (count, z_dim) that a study is made of: always the same."""
    rng = torch.Generator().manual_seed(0)
    return torch.randn(count, int(G.z_dim), generator=rng).to(device_of(G))


@torch.no_grad()
def kept_study(G: Any, operator: Any) -> Path | None:
    """The file that holds what a search with this operator has to know about a generator; made if it is not there.

    Another machine that has it in its cache folder (`keep_study`) need not draw some hundred pictures. None where
    nothing is to be known, or nothing can be kept.
    """
    if not _draws(G):
        return None
    weights = _weights(G, _level(G, operator))
    _study(G, _level(G, operator), weights)
    path = _path(weights)
    return path if path.is_file() else None


def keep_study(name: str, data: bytes) -> None:
    """Puts another machine's file of `kept_study`, by its name, into the cache folder."""
    path = _path(Path(name).stem)
    # A cache that cannot be written costs this machine the same work again, nothing more.
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, data)


def _weights(G: Any, level: int) -> str:
    return digest({name: x for name, x in G.state_dict().items() if x.is_floating_point()}, f"{_VERSION} {level}")


def _path(weights: str) -> Path:
    return cache_folder() / "studies" / f"{weights}.safetensors"


def _study(G: Any, level: int, weights: str) -> _Study:
    path = _path(weights)
    study = _read(path, int(G.img_channels), level, device_of(G))
    if study is None:
        made = _make(G, level)
        # As it will be read back, or the first search would find something else than the second.
        study = replace(made, pictures=made.pictures.half().float())
        # A cache that cannot be written costs the next process the same work again, nothing more.
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, study)
    return study


def _make(G: Any, level: int) -> _Study:
    """Draws the pictures of a study, a bar showing how far it is."""
    low = level < int(G.img_resolution) and level in getattr(G.synthesis, "block_resolutions", ())
    count = _SAMPLES if low else _ALL_WHOLE
    at_once = _together(G, int(G.img_resolution))
    z = _latents(G, count)
    rng = torch.Generator().manual_seed(1)
    features, small = [], []
    to_rgb = coarse = None
    with progress("Studying the generator", count) as advance:
        whole = _WHOLE if low else count
        for first in range(0, whole, at_once):
            part = z[first : min(first + at_once, whole)]
            ws, noise = _styles(G, part), _noise(G, len(part), rng)
            with light_gradients():
                images = G.synthesis(ws, noise=noise)
            small.append(downsample(((images.float() + 1) / 2).clamp(0, 1), size=level))
            del images
            if low:
                features.append(G.synthesis.features(ws, level, noise=noise))
            advance(len(ws))
        if low:
            to_rgb = fit_to_rgb(torch.cat(features), torch.cat(small))
            features.clear()
            if to_rgb.explained < _LEAST_EXPLAINED:
                coarse = _coarse_level(G, level, torch.cat(small), z)
            if coarse is not None:
                advance(count - _ALL_WHOLE)
                count = _ALL_WHOLE
            at_once = 16 if coarse is None else _together(G, coarse)
            for first in range(_WHOLE, count, at_once):
                ws, noise = _styles(G, z[first : first + at_once]), _noise(G, min(at_once, count - first), rng)
                small.append(
                    to_rgb(G.synthesis.features(ws, level, noise=noise))
                    if coarse is None
                    else downsample(_coarse(G, ws, coarse, noise), size=level)
                )
                advance(len(ws))
    return _Study(torch.cat(small), to_rgb, coarse)


def _together(G: Any, resolution: int) -> int:
    """How many pictures of a resolution a study draws at once."""
    return min(4, max(1, _MOST_PIXELS // resolution**2))


def _coarse(G: Any, ws: Tensor, resolution: int, noise: list[Tensor]) -> Tensor:
    with light_gradients():
        return ((G.synthesis.coarse(ws, resolution, noise=noise).float() + 1) / 2).clamp(0, 1)


def _coarse_level(G: Any, level: int, pictures: Tensor, z: Tensor) -> int | None:
    """The least size of coarse pictures that predict well, if any: `pictures` (S, C, level, level) are those of z."""
    if not hasattr(G.synthesis, "coarse"):
        return None
    for resolution in G.synthesis.block_resolutions:
        if level <= resolution < int(G.img_resolution):
            # The same noise as of the pictures, which is too large to keep.
            rng = torch.Generator().manual_seed(1)
            at_once = _together(G, int(G.img_resolution))
            found = []
            for part in z[:_COMPARED].split(at_once):
                drawn = _coarse(G, _styles(G, part), resolution, _noise(G, len(part), rng))
                found.append(downsample(drawn, size=level))
            if explained(torch.cat(found), pictures[:_COMPARED]) >= _LEAST_COARSE:
                return int(resolution)
    return None


def _styles(G: Any, z: Tensor) -> Tensor:
    if int(getattr(G, "c_dim", 0)) == 0:
        return G.mapping(z)
    # Every label in turn.
    which = torch.arange(len(z), device=z.device) % int(G.c_dim)
    return G.mapping(z, torch.nn.functional.one_hot(which, int(G.c_dim)).float())


def _noise(G: Any, count: int, rng: torch.Generator) -> list[Tensor]:
    return [torch.randn(count, 1, h, w, generator=rng).to(device_of(G)) for h, w in G.noise_shapes]


def _write(path: Path, study: _Study) -> None:
    tensors = {"pictures": study.pictures.half()}
    if study.to_rgb is not None:
        tensors["to_rgb"] = study.to_rgb.weight
        tensors["explained"] = torch.tensor(study.to_rgb.explained)
    if study.coarse is not None:
        tensors["coarse"] = torch.tensor(float(study.coarse))
    write_tensors(path, tensors, {})


def _read(path: Path, channels: int, level: int, device: torch.device) -> _Study | None:
    """A study that is kept; None where there is none, or not one of these sizes."""

    def check(shapes: Shapes, metadata: dict[str, str]) -> None:
        fits = shapes.get("pictures", ())[1:] == (channels, level, level)
        fits &= all(shapes.get(name, ()) == () for name in ("explained", "coarse"))
        if not fits or ("to_rgb" in shapes) != ("explained" in shapes):
            raise TensorFileError(path, "it is no study of this generator")

    try:
        kept, _ = read_tensors(path, check, max_bytes=4 * _SAMPLES * channels * level**2 + 1_000_000)
    except (TensorFileError, OSError):
        return None
    to_rgb = ToRGB(kept["to_rgb"].float().to(device), float(kept["explained"])) if "to_rgb" in kept else None
    coarse = int(kept["coarse"]) if "coarse" in kept else None
    return _Study(kept["pictures"].float().to(device), to_rgb, coarse)
