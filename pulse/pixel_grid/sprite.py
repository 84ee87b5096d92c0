"""An enlarged sprite at its native size, or a sentence that says why the picture is taken for something else."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pulse.pixel_grid import colours, exact, kernels, soft, uneven
from pulse.pixel_grid.axis import Axis, regular
from pulse.pixel_grid.picture import changes, visible

# Neighbouring pixels of sprites differ clearly, where they differ. In photographs most neighbours differ a little.
_DIFFERENT, _CLEARLY, _SHARE = 2, 24, 0.12
# In so many pixels of all frames a grid is looked for, because floats take four times their memory.
_LOOKED_AT = 1 << 23
# What of the variance an uneven grid may leave in its cells.
_FLAT = 0.05


@dataclass(frozen=True, eq=False)
class TruePixels:
    """A picture at its native size.

    Attributes:
        pixels: (m, n, 4) of uint8: RGBA, one pixel for each cell of the grid; the picture itself if none was found.
            Transparent pixels are all 0.
        found: whether the picture has a grid.
        reason: a sentence: how the picture was enlarged, or why it is taken as it is.
        scale: width and height of a cell in pixels of the picture; uneven cells: on average.
        offset: x and y at which the first cell begins; negative where the border cuts it.
        confidence: 0 to 1; 0 if no grid was found.
        columns, rows: where cells begin and end, (n + 1,) and (m + 1,), in pixels of the picture.
    """

    pixels: np.ndarray
    found: bool
    reason: str
    scale: tuple[float, float]
    offset: tuple[float, float]
    confidence: float
    columns: np.ndarray
    rows: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """Its width and height in true pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def to_pil(self) -> Image.Image:
        """The true pixels as a picture, "RGBA"."""
        return Image.fromarray(self.pixels)


@dataclass(frozen=True, eq=False)
class _Grid:
    """A grid that was found: its axes, kernel ("flat": cells are of one colour), confidence, and how to call it."""

    axes: tuple[Axis, Axis]
    kernel: str
    confidence: float
    words: str


def read(pixels: np.ndarray, grid: int | None = None) -> TruePixels:
    """The true pixels of one picture (h, w, 4) of uint8; see `pulse.true_pixels`."""
    return read_frames([pixels], grid)[0]


