"""Time of the fused operations, forward and backward, beside their references, side by side in one process.

    python -m benchmarks.ops
    python -m benchmarks.ops --op downsample_l2 --dtype float32 --json
    python -m benchmarks.ops --op upfirdn2d --dtype float32 --format contiguous channels_last --shape 4x256x64x64

GB/s counts each full-size tensor once for every time that it has to be read or written; "of copy" is that over what
`y.copy_(x)` reaches on a tensor of the same size in the same minute, "of clone" over `x.clone()`, whose result is fresh
memory, as that of the operations is. All times are medians of interleaved repeats.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median

import torch

from benchmarks.environment import describe
from benchmarks.op_cases import CASES, Case, size_of, upfirdn2d_at
from benchmarks.timing import largest_allocation, timed, wall_time
from cuda_ops import build

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
FORMATS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
OPERATIONS = tuple(CASES)


@dataclass(frozen=True)
class Row:
    """What was measured: milliseconds, GB/s, its share of a copy's, the ratios, and extra bytes where they matter.

    On a GPU the milliseconds are the GPU's own, and the wall's are beside them: small calls wait for Python.
    """

    op: str
    what: str
    dtype: str
    native_ms: float
    reference_ms: float
    ratio: float
    gb_per_s: float | None
    of_copy: float | None
    native_bytes: int | None
    reference_bytes: int | None
    native_wall_ms: float | None = None
    reference_wall_ms: float | None = None
    of_clone: float | None = None


def measure(case: Case, device: str, seconds: float, least: int = 3) -> Row:
    """Measures a case by interleaved repeats for about `seconds`, at least `least` of each."""
    copied = torch.empty(max(case.moved // 8, 1), device=device)
    source = torch.randn_like(copied)
    calls: dict[str, Callable[[], object]] = {"native": case.native, "plain": case.plain}
    if case.moved:
        calls |= {"copy": lambda: copied.copy_(source), "clone": source.clone}
    times: dict[str, list[float]] = {name: [] for name in calls}
    begun = time.perf_counter()
    for call in calls.values():
        timed(call, device)
    while len(times["native"]) < least or (time.perf_counter() - begun < seconds and len(times["native"]) < 200):
        for name, call in calls.items():
            times[name].append(timed(call, device))
    native, plain = median(times["native"]), median(times["plain"])
    rate = case.moved / native / 1e9 if case.moved else None
    copied_at, cloned_at = (
        2 * size_of(copied) / median(times[name]) / 1e9 if rate is not None else None for name in ("copy", "clone")
    )

    def wall(call: Callable[[], object]) -> float | None:
        return 1e3 * median(wall_time(call, device) for _ in range(least)) if device == "cuda" else None

    return Row(
        case.op,
        case.what,
        case.dtype,
        1e3 * native,
        1e3 * plain,
        plain / native,
        rate,
        _share(rate, copied_at),
        largest_allocation(case.native, device) if case.memory else None,
        largest_allocation(case.plain, device) if case.memory else None,
        native_wall_ms=wall(case.native),
        reference_wall_ms=wall(case.plain),
        of_clone=_share(rate, cloned_at),
    )


def _share(rate: float | None, other: float | None) -> float | None:
    return None if rate is None or other is None else rate / other


def geometric_mean(values: list[float]) -> float:
    """The geometric mean, which is the right one for ratios."""
    return math.exp(sum(math.log(value) for value in values) / len(values))


def print_row(row: Row) -> None:
    """Prints a line of the table."""
    share = "" if row.gb_per_s is None else f"{row.gb_per_s:8.1f}"
    share += "".join(f" {100 * part:7.0f} %" for part in (row.of_copy, row.of_clone) if part is not None)
    memory = ""
    if row.native_bytes is not None and row.reference_bytes is not None:
        memory = f"   {row.native_bytes / 1e6:.1f} of {row.reference_bytes / 1e6:.1f} MB"
    print(
        f"{row.op:17s}{row.what:40s}{row.dtype:9s}{row.native_ms:10.3f}{row.reference_ms:12.3f}{row.ratio:8.2f}"
        f"{share}{memory}",
        flush=True,
    )


def _shape(text: str) -> tuple[int, ...]:
    sizes = tuple(int(size) for size in text.split("x"))
    if len(sizes) != 4 or min(sizes) < 1:
        raise ValueError(text)
    return sizes


def main() -> None:
    """Prints the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--op", nargs="*", choices=OPERATIONS, default=list(OPERATIONS))
    parser.add_argument("--dtype", nargs="*", choices=DTYPES, default=["float32", "bfloat16"])
    parser.add_argument("--format", nargs="*", choices=FORMATS, default=["channels_last"])
    parser.add_argument("--batch", type=int, nargs="*", help="only these")
    parser.add_argument("--shape", nargs="+", type=_shape, help="upfirdn2d of every kind at these, such as 4x256x64x64")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seconds", type=float, default=1.0, help="of repeats for each row")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    arguments = parser.parse_args()
    device = arguments.device
    if arguments.shape and arguments.op != ["upfirdn2d"]:
        parser.error("--shape goes with --op upfirdn2d alone.")
    why = build.load(device)
    if why is not None:
        parser.error(f"there is nothing to measure, because {why}; see `python -m cuda_ops`.")
    rows: list[Row] = []
    means: dict[str, float] = {}
    if not arguments.json:
        print(describe())
        columns = ("operation", 17, "shape", 40, "type", 9)
        print("".join(f"{n:{w}s}" for n, w in zip(columns[::2], columns[1::2], strict=True)), end="")
        print(" native ms   reference   ratio    GB/s   of copy  of clone")
    for memory_format in arguments.format:
        for op in arguments.op:
            for name in arguments.dtype:
                cases = CASES[op](DTYPES[name], FORMATS[memory_format], device)
                if arguments.shape:
                    cases = (
                        each
                        for shape in arguments.shape
                        for each in upfirdn2d_at(shape, DTYPES[name], FORMATS[memory_format], device)
                    )
                some = []
                for each in cases:
                    if arguments.batch and int(each.what.split("x")[0]) not in arguments.batch:
                        continue
                    some.append(measure(each, device, arguments.seconds))
                    if not arguments.json:
                        print_row(some[-1])
                if not some:
                    continue
                rows += some
                if op != "generator":
                    key = f"{op} {name} {memory_format}"
                    means[key] = geometric_mean([row.ratio for row in some])
                    shares = [row.of_copy for row in some if row.of_copy is not None]
                    text = f", {100 * geometric_mean(shares):.0f} % of copy" if shares else ""
                    if not arguments.json:
                        print(f"{key}: {means[key]:.2f} times the reference{text} (geometric mean)\n")
    if arguments.json:
        print(json.dumps({"environment": describe(), "rows": [asdict(row) for row in rows], "means": means}))


if __name__ == "__main__":
    main()
