"""Depixelize a film: a sprite whose hat changes its colour becomes a film of one face.

    python examples/depixelize_film.py out --steps 100

Writes out/depixelize_film.png: the frames, above their faces. `film.save("face.webp")` writes the film itself.
"""

import argparse
from pathlib import Path

import torch
from torch.nn.functional import interpolate

import pulse
from pulse.app import sprites
from pulse.pictures import write_picture
from stylegan.common.pixels import to_pil


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--sprite", choices=sprites.names(), default="wizard")
    arguments = parser.parse_args()

    still = sprites.load(arguments.sprite)[0]
    frames = [still.clone() for _ in range(3)]
    for i, frame in enumerate(frames):
        # The colours of the upper rows take turns.
        frame[:, :7] = still[:, :7].roll(i, 0)
    film = pulse.depixelize_frames(
        [to_pil(frame) for frame in frames], finish="network", steps=arguments.steps, starts=2, seed=0
    )

    print(f"{film}: from frame to frame it changes by {255 * film.change:.1f} of 255 grey levels.")
    above = interpolate(torch.stack(frames), scale_factor=8)
    rows = [torch.cat(list(row), dim=2) for row in (above, film)]
    write_picture(arguments.folder / "depixelize_film.png", torch.cat(rows, dim=1))


if __name__ == "__main__":
    main()
