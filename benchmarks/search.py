"""Each method of a search on targets that a generator can reach: how long it takes, and what faces it finds.

    python -m benchmarks.search --count 20
    python -m benchmarks.search --generator stylegan1-256 --count 3 --json runs/search.json
    python -m benchmarks.search --generator PATH --plot docs/pictures/search.png

All methods take turns in one process. Times are CPU seconds, which other programs on the machine disturb less than the
clock; with one thread both are the same on a quiet machine. The loss is PULSE's for all methods, of the picture that
would be returned: 100 max(eps, L2) + 0.05 GEOCROSS of the styles (Menon et al., CVPR 2020, section 3).

`--generator` is a name, a path, or one of these, of full width (Karras et al. 2019 and 2020) and with random weights,
whose last layer is scaled so that its images span about [-1, 1]: stylegan1 or stylegan2, and 128, 256, 512 or 1024 px,
as stylegan1-1024. Random weights say what a step costs. They say little about how many steps a search takes, because
what such a network draws at its low resolutions tells little about the whole. `benchmarks.search_costs` says where the
time goes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

import pulse
import stylegan
from benchmarks.environment import describe
from benchmarks.faces import find_faces
from benchmarks.heldout import held_out
from benchmarks.methods import style_covariance
from pulse import losses
from pulse.latents import latent_space
from pulse.options import METHODS
from stylegan.common.files import whole_file, write_bytes
from stylegan.gaussian_fit import fit_gaussian
from stylegan.networks import stylegan1, stylegan2

KINDS, RESOLUTIONS = ("stylegan1", "stylegan2"), (128, 256, 512, 1024)
RANDOM = {f"{kind}-{resolution}": (kind, resolution) for kind in KINDS for resolution in RESOLUTIONS}


@dataclass
class Walked:
    """The searches of one method.

    Attributes:
        seconds: of each target, all of its search.
        passes: images that the whole network drew for each target.
        curve: for each target, (seconds, loss of the best picture so far) at every step.
        near: seconds until each target's picture was within eps; None for never.
        level: seconds until its loss was that with which "pulse" ends; None for never.
        columns: what is measured of the faces, one value for each target.
        loaded: bytes of a process of its own that has loaded the generator; None if not measured.
        peak: bytes of that process at its largest, in a search.
    """

    seconds: list[float] = field(default_factory=list)
    passes: list[int] = field(default_factory=list)
    curve: list[list[tuple[float, float]]] = field(default_factory=list)
    near: list[float | None] = field(default_factory=list)
    level: list[float | None] = field(default_factory=list)
    columns: dict[str, list[float]] = field(default_factory=dict)
    loaded: int | None = None
    peak: int | None = None


def random_generator(name: str) -> Any:
    """A generator of full width with random weights; its images have mean 0 and deviation 0.5."""
    kind, resolution = RANDOM[name]
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        if kind == "stylegan1":
            # Feature maps times resolution are 8192 * 2 in StyleGAN1, 16 at 1024 px.
            G: Any = stylegan1.Generator(512, 512, resolution, synthesis_kwargs={"channel_base": 16384})
        else:
            G = stylegan2.Generator(512, 0, 512, resolution)
        G.eval().requires_grad_(False)
        images = torch.cat([G(z) for z in torch.randn(4, 1, 512)])
        scale, mean = 0.5 / images.std(), images.mean((0, 2, 3))
        if kind == "stylegan1":
            G.synthesis.torgb_weight *= scale
            G.synthesis.torgb_bias.copy_(-mean * scale)
        else:
            blocks = [getattr(G.synthesis, f"b{r}") for r in G.synthesis.block_resolutions]
            for block in blocks:
                block.torgb.weight *= scale
            blocks[-1].torgb.bias.copy_(-mean * scale)
    G.name = name
    # 50 000 samples give the deviations within 1 %.
    fit_gaussian(G, samples=50_000)
    return G


def load(name: str) -> Any:
    """A generator by name or path, or one of `RANDOM`."""
    return random_generator(name) if name in RANDOM else stylegan.load(name)


@torch.no_grad()
def targets_for(G: Any, count: int, size: int) -> torch.Tensor:
    """Small pictures (count, 3, size, size): held-out portraits for the default generator, its own for another."""
    if G.name == stylegan.load("default").name:
        return pulse.downsample(held_out(count), size).clamp(0, 1)
    z = torch.randn(count, G.z_dim, generator=torch.Generator().manual_seed(2))
    images = [((G(one) + 1) / 2).clamp(0, 1) for one in z.split(1)]
    return pulse.downsample(torch.cat(images), size).clamp(0, 1)


def pulses_loss(l2: torch.Tensor, ws: torch.Tensor, eps: float) -> torch.Tensor:
    """PULSE's loss (N,), for any method's picture."""
    return 100 * l2.clamp(min=eps) + 0.05 * losses.geocross(ws)


def walk(G: Any, target: torch.Tensor, options: pulse.SearchOptions, found: Walked) -> pulse.Result:
    """Searches one target (1, 3, h, w) and adds what it measures to `found`; the clock stands while it measures."""
    space = latent_space(G, options.space, options.tile_latent)
    curve: list[tuple[float, float]] = []
    near: list[float] = []
    drawn = 0
    paused = 0.0

    def count(module: object, arguments: tuple[Any, ...], images: torch.Tensor) -> None:
        nonlocal drawn
        drawn += len(images)

    def note(step: int, state: Any) -> None:
        nonlocal paused
        now = time.process_time()
        with torch.no_grad():
            ws = space.to_ws(state.best.latents)
            curve.append((now - begun - paused, float(pulses_loss(state.best.l2, ws, options.eps))))
        if not near and bool(state.best.l2 <= options.eps):
            near.append(curve[-1][0])
        paused += time.process_time() - now

    hook = G.synthesis.register_forward_hook(count)
    try:
        begun = time.process_time()
        result = pulse.search(G, target, options, finish="network", callback=note)
        found.seconds.append(time.process_time() - begun - paused)
    finally:
        hook.remove()
    found.passes.append(drawn)
    found.curve.append(curve)
    found.near.append(near[0] if near else None)
    return result


def faces_of(result: pulse.Result, covariance: torch.Tensor) -> dict[str, float]:
    """What says whether a result is a likely face: see `benchmarks.methods`, and "length", the mean square of the
    gaussianised styles, 1 on average for the generator's own."""
    mean = result.latents.mean(1)
    distance = (mean @ torch.linalg.pinv(covariance, rtol=1e-5, hermitian=True) * mean).sum(1) / mean.shape[1]
    return {
        "l2": float(result.l2),
        "length": float(result.latents.square().mean()),
        "mean style": float(distance.sqrt()),
        "spread": float(result.spread),
        "GEOCROSS": float(losses.geocross(result.ws)),
        "face": float(len(find_faces(result.images)[0]) > 0),
    }


