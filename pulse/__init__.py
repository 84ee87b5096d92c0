"""Large faces whose small version is a given picture: drawn, or found by walking a generator's latent sphere.

    result = pulse.depixelize("knight.png", seed=1)           # from a picture to a face, drawn at 512 px
    result[0].to_pil().save("face.png")
    result = pulse.search("default", target, steps=200)       # the network's search; target (N, 3, h, w) in [0, 1]

The method of the search is PULSE (S. Menon, A. Damian, S. Hu, N. Ravi, C. Rudin, CVPR 2020).
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from stylegan.common.console import let_threads_sleep

if TYPE_CHECKING:
    from pulse import losses, operators, sphere
    from pulse.batch.folder import search_folder
    from pulse.batch.order import Report
    from pulse.best import Best
    from pulse.depixelizer import FilmResult, Head, Piece, cut_sheet, depixelize, depixelize_frames, find_head
    from pulse.depixelizer.films import film_of_search, film_of_zoom
    from pulse.depixelizer.samples import samples
    from pulse.depixelizer.tricks import Variant, explore, iterate, soften
    from pulse.depixelizer.variety import disagreement
    from pulse.drawn import draw
    from pulse.engine import search
    from pulse.faces import Alignment, align
    from pulse.feedforward.upscale import Upscaled, upscale
    from pulse.films.answers import Film, SearchRecord, film_of_morph, film_of_turn
    from pulse.films.options import MorphOptions
    from pulse.films.walks import morph
    from pulse.generators import load_generator
    from pulse.latents import Space, latent_space
    from pulse.losses import LossFunction
    from pulse.operators import Blur, Downsampler, Grey, Mask, Operator, Stack, check_adjoint, downsample
    from pulse.options import SearchOptions, SearchOverrides
    from pulse.pictures.native import true_pixels
    from pulse.pixel_grid import TruePixels
    from pulse.result import Result
    from pulse.starts import Init
    from pulse.state import Callback, SearchState

__all__ = [
    "Alignment",
    "Best",
    "Blur",
    "Callback",
    "Downsampler",
    "Film",
    "FilmResult",
    "Grey",
    "Head",
    "Init",
    "LossFunction",
    "Mask",
    "MorphOptions",
    "Operator",
    "Piece",
    "Report",
    "Result",
    "SearchOptions",
    "SearchOverrides",
    "SearchRecord",
    "SearchState",
    "Space",
    "Stack",
    "TruePixels",
    "Upscaled",
    "Variant",
    "align",
    "check_adjoint",
    "cut_sheet",
    "depixelize",
    "depixelize_frames",
    "disagreement",
    "downsample",
    "draw",
    "explore",
    "film_of_morph",
    "film_of_search",
    "film_of_turn",
    "film_of_zoom",
    "find_head",
    "iterate",
    "latent_space",
    "load_generator",
    "losses",
    "morph",
    "operators",
    "samples",
    "search",
    "search_folder",
    "soften",
    "sphere",
    "true_pixels",
    "upscale",
]

# torch reads it when it is imported. Later it would say nothing to torch, and something else to child processes.
if "torch" not in sys.modules:
    let_threads_sleep()

# Imported when they are first asked for. The command `pulse` has to settle how threads wait and how it ends before
# torch is imported, and this file runs before the command does.
_MODULES = {
    "Alignment": "pulse.faces",
    "Best": "pulse.best",
    "Blur": "pulse.operators",
    "Callback": "pulse.state",
    "Downsampler": "pulse.operators",
    "Film": "pulse.films.answers",
    "FilmResult": "pulse.depixelizer",
    "Grey": "pulse.operators",
    "Head": "pulse.depixelizer",
    "Init": "pulse.starts",
    "LossFunction": "pulse.losses",
    "Mask": "pulse.operators",
    "MorphOptions": "pulse.films.options",
    "Operator": "pulse.operators",
    "Piece": "pulse.depixelizer",
    "Report": "pulse.batch.order",
    "Result": "pulse.result",
    "SearchOptions": "pulse.options",
    "SearchOverrides": "pulse.options",
    "SearchRecord": "pulse.films.answers",
    "SearchState": "pulse.state",
    "Space": "pulse.latents",
    "Stack": "pulse.operators",
    "TruePixels": "pulse.pixel_grid",
    "Upscaled": "pulse.feedforward.upscale",
    "Variant": "pulse.depixelizer.tricks",
    "align": "pulse.faces",
    "check_adjoint": "pulse.operators",
    "cut_sheet": "pulse.depixelizer",
    "depixelize": "pulse.depixelizer",
    "depixelize_frames": "pulse.depixelizer",
    "disagreement": "pulse.depixelizer.variety",
    "downsample": "pulse.operators",
    "draw": "pulse.drawn",
    "explore": "pulse.depixelizer.tricks",
    "film_of_morph": "pulse.films.answers",
    "film_of_search": "pulse.depixelizer.films",
    "film_of_turn": "pulse.films.answers",
    "film_of_zoom": "pulse.depixelizer.films",
    "find_head": "pulse.depixelizer",
    "iterate": "pulse.depixelizer.tricks",
    "latent_space": "pulse.latents",
    "load_generator": "pulse.generators",
    "losses": "pulse.losses",
    "morph": "pulse.films.walks",
    "operators": "pulse.operators",
    "samples": "pulse.depixelizer.samples",
    "search": "pulse.engine",
    "soften": "pulse.depixelizer.tricks",
    "search_folder": "pulse.batch.folder",
    "sphere": "pulse.sphere",
    "true_pixels": "pulse.pictures.native",
    "upscale": "pulse.feedforward.upscale",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'pulse' has no attribute {name!r}")
    module = import_module(_MODULES[name])
    return module if module.__name__ == f"pulse.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
