"""`python -m stylegan.portraits --count N -o DIR`: draw portraits into a folder, with the truth about them."""

from __future__ import annotations

import argparse
from pathlib import Path

from stylegan.common import console
from stylegan.portraits.coordinates import KINDS, check_resolution
from stylegan.portraits.files import draw


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code as `stylegan.common.console.guarded` does."""
    return console.guarded(lambda: _run(arguments), whole_process=arguments is None)


def _run(arguments: list[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="python -m stylegan.portraits", description=__doc__)
    parser.add_argument("--count", type=int, default=16, help="how many portraits (default: 16)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the PNGs and portraits.json")
    parser.add_argument("--seed", type=int, default=0, help="which portraits (default: 0)")
    parser.add_argument("--resolution", type=int, default=128, help="pixels along a side (default: 128)")
    parser.add_argument("--kind", choices=KINDS, default="people", help="whom to draw (default: people)")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace other portraits of this program; other files never are"
    )
    options = parser.parse_args(arguments)
    check_resolution(options.resolution)
    if options.count < 1:
        raise ValueError(f"The number of portraits is {options.count}; give one or more.")
    if not 0 <= options.seed < 2**63:
        raise ValueError(f"The seed is {options.seed}; give a whole number from 0 to 2^63 - 1.")
    draw(options.count, options.seed, options.resolution, options.output, options.kind, overwrite=options.overwrite)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
