"""Times on a GPU: the machine, the operations, whole generators, a search; a part of `benchmarks.gpu_report`.

python -m benchmarks.gpu.times environment|build|operations|generators|search
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from statistics import median
from typing import Any
from unittest import mock

import torch
from torch import Tensor

import pulse
import stylegan
from benchmarks import op_cases, ops
from benchmarks.gpu.rows import emit, phase_arguments
from benchmarks.gpu.workbench import captured
from benchmarks.timing import largest_allocation, timed
from cuda_ops import build
from cuda_ops.cache import cache_folder
from stylegan.networks import stylegan1, stylegan2


def environment(device: str, done: set[str]) -> None:
    """Driver, compilers, tools, and memory bandwidth."""
    for command in (["nvidia-smi"], ["nvcc", "--version"], ["c++", "--version"], ["compute-sanitizer", "--version"]):
        found = shutil.which(command[0])
        said = subprocess.run(command, capture_output=True, text=True).stdout.strip() if found else "not installed"
        emit(name=" ".join(command), ok=found is not None, note=said)
    emit(name="torch", ok=True, note=torch.__config__.show())
    emit(name="Python", ok=True, note=f"{platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores")
    if device != "cuda":
        return
    emit(name="GPU", ok=True, note=str(torch.cuda.get_device_properties(0)))
    for megabytes in (16, 256, 4096):
        x = torch.randn(megabytes * 2**18, device="cuda")
        y = torch.empty_like(x)
        seconds = median(timed(partial(y.copy_, x), "cuda") for _ in range(10))
        emit(name=f"copy of {megabytes} MB", ok=True, note=f"{2 * megabytes / 1024 / seconds:.0f} GiB/s")
    small = torch.randn(16, device="cuda")
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(2000):
        small.add_(1)
    torch.cuda.synchronize()
    emit(name="launch of a small kernel", ok=True, note=f"{(time.perf_counter() - begun) / 2000 * 1e6:.1f} us")


def build_all(device: str, done: set[str]) -> None:
    """Builds both libraries at once; prints the time, and the registers and spills of each kernel from ptxas."""
    parts = ["cpu", "cuda"] if device == "cuda" else ["cpu"]

    def made(part: str) -> tuple[str, float, str | None]:
        begun = time.perf_counter()
        try:
            build.find(part, retry=True)
            why = None
        except build.BuildError as error:
            why = str(error)
        return part, time.perf_counter() - begun, why

    with ThreadPoolExecutor(2) as pool:
        for part, seconds, why in pool.map(made, parts):
            emit(name=f"build {part}", ok=why is None, note=why or "", seconds=round(seconds, 1))
    for log in sorted((cache_folder() / "cuda_ops").glob("*/build.log")):
        text = log.read_text(encoding="utf-8", errors="replace")
        part = log.parent.name.split("-")[0]
        failed = (log.parent / "failed").exists()
        warnings = [line for line in text.splitlines() if re.search(r"\bwarning\b", line)]
        emit(name=f"log of {part}", ok=not failed, note=text if failed else "\n".join(warnings) or "no warning")
        if part == "cuda":
            emit(name="registers and spills", ok=True, note=kernel_table(text))
    emit(name="load", ok=(why := build.load(device)) is None, note=why or "the operations are loaded")


def kernel_table(log: str) -> str:
    """A line for each kernel of a build's log: registers, shared memory and spills, the worst first."""
    kernels = re.findall(
        r"Function properties for (\S+)\n.*?(\d+) bytes spill stores.*\nptxas info\s*: Used (\d+) registers(.*)", log
    )
    names = [name for name, *_ in kernels]
    if (tool := shutil.which("cu++filt") or shutil.which("c++filt")) and names:
        said = subprocess.run([tool], input="\n".join(names), capture_output=True, text=True).stdout.splitlines()
        names = said if len(said) == len(names) else names
    table = [(int(k[1]), int(k[2]), name, k[3]) for name, k in zip(names, kernels, strict=True)]
    return "\n".join(f"{r:4d} registers, {s:4d} bytes spilled{rest} {name}" for s, r, name, rest in sorted(table)[::-1])


