"""Films of a face: how it is found, how the pixels become it, and how its head turns.

    python examples/films/face.py out --sprite goblin

Writes out/search.webp, out/morph.webp and out/turn.webp.
"""

import argparse
from pathlib import Path

import pulse
from pulse.app import sprites


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sprite", choices=sprites.names(), default="goblin")
    parser.add_argument("--kind", choices=("any", "people"), default="any")
    parser.add_argument("--side", type=int, default=256)
    arguments = parser.parse_args()

    record = pulse.SearchRecord(side=arguments.side)
    sprite, how = sprites.load(arguments.sprite), {"kind": arguments.kind, "resolution": arguments.side}
    face = pulse.depixelize(sprite, seed=0, grid="off", callback=record, **how)
    print(face.describe())
    films = {"search": record.film(face)}
    films["morph"] = pulse.film_of_morph(face, side=arguments.side)
    films["turn"] = pulse.film_of_turn(face, side=arguments.side)
    for name, film in films.items():
        film.save(arguments.folder / f"{name}.webp")
        print(f"{name}: {len(film)} frames, {sum(film.seconds):.1f} s")


if __name__ == "__main__":
    main()
