"""How often the true pixels of enlarged sprites are found, and how often something else is taken for a sprite.

Sprites of several kinds are enlarged in every way of `benchmarks.pixel_cases`; a case counts as found if the native
size is exactly right. Then come pictures that are no pixel art (`benchmarks.pixel_others`), in which no grid may be
found. Other libraries are measured beside ours if they are installed (proper-pixel-art, perfect-pixel, unfake). They
always answer, so the last column does not apply to them.

    python -m benchmarks.true_pixels --cases 600 --others 300
"""

import argparse
import importlib
import importlib.util
import io
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout

import numpy as np
from PIL import Image

from benchmarks.environment import describe
from benchmarks.pixel_cases import CATEGORIES, cases
from benchmarks.pixel_others import others
from pulse import pixel_grid

Size = tuple[int, int]
Finder = Callable[[np.ndarray], Size | None]


def ours(picture: np.ndarray) -> Size | None:
    """The native size of a picture (h, w, 4), or None for one without a grid."""
    found = pixel_grid.read(picture)
    return found.size if found.found else None


def _proper_pixel_art(picture: np.ndarray) -> Size | None:
    made = importlib.import_module("proper_pixel_art").pixelate(Image.fromarray(picture)).image
    return made.size


def _perfect_pixel(picture: np.ndarray) -> Size | None:
    width, height, _ = importlib.import_module("perfect_pixel").get_perfect_pixel(
        np.ascontiguousarray(picture[..., :3])
    )
    return None if width is None else (int(width), int(height))


def _unfake(picture: np.ndarray) -> Size | None:
    made = importlib.import_module("unfake").process_image_sync(Image.fromarray(picture))
    return made["image"].size


_OTHERS: dict[str, tuple[str, Finder]] = {
    "proper-pixel-art": ("proper_pixel_art", _proper_pixel_art),
    "perfect-pixel": ("perfect_pixel", _perfect_pixel),
    "unfake": ("unfake", _unfake),
}


def finders() -> Iterator[tuple[str, Finder]]:
    """Ours, and those of the other libraries that are installed."""
    yield "pulse", ours
    for name, (module, find) in _OTHERS.items():
        if importlib.util.find_spec(module) is not None:
            yield name, find


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=600, help="enlarged sprites (default: 600)")
    parser.add_argument("--others", type=int, default=300, help="pictures that are no pixel art (default: 300)")
    parser.add_argument("--seed", type=int, default=0, help="which (default: 0)")
    parser.add_argument("--failures", action="store_true", help="also name each case that ours did not find")
    arguments = parser.parse_args()
    print(describe())
    right = {name: dict.fromkeys(CATEGORIES, 0) for name, _ in finders()}
    total = dict.fromkeys(CATEGORIES, 0)
    seconds = dict.fromkeys(right, 0.0)
    raised: dict[str, list[str]] = {name: [] for name in right}
    for case in cases(arguments.cases, np.random.default_rng(arguments.seed)):
        total[case.category] += 1
        for name, find in finders():
            began = time.process_time()
            size = _answer(find, case.picture, raised[name])
            seconds[name] += time.process_time() - began
            exact = size == (case.sprite.shape[1], case.sprite.shape[0])
            right[name][case.category] += exact
            if arguments.failures and name == "pulse" and not exact:
                print(f"{case.category}: {case.note}, {case.sprite.shape[1]}x{case.sprite.shape[0]}, found {size}")
    count = sum(total.values())
    print(f"{'enlarged by':16s}" + "".join(f"{name:>20s}" for name in right))
    for category in CATEGORIES:
        print(f"{category:16s}" + "".join(f"{right[name][category]:>14d} of {total[category]:2d}" for name in right))
    print(f"{'all':16s}" + "".join(f"{sum(each.values()) / count:>20.1%}" for each in right.values()))
    print(f"{'CPU s each':16s}" + "".join(f"{seconds[name] / count:>20.3f}" for name in right))
    for name, errors in raised.items():
        if errors:
            print(f"{name} raised {len(errors)} errors, counted as wrong; the first: {errors[0]}")
    wrong = [
        (name, size)
        for name, picture in others(arguments.others, np.random.default_rng(arguments.seed + 1))
        if (size := ours(picture)) is not None
    ]
    print(f"no pixel art: a grid is found in {len(wrong)} of {arguments.others}")
    for name, size in wrong:
        print(f"  {name}: {size[0]}x{size[1]}")


def _answer(find: Finder, picture: np.ndarray, raised: list[str]) -> Size | None:
    """What a library finds; what another one than ours raises is kept, since it may be our call that is wrong."""
    # Other libraries print.
    try:
        with redirect_stdout(io.StringIO()):
            return find(picture)
    except Exception as error:
        if find is ours:
            raise
        raised.append(f"{type(error).__name__}: {error}")
        return None


if __name__ == "__main__":
    main()