def compare(
    G: Any,
    targets: torch.Tensor,
    options: pulse.SearchOptions,
    found: dict[str, Walked],
    keep: Callable[[], None] = lambda: None,
) -> None:
    """Searches each target by each method, in turns, but those that have been, and calls `keep` after each."""
    covariance = style_covariance(G, samples=4000)
    done = len(next(iter(found.values())).seconds)
    for i, target in list(enumerate(targets.split(1)))[done:]:
        for method, walked in found.items():
            chosen = pulse.SearchOptions(**{**asdict(options), "method": method, "seed": (options.seed or 0) + i})
            result = walk(G, target, chosen, walked)
            for column, value in faces_of(result, covariance).items():
                walked.columns.setdefault(column, []).append(value)
        if "pulse" in found:
            end = found["pulse"].curve[-1][-1][1]
            for walked in found.values():
                arrived = [seconds for seconds, loss in walked.curve[-1] if loss <= end]
                walked.level.append(arrived[0] if arrived else None)
        keep()


def kept(path: Path | None, told: dict[str, Any], methods: list[str]) -> dict[str, Walked]:
    """What a run with these options (`told`) has measured before it was ended, from its `--json`."""
    before = json.loads(path.read_text()) if path and path.is_file() else {}
    same = all(before.get(name) == value for name, value in told.items()) and list(before["methods"]) == methods
    return {method: Walked(**before["methods"][method]) if same else Walked() for method in methods}


def print_table(found: dict[str, Walked], names: list[str]) -> None:
    """Prints medians over the targets, and ratios to "pulse"."""
    heads = ["s a face", "of pulse", "passes", "s to its loss", "of pulse", "s to eps", "within eps"]
    columns = next(iter(found.values())).columns
    print("method    " + "".join(f"{head:>14s}" for head in [*heads, "loaded MB", "peak MB", *columns]))
    base = _median(found["pulse"].seconds) if "pulse" in found else None
    for name in names:
        walked = found[name]
        seconds, level = _median(walked.seconds), _median(walked.level) if walked.level else None
        near = [s is not None for s in walked.near]
        of_pulse = [part / base if base and part else "-" for part in (seconds, level)]
        cells: list[Any] = [seconds, of_pulse[0], _median(walked.passes), level if base else "-"]
        cells += [of_pulse[1], _median(walked.near), sum(near) / len(near)]
        cells += [part / 1e6 if part else "-" for part in (walked.loaded, walked.peak)]
        cells += [sum(values) / len(values) for values in walked.columns.values()]
        print(f"{name:10s}" + "".join(f"{_shown(cell):>14s}" for cell in cells), flush=True)