def read_frames(frames: Sequence[np.ndarray], grid: int | None = None) -> list[TruePixels]:
    """The true pixels of frames of one size, (h, w, 4) of uint8, which share one grid and one palette.

    Args:
        frames: of an animation, or the cells of a sheet.
        grid: how many true pixels the longer side has; looked for by default.

    Raises:
        ValueError: there are no frames, or they differ in size; or `grid` is no number of pixels that they can have.
    """
    if not frames or any(frame.shape != frames[0].shape for frame in frames):
        raise ValueError("The frames are none, or of several sizes; give frames of one size.")
    height, width = frames[0].shape[:2]
    # An opaque frame among others has an opacity, too.
    opaque = all(frame[..., 3].min() == 255 for frame in frames)
    if grid is None:
        step = max(1, -(-len(frames) * height * width // _LOOKED_AT))
        found = _found([_visible(frame, opaque) for frame in frames[::step]])
    else:
        found = _given(grid, width, height)
    if isinstance(found, str):
        return [_as_it_is(frame, found) for frame in frames]
    if found.kernel == "flat":
        made = [colours.of_centres(frame, found.axes) for frame in frames]
    else:
        cells = [colours.to_bytes(_cells(_visible(frame, opaque), found)) for frame in frames]
        made = colours.with_one_palette(cells)
    axes = found.axes
    if grid is None and found.kernel in ("bilinear", "bicubic") and any(_alternates(one) for one in made):
        why = "Its waves come as regularly as the cells of a grid, so it is read as it is."
        return [_as_it_is(frame, why) for frame in frames]
    if grid is None and _is_gentle(np.concatenate([_steps(one) for one in made])):
        why = "Its colours change gradually, as in photographs, so it is read as it is."
        return [_as_it_is(frame, why) for frame in frames]
    return [
        TruePixels(
            one,
            True,
            f"An enlarged sprite, read at {one.shape[1]}x{one.shape[0]}{found.words}.",
            (axes[0].scale, axes[1].scale),
            (axes[0].offset, axes[1].offset),
            found.confidence,
            axes[0].bounds,
            axes[1].bounds,
        )
        for one in made
    ]


def _found(seen: list[np.ndarray]) -> _Grid | str:
    """The grid of frames as `picture.visible` gives them, or the sentence that says why there is none."""
    height, width = seen[0].shape[:2]
    if min(height, width) < 2 * soft.FEWEST:
        return f"It has {width}x{height} pixels, too few to be an enlarged sprite."
    both = [changes(one) for one in seen]
    edges = tuple(np.unique(np.concatenate([each[axis] for each in both])) for axis in (0, 1))
    if any(max(float(np.ptp(one, axis=axis).max()) for one in seen) <= _DIFFERENT for axis in (0, 1)):
        return "Its colours change in one direction at most, so no grid shows."
    lattice = exact.find((edges[0], edges[1]), (width, height))
    if lattice is not None:
        axes = regular(width, *lattice.across), regular(height, *lattice.down)
        if min(axis.cells for axis in axes) < soft.FEWEST:
            return "Its colours change at too few places to show a grid."
        return _Grid(axes, "flat", 1 - float(np.exp(-lattice.gain / 4)), _scale_words(axes, ""))
    crooked = uneven.find((edges[0], edges[1]), (width, height))
    if crooked is not None and min(axis.cells for axis in crooked) >= soft.FEWEST and _flat(seen, crooked):
        return _Grid(crooked, "uneven", 0.9, _scale_words(crooked, "uneven "))
    if _is_sharp(seen, edges):
        return "It is flat between sharp edges that lie on no grid, so it is read as it is."
    pair = soft.find(seen)
    if pair is None:
        return "No grid shows in it: it is a photograph, a smooth picture, or a sprite of its native size."
    axes = regular(width, pair[0].scale, pair[0].offset), regular(height, pair[1].scale, pair[1].offset)
    contrasts = [side.contrast for side in pair]
    kernel = pair[0].kernel if contrasts[0] > contrasts[1] else pair[1].kernel
    words = {"repeat": "", "area": "soft-edged ", "bilinear": "bilinear ", "bicubic": "bicubic "}[kernel]
    return _Grid(axes, kernel, 1 - float(np.exp(-sum(contrasts))), _scale_words(axes, words))


def _is_sharp(seen: list[np.ndarray], edges: tuple[np.ndarray, ...]) -> bool:
    """Whether frames change at the edges alone, some pixels apart, so that nothing was interpolated or compressed."""
    if any(len(line) == 0 or np.diff(line, prepend=-2).min() < 2 for line in edges):
        return False
    for axis, line in zip((1, 0), edges, strict=True):
        steps = sum(np.abs(np.diff(one, axis=axis)).sum(axis=(1 - axis, 2), dtype=np.float64) for one in seen)
        if np.delete(steps, line - 1).sum() > 1e-3 * np.sum(steps):
            return False
    return True


def _scale_words(axes: tuple[Axis, Axis], kind: str) -> str:
    x, y = (axis.scale for axis in axes)
    size = f"{x:.3g}" if abs(x / y - 1) < 0.03 else f"{x:.3g}x{y:.3g}"
    return f" ({kind}cells of {size} px)"


def _given(grid: int, width: int, height: int) -> _Grid:
    """The grid that the user named: so many cells along the longer side, all of them whole."""
    longest = max(width, height)
    if isinstance(grid, bool) or not isinstance(grid, int) or not 1 <= grid <= longest:
        raise ValueError(f"The grid is {grid!r}; give the number of true pixels of the longer side, 1 to {longest}.")
    counts = [max(1, round(side * grid / longest)) for side in (width, height)]
    axes = regular(width, width / counts[0], 0), regular(height, height / counts[1], 0)
    return _Grid(axes, "repeat", 1.0, _scale_words(axes, ""))


def _cells(seen: np.ndarray, found: _Grid) -> np.ndarray:
    if found.kernel in ("bilinear", "bicubic"):
        x, y = ((axis.scale, axis.offset, axis.cells) for axis in found.axes)
        return kernels.unmixed(seen, found.kernel, (x, y))
    return colours.of_middles(seen, found.axes)


def _flat(seen: list[np.ndarray], axes: tuple[Axis, Axis]) -> bool:
    """Whether the cells of an uneven grid have one colour each."""
    left = total = 0.0
    for one in seen:
        cells = colours.of_middles(one, axes)
        columns, rows = (np.repeat(np.arange(axis.cells), np.diff(axis.ends)) for axis in axes)
        left += float(np.square(one - cells[rows][:, columns]).mean())
        total += float(one.var(axis=(0, 1)).mean())
    return left <= _FLAT * total


def _steps(sprite: np.ndarray) -> np.ndarray:
    """By how many levels neighbouring pixels of a sprite (m, n, 4) differ, in the channel that differs most."""
    seen = visible(sprite)
    return np.concatenate([np.abs(np.diff(seen, axis=axis)).max(axis=2).ravel() for axis in (0, 1)])


def _is_gentle(steps: np.ndarray) -> bool:
    different = steps[steps > _DIFFERENT]
    return len(different) == 0 or float((different > _CLEARLY).mean()) < _SHARE


def _alternates(sprite: np.ndarray) -> bool:
    """Whether each pixel of a sprite is the opposite of its neighbours, as in waves that were sampled twice each."""
    seen = visible(sprite) - visible(sprite).mean(axis=(0, 1))
    energy = max(float(np.square(seen).mean()), 1e-6)
    across = float((seen[:, 1:] * seen[:, :-1]).mean()) / energy
    down = float((seen[1:] * seen[:-1]).mean()) / energy
    return min(across, down) < -0.6


def _visible(frame: np.ndarray, opaque: bool) -> np.ndarray:
    seen = visible(frame)
    if opaque or seen.shape[2] == 4:
        return seen
    return np.concatenate([seen, np.full((*seen.shape[:2], 1), 255, np.float32)], axis=2)


def _as_it_is(pixels: np.ndarray, reason: str) -> TruePixels:
    height, width = pixels.shape[:2]
    made = pixels.copy()
    made[made[..., 3] == 0] = 0
    columns, rows = np.arange(width + 1.0), np.arange(height + 1.0)
    return TruePixels(made, False, reason, (1.0, 1.0), (0.0, 0.0), 0.0, columns, rows)
