"""Methods that make small faces large, side by side, as one report.

    python -m benchmarks.super_resolution -o runs/super --quick          # three minutes on two cores
    python -m benchmarks.super_resolution -o runs/super                  # 1000 portraits; goes on where it stopped
    python -m benchmarks.super_resolution -o runs/faces --images faces --generator ffhq
    python -m benchmarks.super_resolution -o runs/super --method mine:enlarge

DIR gets report.html, which needs no other file, report.md, report.json, and every answer as a PNG.
"""

import argparse
import sys
from pathlib import Path

from stylegan.common.console import guarded


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code as `stylegan.common.console.guarded` does."""
    return guarded(lambda: _run(arguments), whole_process=arguments is None)


def _run(arguments: list[str] | None) -> int:
    # Not at the top: `guarded` settles how threads wait before torch is imported.
    from benchmarks.super_resolution.degradations import DEGRADATIONS
    from benchmarks.super_resolution.methods import METHODS
    from benchmarks.super_resolution.run import Options, run

    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.super_resolution",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the report and the answers")
    add("--quick", action="store_true", help="4 pictures, 1 of each other degradation: whether it runs, no more")
    add("--count", type=int, help="pictures (default: 1000 portraits, or all of --images)")
    add("--others", type=int, help="pictures of every degradation but the first (default: 200)")
    add("--draws", type=int, help="answers to the picture that says nothing (default: 200)")
    add("--tiny", type=int, help="pictures of 4 px, each of one person (default: 100; 0 for none)")
    add("--reader-test", type=int, help="portraits on which the reader of groups is tested (default: 1000)")
    add("--images", type=Path, metavar="DIR", help="a folder of faces instead of portraits")
    add("--resolution", type=int, default=128, choices=(128, 256, 512, 1024), help="of truths and answers, in pixels")
    add("--size", type=int, default=16, help="of the small pictures, in pixels (default: 16)")
    add("--degradations", nargs="+", choices=tuple(DEGRADATIONS), default=list(DEGRADATIONS), help="the first counts")
    add("--methods", nargs="+", choices=tuple(METHODS), help="which of ours (default: all that can be had)")
    add("--method", action="append", default=[], metavar="MODULE:FUNCTION", help="one of your own; may be repeated")
    add("--checkpoint", type=Path, help="a file of the feed-forward network, such as the authors', for a row")
    add("--generator", default="default", help="name or path of the generator that is searched")
    add("--steps", type=int, default=100, help="of a search (default: 100)")
    add("--seed", type=int, default=0, help="of the first answer (default: 0)")
    given = parser.parse_args(arguments)
    quick = given.quick
    defaults = {
        "count": 4 if quick else 1000,
        "others": 1 if quick else 200,
        "draws": 4 if quick else 200,
        "tiny": 4 if quick else 100,
        "reader_test": 200 if quick else 1000,
    }
    numbers = {
        name: value if getattr(given, name) is None else getattr(given, name) for name, value in defaults.items()
    }
    for name, value in numbers.items():
        if value < (0 if name == "tiny" else 1):
            least = "zero or more" if name == "tiny" else "one or more"
            raise ValueError(f"The option --{name.replace('_', '-')} is {value}; give {least}.")
    if given.images is not None and given.count is None and not quick:
        numbers["count"] = sys.maxsize
    command = " ".join(["python -m benchmarks.super_resolution", *(sys.argv[1:] if arguments is None else arguments)])
    options = Options(
        **numbers,
        images=given.images,
        resolution=given.resolution,
        size=given.size,
        degradations=tuple(dict.fromkeys(given.degradations)),
        methods=given.methods,
        own=tuple(given.method),
        checkpoint=given.checkpoint,
        generator=given.generator,
        steps=given.steps,
        seed=given.seed,
    )
    return run(options, given.output, command)


if __name__ == "__main__":
    raise SystemExit(main())