def _shown(cell: float | str | None) -> str:
    if cell is None:
        return "never"
    return cell if isinstance(cell, str) else f"{cell:.4g}"


def _median(values: list[Any]) -> float | None:
    """The median, None (for never) being the largest of all; None if that is the median."""
    ordered = sorted(float("inf") if value is None else float(value) for value in values)
    middle = ordered[(len(ordered) - 1) // 2]
    return None if middle == float("inf") else middle


def peak_of(G: Any, method: str, size: int) -> tuple[int, int]:
    """Bytes that a process of its own takes once it has loaded a generator, and at its peak in a search of a few steps.

    The method "fast" is measured as it runs: what it needs to learn of the generator is in the cache by now. Only Linux
    says how much memory a process took at most; `ru_maxrss` would be that of this process, where it is larger.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generator.safetensors"
        stylegan.save(G, path)
        code = (
            "import pulse, stylegan, torch; from benchmarks.search import resident\n"
            f"torch.set_num_threads({torch.get_num_threads()})\n"
            f"G = stylegan.load({str(path)!r})\n"
            f"target = torch.linspace(0.2, 0.8, 3 * {size}**2).view(1, 3, {size}, {size})\n"
            "loaded = resident('VmRSS')\n"
            f"pulse.search(G, target, method={method!r}, steps=3, seed=0, finish='network')\n"
            "print(loaded, resident('VmHWM'))"
        )
        printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded, peak = (int(part) for part in printed.split()[-2:])
    return loaded, peak


def resident(line: str) -> int:
    """Bytes of this process in memory: "VmRSS" now, "VmHWM" at most since it began."""
    found = [row.split()[1] for row in Path("/proc/self/status").read_text().splitlines() if row.startswith(line)]
    return int(found[0]) * 1024


def draw(found: dict[str, Walked], title: str, out: Path) -> None:
    """Draws the median loss over the CPU seconds as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.4), layout="constrained")
    axes = figure.subplots()
    for name, walked in found.items():
        longest = max(curve[-1][0] for curve in walked.curve)
        at = torch.linspace(0, longest, 200)
        lines = torch.stack([_sampled(curve, at) for curve in walked.curve])
        low, middle, high = lines.quantile(torch.tensor([0.1, 0.5, 0.9]), 0)
        (line,) = axes.plot(at, middle, label=f"{name}, {_median(walked.seconds):.2g} s a face")
        axes.fill_between(at, low, high, alpha=0.2, color=line.get_color())
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("CPU seconds")
    axes.set_ylabel("PULSE's loss, median and 80 %")
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend()
    with whole_file(out) as part:
        figure.savefig(part, format="png", dpi=110)


def _sampled(curve: list[tuple[float, float]], at: torch.Tensor) -> torch.Tensor:
    """A curve at given seconds: its last value there, and NaN before its first."""
    seconds, values = torch.tensor(curve).T
    index = torch.searchsorted(seconds.contiguous(), at, right=True) - 1
    return torch.where(index >= 0, values[index.clamp(min=0)], torch.nan)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--generator", default="default", help=f"a name, a path, or one of {', '.join(RANDOM)}")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["pulse", "fast"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", action="store_true", help="also measure the memory, in further processes")
    parser.add_argument(
        "--json", type=Path, help="write all that was measured, after each target; a run that was ended goes on from it"
    )
    parser.add_argument("--plot", type=Path, help="draw the loss over time")
    arguments = parser.parse_args()
    if arguments.count < 1:
        parser.error(f"the number of targets is {arguments.count}; give one or more.")
    torch.set_num_threads(arguments.threads)
    print(describe())
    G = load(arguments.generator)
    options = pulse.SearchOptions(steps=arguments.steps, seed=arguments.seed)
    targets = targets_for(G, arguments.count, arguments.size)
    begun = time.process_time()
    pulse.search(G, targets[:1], options, method="fast", steps=0, finish="network")
    first = time.process_time() - begun
    print(f"{G.name}, {arguments.count} targets of {arguments.size} px; the first fast search took {first:.1f} s")
    told = {"generator": G.name, "size": arguments.size, "steps": arguments.steps, "seed": arguments.seed}
    found = kept(arguments.json, told, arguments.methods)

    def keep() -> None:
        if arguments.json:
            methods = {name: asdict(walked) for name, walked in found.items()}
            told_all = {"environment": describe(), **told, "methods": methods}
            write_bytes(arguments.json, json.dumps(told_all, indent=1).encode())

    compare(G, targets, options, found, keep)
    if arguments.memory:
        for method, walked in found.items():
            walked.loaded, walked.peak = peak_of(G, method, arguments.size)
    keep()
    print_table(found, arguments.methods)
    if arguments.plot:
        draw(found, f"{G.name}, {arguments.count} targets of {arguments.size} px, one thread", arguments.plot)


if __name__ == "__main__":
    main()
