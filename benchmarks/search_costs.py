"""Where the time of a search goes: by phase, by the size of a batch, and by the resolution of the generator.

    python -m benchmarks.search_costs --count 8
    python -m benchmarks.search_costs --count 16 --batch 1 4 16
    python -m benchmarks.search_costs --resolutions 128 256 512 1024 --kind stylegan1 --json costs.json

Seconds are CPU seconds; those by the clock stand beside them. The phases of the method "fast" are what is learnt of the
generator ("prepare"), the start ("begin"), steps on low resolutions or coarse pictures ("low steps"), looks at whole
pictures ("looks"), steps of the whole network ("full steps"), and what begins anew by the method "bounded" ("anew").
Other methods have no phases but the search itself ("other"). With --threads, what torch's own threads do in a phase
counts as "other". Over resolutions, generators have full width and random weights.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest import mock

import torch

import pulse
from benchmarks.environment import describe
from benchmarks.search import KINDS, RESOLUTIONS, load, random_generator, targets_for
from benchmarks.timing import largest_allocation
from pulse import methods
from pulse.options import METHODS
from stylegan.common.files import write_bytes

# The package has a function of that name.
_fast_walk = importlib.import_module("pulse.fast.walk")

PHASES = ("prepare", "begin", "low steps", "looks", "full steps", "anew", "other")


class Clock:
    """CPU seconds and calls of each phase, in all threads; time in an inner phase does not count for the outer one."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self.calls = dict.fromkeys(PHASES, 0)
        self._of_thread = threading.local()
        self._adding = threading.Lock()

    def timed(self, function: Callable[..., Any], phase: Callable[..., str] | str) -> Callable[..., Any]:
        """The function, its time noted under a phase, or the one that `phase` gives for its arguments."""

        def run(*arguments: Any, **options: Any) -> Any:
            inner = self._of_thread.__dict__.setdefault("inner", [0.0])
            inner.append(0.0)
            begun = time.thread_time()
            try:
                return function(*arguments, **options)
            finally:
                spent = time.thread_time() - begun
                name = phase if isinstance(phase, str) else phase(*arguments, **options)
                with self._adding:
                    self.seconds[name] += spent - inner.pop()
                    self.calls[name] += 1
                inner[-1] += spent

        return run


@contextmanager
def phases_of(G: Any) -> Iterator[Clock]:
    """A clock for the searches of a generator in this block."""
    clock = Clock()

    def of_round(way: Any, *others: Any) -> str:
        return "full steps" if others[2] == way.whole else "low steps"

    with ExitStack() as patches:

        def patch(owner: Any, name: str, phase: Callable[..., str] | str) -> None:
            patches.enter_context(mock.patch.object(owner, name, clock.timed(getattr(owner, name), phase)))

        patch(methods, "prepare", "prepare")
        for name, phase in (("_begin", "begin"), ("_round", of_round), ("_look", "looks")):
            patch(_fast_walk, name, phase)
        walk_rest = _fast_walk.walk_rest

        def rest(*arguments: Any) -> Iterator[Any]:
            points = walk_rest(*arguments)
            step = clock.timed(lambda: next(points, None), "anew")
            while (point := step()) is not None:
                yield point

        patches.enter_context(mock.patch.object(_fast_walk, "walk_rest", rest))
        yield clock


def costs(G: Any, targets: torch.Tensor, options: pulse.SearchOptions, method: str, size: int) -> dict[str, Any]:
    """What a face costs when `size` targets go through each call: seconds by phase, and passes of each."""
    chosen = pulse.SearchOptions(**{**asdict(options), "method": method})
    looks = 0
    calls: list[float] = []
    with phases_of(G) as clock:
        begun = time.process_time()
        for i, part in enumerate(targets.split(size)):
            call_begun = time.perf_counter()
            result = pulse.search(G, part, chosen, seed=(chosen.seed or 0) + i * size, finish="network")
            calls.append(time.perf_counter() - call_begun)
            looks += int(result.history["loss"].isfinite().sum())
        whole, by_clock = time.process_time() - begun, sum(calls)
    clock.seconds["other"] = whole - sum(clock.seconds.values())
    count = len(targets)
    seconds = {phase: spent / count for phase, spent in clock.seconds.items()}
    return {
        "method": method,
        "size": size,
        "seconds": whole / count,
        "by the clock": by_clock / count,
        "calls": calls,
        "whole pictures": looks / count,
        "phases": seconds,
    }


def print_costs(rows: Sequence[dict[str, Any]]) -> None:
    """Prints seconds a face, and what the size of a batch saves."""
    heads = ["at once", "s a face", "of alone", "by clock", "of alone", "pictures", *PHASES]
    print("method    " + "".join(f"{head:>12s}" for head in heads))
    alone = {row["method"]: row for row in rows if row["size"] == 1}
    for row in rows:
        cells = [str(row["size"])]
        for key in ("seconds", "by the clock"):
            share = f"{row[key] / alone[row['method']][key]:.2f}" if row["method"] in alone else "-"
            cells += [f"{row[key]:.3f}", share]
        cells += [f"{row['whole pictures']:.1f}"]
        cells += [f"{row['phases'][phase]:.3f}" for phase in PHASES]
        print(f"{row['method']:10s}" + "".join(f"{cell:>12s}" for cell in cells), flush=True)