def operations(device: str, done: set[str]) -> None:
    """The table of `benchmarks.ops`, a row at a time."""
    order = [("float32", f) for f in ops.FORMATS] + [("float16", "channels_last"), ("bfloat16", "contiguous")]
    for dtype, memory_format in order:
        for op in ops.OPERATIONS[:-1]:
            name = f"{op} {dtype} {memory_format}"
            if name in done:
                continue
            try:
                cases = op_cases.CASES[op](ops.DTYPES[dtype], ops.FORMATS[memory_format], device)
                rows = [ops.measure(case, device, 0.03, least=3) for case in cases]
            except Exception:
                emit(name=name, ok=False, note=traceback.format_exc())
                continue
            mean = ops.geometric_mean([row.ratio for row in rows])
            shares = [row.of_copy for row in rows if row.of_copy is not None]
            note = f"{mean:.2f} times the reference"
            note += f", {100 * ops.geometric_mean(shares):.0f} % of copy" if shares else ""
            emit(name=name, ok=True, note=note, rows=[asdict(row) for row in rows])


def generators_of(device: str) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """(name, generator, options of its synthesis) of full width at 1024 px, weights random."""
    size = 1024 if device == "cuda" else 64
    torch.manual_seed(0)
    two = stylegan2.Generator(512, 0, 512, size).to(device).requires_grad_(False).eval()
    yield f"StyleGAN2 {size} px float32", two, {"force_fp32": True}
    torch.manual_seed(0)
    half = stylegan2.Generator(512, 0, 512, size, synthesis_kwargs={"num_fp16_res": 4, "conv_clamp": 256})
    yield f"StyleGAN2 {size} px, half precision from 128 px", half.to(device).requires_grad_(False).eval(), {}
    torch.manual_seed(0)
    one = stylegan1.Generator(512, 512, size).to(device).requires_grad_(False).eval()
    yield f"StyleGAN1 {size} px float32", one, {}


def generators(device: str, done: set[str]) -> None:
    """Forward and backward to the styles, native and reference: values, times, memory, and a profile."""
    for name, G, options in generators_of(device):
        for tf32 in (False, True):
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
            for batch in (1, 4):
                row = f"{name}, TF32 {'on' if tf32 else 'off'}, batch {batch}"
                if row in done or (tf32 and "half" in name):
                    continue
                try:
                    emit(name=row, ok=True, **compared(G, options, batch, device, profiled=batch == 1 and not tf32))
                except Exception:
                    emit(name=row, ok=False, note=traceback.format_exc())
        if f"{name}, CUDA graph" not in done and device == "cuda":
            try:
                emit(name=f"{name}, CUDA graph", ok=True, note=graphed(G, options))
            except Exception:
                emit(name=f"{name}, CUDA graph", ok=False, note=traceback.format_exc())
        del G


def compared(G: Any, options: dict[str, Any], batch: int, device: str, profiled: bool) -> dict[str, Any]:
    """Compares both forms on the same styles."""
    rng = torch.Generator().manual_seed(1)
    ws = torch.randn(batch, G.num_ws, 512, generator=rng).to(device).requires_grad_()
    dy = torch.randn(batch, 3, G.img_resolution, G.img_resolution, generator=rng).to(device)

    def step() -> tuple[Tensor, Tensor]:
        y = G.synthesis(ws, noise_mode="const", **options)
        return y.detach(), torch.autograd.grad(y, ws, dy)[0]

    plain: Callable[[], Any] = op_cases.with_references(step)
    (y, dws), (exact, gradient) = step(), plain()
    ours, theirs = [], []
    for _ in range(5):
        ours.append(timed(step, device))
        theirs.append(timed(plain, device))
    milliseconds = [1e3 * median(times) for times in (ours, theirs)]
    peaks = [largest_allocation(call, device) / 2**20 for call in (step, plain)]
    errors = [
        float((a.double() - b.double()).abs().max() / b.double().abs().max()) for a, b in ((y, exact), (dws, gradient))
    ]
    note = (
        f"{milliseconds[0]:.1f} ms native, {milliseconds[1]:.1f} ms reference ({milliseconds[1] / milliseconds[0]:.2f}"
        f" times); peak {peaks[0]:.0f} and {peaks[1]:.0f} MiB; image differs by {errors[0]:.2g} of its largest value,"
        f" gradient by {errors[1]:.2g}"
    )
    found: dict[str, Any] = {"note": note, "milliseconds": milliseconds, "peak_mib": peaks, "errors": errors}
    if profiled and device == "cuda":
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            step()
            torch.cuda.synchronize()
        found["kernels"] = profile.key_averages().table(
            sort_by="cuda_time_total", row_limit=20, max_name_column_width=90
        )
    return found


