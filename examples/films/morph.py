"""Morph: a loop through four faces of the generator in the box, as an animated WebP.

    python examples/films/morph.py out

Writes out/morph.webp. Any name that ends in .mp4, .gif or .png (animated) does as well; an MP4 needs the extra `film`.
"""

import argparse
from pathlib import Path

import pulse
from pulse.pictures.film import write_film


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, default=100)
    arguments = parser.parse_args()

    frames = pulse.morph("default", seeds=[1, 2, 3, 4], loop=True, frames=arguments.frames, truncation_psi=0.8)
    count = write_film(arguments.folder / "morph.webp", frames, fps=25)
    print(f"{count} frames")


if __name__ == "__main__":
    main()