def shares(alone: dict[str, Any], together: dict[str, Any]) -> list[float]:
    """Each call of several targets as a part of as many calls of one, by the clock; without a last call of fewer."""
    size = together["size"]
    sets = len(alone["calls"]) // size
    return [together["calls"][i] / sum(alone["calls"][i * size : (i + 1) * size]) for i in range(sets)]


def print_shares(rows: Sequence[dict[str, Any]]) -> None:
    """Prints for each size of a batch what its calls take of as many calls of one: few hard targets take most time."""
    alone = {row["method"]: row for row in rows if row["size"] == 1}
    for row in rows:
        found = sorted(shares(alone[row["method"]], row)) if row["size"] > 1 and row["method"] in alone else []
        if found:
            words = f"{len(found)} calls of {row['size']}" if len(found) > 1 else f"A call of {row['size']}"
            print(
                f"{words}, {row['method']}: {statistics.median(found):.2f} of as many calls of one"
                f" ({found[0]:.2f} to {found[-1]:.2f}), by the clock"
            )


def step_costs(kind: str, resolution: int, repeats: int) -> dict[str, Any]:
    """What the passes of a search cost in a generator of full width: medians of CPU seconds, and bytes at the peak."""
    G = random_generator(f"{kind}-{resolution}")
    rng = torch.Generator().manual_seed(0)
    ws = G.mapping(torch.randn(1, G.z_dim, generator=rng)).requires_grad_()
    noise = [torch.randn(1, 1, h, w, generator=rng) for h, w in G.noise_shapes]
    operator = pulse.Downsampler((resolution, resolution), (16, 16))
    target = torch.full((1, 3, 16, 16), 0.5)

    def step() -> None:
        error, _ = operator.l2((G.synthesis(ws, noise=noise) + 1) / 2, target)
        torch.autograd.grad(error.sum(), ws)

    def look() -> None:
        with torch.no_grad():
            operator.l2((G.synthesis(ws, noise=noise) + 1) / 2, target)

    def low_step() -> None:
        torch.autograd.grad(G.synthesis.features(ws, 16, noise=noise).square().mean(), ws)

    found: dict[str, Any] = {"kind": kind, "resolution": resolution}
    calls = {"step": step, "look": look, "low step": low_step}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats + 1):
        for name, call in calls.items():
            begun = time.process_time()
            call()
            seconds[name].append(time.process_time() - begun)
    for name, call in calls.items():
        # The first call of each builds and allocates.
        found[name] = sorted(seconds[name][1:])[repeats // 2]
        found[f"{name}, bytes"] = largest_allocation(call, "cpu")
    return found


def print_steps(rows: Sequence[dict[str, Any]]) -> None:
    """Prints what `step_costs` found, and how it grew from each resolution to the next."""
    print(f"{'generator':18s}" + "".join(f"{head:>26s}" for head in ("step", "look", "low step at 16 px")))
    before: dict[str, Any] | None = None
    for row in rows:
        cells = []
        for name in ("step", "look", "low step"):
            growth = f" ({row[name] / before[name]:.1f}x)" if before and before["kind"] == row["kind"] else ""
            cells.append(f"{row[name]:.3f} s{growth} {row[f'{name}, bytes'] / 1e6:.0f} MB")
        print(f"{row['kind']}-{row['resolution']:<8d}" + "".join(f"{cell:>26s}" for cell in cells), flush=True)
        before = row


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=8, help="targets for each row of phases and batches")
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--generator", default="default", help="as of benchmarks.search")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["fast"])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8], help="how many targets go through one call")
    parser.add_argument(
        "--resolutions", type=int, nargs="*", choices=RESOLUTIONS, default=[], help="also measure these"
    )
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=["stylegan1"])
    parser.add_argument("--repeats", type=int, default=3, help="of each pass of --resolutions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write all that was measured")
    arguments = parser.parse_args()
    for name in ("count", "repeats"):
        if getattr(arguments, name) < 0:
            parser.error(f"--{name} is {getattr(arguments, name)}; give 0 or more.")
    if min(arguments.batch) < 1:
        parser.error(f"--batch has {min(arguments.batch)}; give sizes from 1.")
    torch.set_num_threads(arguments.threads)
    print(describe())
    told: dict[str, Any] = {"environment": describe(), "phases": [], "resolutions": []}
    if arguments.count:
        G = load(arguments.generator)
        options = pulse.SearchOptions(steps=arguments.steps, seed=arguments.seed)
        targets = targets_for(G, arguments.count, arguments.size)
        for method in arguments.methods:
            # What is learnt of the generator once is in the cache then.
            pulse.search(G, targets[:1], options, method=method, steps=0, finish="network")
        for size in arguments.batch:
            told["phases"] += [costs(G, targets, options, method, size) for method in arguments.methods]
        print(f"{G.name}, {arguments.count} targets of {arguments.size} px, {arguments.steps} steps at most")
        print_costs(told["phases"])
        print_shares(told["phases"])
    for kind in arguments.kind if arguments.resolutions else []:
        told["resolutions"] += [step_costs(kind, size, arguments.repeats) for size in arguments.resolutions]
    if told["resolutions"]:
        print_steps(told["resolutions"])
    if arguments.json:
        write_bytes(arguments.json, json.dumps(told, indent=1).encode())


if __name__ == "__main__":
    main()
