"""The short form of every benchmark, one after another.

    python -m benchmarks

Each runs in a process of its own, and what it draws goes to a temporary folder. A benchmark that fails does not stop
the others; it is named at the end, and the exit code is then 1. `benchmarks.curve`, `benchmarks.emoji_epoch`,
`benchmarks.emoji_atlas` and `benchmarks.page` are not among them: they need the folder of a run, of emoji, or of an
atlas, or a browser.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stylegan.common.console import guarded

OUT = "OUT"


@dataclass(frozen=True)
class Benchmark:
    """A benchmark's short form.

    Attributes:
        module: the module that `python -m` runs.
        arguments: its command line; `OUT` stands for the temporary folder.
        needs_gpu: whether it is left out where torch finds no NVIDIA GPU.
    """

    module: str
    arguments: tuple[str, ...] = ()
    needs_gpu: bool = False


BENCHMARKS = (
    Benchmark("benchmarks.heldout", ("--count", "4", "-o", f"{OUT}/heldout.png")),
    # Ten sprites come on top of the portraits; a hundred steps for each would take minutes.
    Benchmark("benchmarks.methods", ("--count", "2", "--steps", "15")),
    Benchmark("benchmarks.drawn", ("--count", "1", "--kinds", "people", "--only", "people", "stages")),
    Benchmark(
        "benchmarks.coherence",
        ("--only", "blinking", "--finish", "network", "--steps", "10", "-o", f"{OUT}/coherence.png"),
    ),
    Benchmark("benchmarks.search", ("--count", "2", "--steps", "15")),
    Benchmark(
        "benchmarks.search_costs", ("--count", "2", "--batch", "1", "2", "--resolutions", "128", "--repeats", "1")
    ),
    Benchmark(
        "benchmarks.super_resolution",
        (
            *("-o", f"{OUT}/super", "--count", "3", "--others", "1", "--draws", "4", "--reader-test", "40"),
            *("--methods", "nearest", "bicubic", "fast"),
        ),
    ),
    Benchmark(
        "benchmarks.calibration",
        ("--truths", "network", "--size", "4", "--count", "3", "--samples", "3", "--steps", "20"),
    ),
    Benchmark("benchmarks.skin", ("--count", "2")),
    Benchmark("benchmarks.faces", ("--count", "40")),
    Benchmark("benchmarks.tones", ("--count", "40", "--fit", "200", "--test", "200")),
    Benchmark("benchmarks.swd", ("--count", "128", "--cache", f"{OUT}/swd")),
    Benchmark(
        "benchmarks.shares",
        ("--count", "256", "--teach", "256", "--steps", "40", "--cache", f"{OUT}/shares"),
    ),
    Benchmark("benchmarks.ops", ("--op", "downsample_l2", "--dtype", "float32", "--seconds", "0.2")),
    Benchmark("benchmarks.loading", ("--resolution", "512", "--repeats", "1")),
    Benchmark("benchmarks.fuzz_checkpoints", ("--count", "300")),
    Benchmark("benchmarks.fuzz_checkpoints", ("--count", "300", "--structured")),
    Benchmark(
        "benchmarks.gpu_report", ("--out", f"{OUT}/gpu", "--only", "environment", "build", "checks"), needs_gpu=True
    ),
)


def run_all(benchmarks: Sequence[Benchmark], folder: Path, has_gpu: bool) -> list[str]:
    """Runs benchmarks one after another, each below a heading.

    Args:
        benchmarks: what to run.
        folder: for the files that they write.
        has_gpu: whether torch can use an NVIDIA GPU.

    Returns:
        One line for each that failed: its command and its exit code.
    """
    failures = []
    for benchmark in benchmarks:
        arguments = [argument.replace(OUT, str(folder), 1) for argument in benchmark.arguments]
        shown = " ".join(("python -m", benchmark.module, *benchmark.arguments))
        print(f"\n## {shown}", flush=True)
        if benchmark.needs_gpu and not has_gpu:
            print("Not run, because torch finds no NVIDIA GPU.", flush=True)
            continue
        begun = time.perf_counter()
        code = subprocess.run([sys.executable, "-m", benchmark.module, *arguments]).returncode
        print(f"({time.perf_counter() - begun:.0f} s)", flush=True)
        if code:
            failures.append(f"{shown}: exit code {code}")
    return failures


def main(benchmarks: Sequence[Benchmark] = BENCHMARKS) -> int:
    """Runs all of them and says which failed; returns the exit code."""
    argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0]).parse_args()
    # Not at the top: `guarded` settles how threads wait before torch is imported.
    import torch

    with tempfile.TemporaryDirectory() as folder:
        failures = run_all(benchmarks, Path(folder), torch.cuda.is_available())
    if failures:
        print(f"\n{len(failures)} of {len(benchmarks)} failed:", *failures, sep="\n", file=sys.stderr)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(guarded(main, whole_process=True))