def graphed(G: Any, options: dict[str, Any]) -> str:
    """Times the step of a search as one CUDA graph."""
    ws = torch.randn(1, G.num_ws, 512, device="cuda").requires_grad_()
    dy = torch.randn(1, 3, G.img_resolution, G.img_resolution, device="cuda")

    def step() -> Tensor:
        return torch.autograd.grad(G.synthesis(ws, noise_mode="const", **options), ws, dy)[0]

    graph, results = captured(step)
    eager = median(timed(step, "cuda") for _ in range(5))
    replayed = median(timed(graph.replay, "cuda") for _ in range(5))
    with torch.no_grad():
        ws.mul_(0.9)
    graph.replay()
    exact = step()
    error = float((results - exact).abs().max() / exact.abs().max())
    return f"{1e3 * eager:.1f} ms eager, {1e3 * replayed:.1f} ms replayed; gradient of other styles off by {error:.2g}"


def search(device: str, done: set[str]) -> None:
    """A hundred steps for faces of the generator in the box, and of a StyleGAN1 of 1024 px with random weights."""
    default = stylegan.load("default").to(device)
    cases = [("default", default, 1, "auto"), ("default", default, 1, "reference"), ("default", default, 16, "auto")]
    if device == "cuda":
        torch.manual_seed(0)
        large = stylegan1.Generator(512, 512, 1024).to(device).requires_grad_(False).eval()
        cases += [("StyleGAN1 1024 px", large, 1, "auto"), ("StyleGAN1 1024 px", large, 1, "reference")]
    for name, G, count, mode in cases:
        row = f"{name}, {count} at once, PULSE_OPS={mode}"
        if row in done:
            continue
        try:
            z = torch.randn(count, G.z_dim, generator=torch.Generator().manual_seed(2)).to(device)
            with torch.no_grad(), mock.patch.dict(os.environ, {"PULSE_OPS": mode}):
                image = G.synthesis(G.mapping(z), noise_mode="const").float()
                target = pulse.downsample((image / 2 + 0.5).clamp(0, 1), size=32).clamp(0, 1)
            with mock.patch.dict(os.environ, {"PULSE_OPS": mode}):
                pulse.search(G, target, steps=2, seed=0)
                begun = time.perf_counter()
                result = pulse.search(G, target, steps=100, seed=0)
                seconds = time.perf_counter() - begun
            losses = [float(v) for v in result.loss]
            emit(
                name=row,
                ok=True,
                note=f"{seconds:.2f} s for 100 steps, median loss {median(losses):.4f}",
                losses=losses,
            )
        except Exception:
            emit(name=row, ok=False, note=traceback.format_exc())


PHASES = {
    "environment": environment,
    "build": build_all,
    "operations": operations,
    "generators": generators,
    "search": search,
}


def main() -> int:
    """Runs one phase."""
    phase = PHASES[sys.argv.pop(1)]
    device, done = phase_arguments(__doc__)
    phase(device, done)
    return 0


if __name__ == "__main__":
    sys.exit(main())
