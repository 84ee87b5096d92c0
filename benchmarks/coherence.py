"""How much the faces of an animation change from frame to frame, beside answers of each frame by itself.

Animations are made of the demonstration's sprites: one that blinks, one whose hat cycles through colours, one that
moves by a pixel. The table has the mean absolute difference between neighbouring frames, in grey levels of 255, of the
film of `pulse.depixelize_frames` and of independent answers with one seed; the mean L2 of both; and CPU seconds.

    python -m benchmarks.coherence -o coherence.png
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import pulse
from benchmarks.environment import describe
from pulse.app import sprites
from pulse.depixelizer import FilmResult
from stylegan.common.grid import grid
from stylegan.common.pixels import to_pil

# Rows and columns of the eyes in the demonstration's sprites.
_EYES = (slice(8, 10), slice(4, 12))


def blinking(name: str = "hero") -> list[Tensor]:
    """A sprite (3, 16, 16) that closes its eyes twice."""
    still = sprites.load(name)[0]
    closed = still.clone()
    skin = still[:, 10, 7]
    eyes = closed[:, _EYES[0], _EYES[1]]
    unlike = (eyes - skin[:, None, None]).abs().sum(0) > 0.5
    closed[:, _EYES[0], _EYES[1]] = torch.where(unlike, skin[:, None, None], eyes)
    return [still, still, closed, still, still, still, closed, still]


def cycling(name: str = "wizard") -> list[Tensor]:
    """A sprite whose upper part goes through a quarter of the circle of hues."""
    pixels = np.asarray(to_pil(sprites.load(name)[0]).convert("HSV"))
    frames = []
    for i in range(4):
        turned = pixels.copy()
        turned[:7, :, 0] += np.uint8(16 * i)
        rgb = np.array(Image.fromarray(turned, "HSV").convert("RGB"))
        frames.append(torch.from_numpy(rgb).permute(2, 0, 1) / 255)
    return frames


def moving(name: str = "viking") -> list[Tensor]:
    """A sprite that bobs by a pixel."""
    still = sprites.load(name)[0]
    lower = torch.cat([still[:, :1], still[:, :-1]], 1)
    return [still, lower, lower, still, still, lower]


ANIMATIONS: dict[str, Callable[[], list[Tensor]]] = {"blinking": blinking, "cycling": cycling, "moving": moving}


def measured(frames: list[Tensor], follow: bool, options: dict[str, Any]) -> tuple[FilmResult, float]:
    """The film of some frames, and the CPU seconds that it took."""
    started = time.process_time()
    film = pulse.depixelize_frames([to_pil(one) for one in frames], follow=follow, **options)
    return film, time.process_time() - started


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--only", choices=list(ANIMATIONS), help="one animation")
    parser.add_argument("--finish", choices=("drawn", "network"), default="drawn", help="who makes the answers")
    parser.add_argument("--kind", choices=("any", "people"), default="any", help="of drawn answers")
    parser.add_argument("--resolution", type=int, default=128, help="of drawn answers, in pixels")
    parser.add_argument("--steps", type=int, default=100, help="of the network's search")
    parser.add_argument("-o", "--output", type=Path, help="where to draw both films, frame by frame")
    args = parser.parse_args(arguments)
    options: dict[str, Any] = {"seed": 1, "finish": args.finish}
    options |= {"kind": args.kind, "resolution": args.resolution} if args.finish == "drawn" else {"steps": args.steps}
    print(describe())
    print(f"{'animation':10} {'change':>16} {'ratio':>6} {'mean L2':>18} {'CPU s':>14}   (film, independent frames)")
    rows = []
    for name in [args.only] if args.only else ANIMATIONS:
        frames = ANIMATIONS[name]()
        film, seconds = measured(frames, True, options)
        apart, longer = measured(frames, False, options)
        ratio = apart.change / film.change if film.change else float("inf")
        print(
            f"{name:10} {255 * film.change:7.2f} {255 * apart.change:8.2f} {ratio:6.1f} {float(film.l2.mean()):9.4f}"
            f" {float(apart.l2.mean()):8.4f} {seconds:6.1f} {longer:7.1f}",
            flush=True,
        )
        side = film[0].shape[-1]
        small = [one.repeat_interleave(side // 16, 1).repeat_interleave(side // 16, 2) for one in frames]
        for row in (small, list(film), list(apart)):
            rows.append(torch.stack([row[i % len(row)] for i in range(4)]))
    if args.output is not None:
        to_pil(grid(torch.cat(rows), columns=4)).save(args.output)


if __name__ == "__main__":
    main()
