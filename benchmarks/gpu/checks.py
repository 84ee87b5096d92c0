"""Checks of the operations on a GPU, each printed as one line of JSON: a part of `benchmarks.gpu_report`.

The report starts it again after a check that has broken the GPU's context.

    python -m benchmarks.gpu.checks [--device cpu]
"""

import itertools
import json
import math
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import cuda_ops
import stylegan
from benchmarks.gpu.rows import emit, phase_arguments
from benchmarks.gpu.workbench import BLUR, OPERATIONS, TOLERANCE, Check, Workbench, agree, near
from cuda_ops import build
from stylegan.networks.stylegan2 import Generator

DATA = Path(__file__).parents[2] / "tests" / "data"
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
DTYPES = {
    "cuda": (torch.float64, torch.float32, torch.float16, torch.bfloat16),
    "cpu": (torch.float64, torch.float32, torch.bfloat16),
}


def agreement_checks(device: str) -> Iterator[Check]:
    """Every operation, type, format and kind of shape, to the second derivative."""
    shapes = {"odd": (2, 3, 7, 11), "vectors": (2, 16, 16, 24), "wide": (1, 264, 33, 40), "one pixel": (3, 8, 1, 1)}
    for op, dtype, (format_name, memory_format) in itertools.product(OPERATIONS, DTYPES[device], FORMATS.items()):
        for shape_name, shape in shapes.items():
            for kind in range(4 if op == "upfirdn2d" else 2):
                if op == "upfirdn2d" and kind != 1 and shape[2] < 4:
                    continue

                case = (op, shape, dtype, memory_format, kind)
                name = f"{op} {str(dtype)[6:]} {format_name} {shape_name} kind {kind}"
                yield f"agrees: {name}", partial(_agrees, device, case, second=dtype.itemsize >= 4)


def _agrees(device: str, case: tuple[Any, ...], second: bool = False, seed: int = 0) -> str:
    return agree(*Workbench(device, seed).case(*case), second)


def awkward_checks(device: str) -> Iterator[Check]:
    """Strides, offsets, many rows, empty tensors, autocast, repeatability."""
    for op in OPERATIONS:

        def viewed(change: Callable[[Tensor], Tensor], op: str = op) -> str:
            native, plain, inputs = Workbench(device).case(op, (2, 8, 16, 16), torch.float32, torch.contiguous_format)
            inputs = [change(t) for t in inputs]
            y = native(*inputs)
            return f"error {near('y', y, plain(*[t.double() for t in inputs]), 1e-5):.2g}"

        def misaligned(t: Tensor) -> Tensor:
            return torch.cat([t.flatten()[:1], t.flatten()])[1:].view(t.shape)

        def strided(t: Tensor) -> Tensor:
            return torch.stack([t, t], dim=-1)[..., 0]

        def reversed_axes(t: Tensor) -> Tensor:
            axes = list(reversed(range(t.ndim)))
            return t.permute(axes).contiguous().permute(axes)

        for change in (misaligned, strided, reversed_axes):
            yield f"takes {change.__name__} tensors: {op}", partial(viewed, change)
        for shape in ((70000, 1, 4, 4), (1, 70000, 4, 4), (3, 1, 1, 5000), (1, 1, 70000, 3)):
            if op == "modulated_conv2d":
                continue
            for format_name, memory_format in FORMATS.items():
                case = (op, shape, torch.float32, memory_format, 1)
                yield f"takes many rows {shape} {format_name}: {op}", partial(_agrees, device, case)

        def same_bits(op: str = op) -> str:
            native, _, inputs = Workbench(device).case(op, (2, 48, 65, 33), torch.float32, torch.channels_last)
            tensors = [t.requires_grad_() for t in inputs]
            runs = []
            for _ in range(3):
                y = native(*tensors)
                runs.append([y, *torch.autograd.grad(y.square().sum(), tensors)])
            for other in runs[1:]:
                for i, (a, b) in enumerate(zip(runs[0], other, strict=True)):
                    if not torch.equal(a, b):
                        raise AssertionError(f"result {i} differs between two runs by {float((a - b).abs().max()):.3g}")
            return "three runs give the same bits"

        yield f"repeats itself: {op}", same_bits

        def autocast(op: str = op) -> str:
            native, plain, inputs = Workbench(device).case(op, (2, 8, 16, 16), torch.float32, torch.channels_last)
            with torch.autocast(device):
                y = native(*inputs)
            error = near("y", y, plain(*[t.double() for t in inputs]), TOLERANCE[torch.bfloat16])
            return f"{y.dtype}, error {error:.2g}"

        yield f"runs under autocast: {op}", autocast
    for op, shape in itertools.product(("bias_act", "adain", "upfirdn2d"), ((0, 3, 8, 8), (2, 0, 8, 8))):

        def nothing(op: str = op, shape: Any = shape) -> str:
            native, _, inputs = Workbench(device).case(op, shape, torch.float32, torch.contiguous_format)
            tensors = [t.requires_grad_() for t in inputs]
            y = native(*tensors)
            gradients = torch.autograd.grad(y.sum(), tensors, allow_unused=True)
            assert all(g is None or g.shape == t.shape for g, t in zip(gradients, tensors, strict=True))
            return f"result {tuple(y.shape)}"

        yield f"takes empty tensors {shape}: {op}", nothing


def pytorch_checks(device: str) -> Iterator[Check]:
    """Derivatives by differences, registration, torch.compile."""
    for op in OPERATIONS:

        def differences(op: str = op) -> str:
            native, _, inputs = Workbench(device).case(op, (2, 3, 5, 4), torch.float64, torch.contiguous_format, 3)
            tensors = [t.requires_grad_() for t in inputs]
            # cuDNN adds up a convolution's gradients in any order.
            assert torch.autograd.gradcheck(native, tensors, nondet_tol=1e-12)
            assert torch.autograd.gradgradcheck(native, tensors, nondet_tol=1e-12)
            return "first and second derivative"

        yield f"gradcheck: {op}", differences

        def compiled(backend: str, op: str = op) -> str:
            native, plain, inputs = Workbench(device).case(op, (2, 16, 16, 16), torch.float32, torch.channels_last)
            tensors = [t.requires_grad_() for t in inputs]
            torch._dynamo.reset()
            y = torch.compile(native, fullgraph=True, backend=backend)(*tensors)
            gradients = torch.autograd.grad(y.square().sum(), tensors)
            doubles = [t.detach().double().requires_grad_() for t in tensors]
            exact = plain(*doubles)
            wanted = torch.autograd.grad(exact.square().sum(), doubles)
            pairs = zip((y, *gradients), (exact, *wanted), strict=True)
            return f"error {max(near('result', a, b, 1e-4, least=16) for a, b in pairs):.2g}"

        yield f"torch.compile, aot_eager: {op}", partial(compiled, "aot_eager")

    def registered(op: str) -> str:
        bench, ops = Workbench(device), torch.ops.cuda_ops
        x = bench.normal(2, 4, 8, 8).requires_grad_()
        rest = [bench.normal(*s).requires_grad_() for s in ((4,), (1, 1, 8, 8), (), (2, 4))]
        if op == "bias_act":
            torch.library.opcheck(ops.bias_act.default, (x, *rest, 1, "lrelu", 0.2, 1.4, 3.0))
        elif op == "upfirdn2d":
            f = torch.tensor(BLUR, device=device)
            torch.library.opcheck(ops.upfirdn2d.default, (x, f, [2, 2], [1, 1], [2, 1, 2, 1], False, 4.0))
        elif op == "adain":
            styles = bench.normal(2, 8).requires_grad_()
            weight = bench.normal(4).requires_grad_()
            torch.library.opcheck(ops.adain.default, (x, rest[0], rest[1], weight, styles, 0.2, 1e-5))
        else:
            b = cuda_ops.bands(torch.eye(8, device=device)[::2].contiguous())
            t = bench.normal(2, 4, 4, 4)
            torch.library.opcheck(ops.downsample_l2.default, (x, t, *b[:2], *b[:2], *b[2:], *b[2:]))
        return "torch.library.opcheck passes"

    for op in ("bias_act", "upfirdn2d", "adain", "downsample_l2"):
        yield f"opcheck: {op}", partial(registered, op)

    def inductor() -> str:
        torch.manual_seed(0)
        G = Generator(32, 0, 32, 32, synthesis_kwargs={"channel_base": 512, "channel_max": 32}).to(device).eval()
        ws = torch.randn(2, G.num_ws, 32, device=device)
        torch._dynamo.reset()
        with torch.no_grad():
            y, exact = torch.compile(G.synthesis, fullgraph=True)(ws, force_fp32=True), G.synthesis(ws, force_fp32=True)
        return f"error {near('image', y, exact, 1e-4):.2g}"

    yield "torch.compile, inductor: a small generator", inductor


def golden_checks(device: str) -> Iterator[Check]:
    """The operations' goldens and the generators', on this device."""

    def bias_act(case: dict[str, Any], data: Any) -> str:
        key = f"{case['case']:03d}"
        t = {k: torch.from_numpy(data[f"{key}_{k}"]) for k in ("x", "b", "gy", "ggx", "y", "gx", "gb", "ggy", "g2x")}
        options = {k: v for k, v in case.items() if k != "case"}
        x, b, gy = (t[k].to(device).requires_grad_() for k in ("x", "b", "gy"))
        y = cuda_ops.bias_act(x, b, **options)
        gx, gb = torch.autograd.grad(y, (x, b), gy, create_graph=True)
        ggy, g2x = torch.autograd.grad((gx * t["ggx"].to(device)).sum(), (gy, x), allow_unused=True)
        g2x = torch.zeros_like(x) if g2x is None else g2x
        ours = {"y": y, "gx": gx, "gb": gb, "ggy": ggy, "g2x": g2x}
        return f"error {max(near(k, v.detach().cpu(), t[k], 1e-5) for k, v in ours.items()):.2g}"

    def upfirdn2d(case: dict[str, Any], data: Any) -> str:
        key = f"{case['case']:03d}"
        f = torch.from_numpy(data[f"{key}_f"]).to(device) if case["filter"] else None
        names = ("up", "down", "padding", "flip_filter", "gain")
        options = {k: case[k] for k in names if k in case}
        y = cuda_ops.upfirdn2d(torch.from_numpy(data[f"{key}_x"]).to(device), f, **options)
        return f"error {near('y', y.cpu(), torch.from_numpy(data[f'{key}_y']), 1e-5):.2g}"

    for name, check in (("bias_act", bias_act), ("upfirdn2d", upfirdn2d)):
        data = np.load(DATA / f"{name}.npz")
        for case in json.loads(str(data["meta"])):
            yield f"golden: {name} {case['case']}", partial(check, case, data)

    def generator(path: Path, golden: str, image: str, noise_mode: str) -> str:
        data = np.load(DATA / f"{golden}.npz")
        G = stylegan.load(path).to(device)
        ws = torch.from_numpy(data["ws"]).to(device).requires_grad_()
        options: dict[str, Any] = {"noise_mode": noise_mode}
        if "noise0" in data:
            options = {"noise": [torch.from_numpy(data[f"noise{i}"]).to(device) for i in range(12)]}
        elif "nvidia" in golden:
            options["force_fp32"] = True
        y = G.synthesis(ws, **options)
        (gradient,) = torch.autograd.grad(y.square().mean(), ws)
        error = [_relative(y, data[image])]
        if "ws_grad_of_mean_square" in data:
            error.append(_relative(gradient, data["ws_grad_of_mean_square"]))
        if not max(error) < 1e-4:
            raise AssertionError(f"image and gradient are off by {error}, allowed are 1e-4")
        return f"errors {', '.join(f'{e:.2g}' for e in error)}"

    for path, golden, image in (
        ("nvidia_ada_64.pkl", "nvidia_ada_64", "image_const_noise"),
        ("nvidia_sg3repo_64.pkl", "nvidia_sg3repo_64", "image_const_noise"),
        ("stylegan2_tf_64.pkl", "stylegan2_tf_64", "image_const_noise"),
        ("rosinality_64.pt", "rosinality_stylegan2", "image"),
    ):
        yield f"golden: {golden}", partial(generator, DATA / path, golden, image, "const")

    def pulse_files() -> str:
        with tempfile.TemporaryDirectory() as folder:
            for part in ("synthesis_128", "mapping", "gaussian_fit"):
                name = part.removesuffix("_128")
                Path(folder, f"{name}.pt").write_bytes((DATA / f"pulse_{part}.pt").read_bytes())
            return generator(Path(folder), "pulse_stylegan1", "image", "const")

    yield "golden: pulse_stylegan1", pulse_files


def _relative(ours: Tensor, golden: Any) -> float:
    exact = torch.from_numpy(golden)
    return float((ours.detach().cpu() - exact).abs().max() / exact.abs().max())


def fuzz_checks(device: str) -> Iterator[Check]:
    """Random shapes, types, formats and options."""
    draw = random.Random(0)
    for number in range(150):
        op = draw.choice(OPERATIONS)
        shape = tuple(int(math.exp(draw.uniform(0, math.log(most)))) for most in (6, 80, 90, 90))
        if op in ("upfirdn2d", "modulated_conv2d"):
            shape = (*shape[:2], shape[2] + 4, shape[3] + 4)
        dtype, (format_name, memory_format) = draw.choice(DTYPES[device]), draw.choice(list(FORMATS.items()))
        kind = draw.randrange(36)
        name = f"fuzz {number}: {op} {shape} {str(dtype)[6:]} {format_name} kind {kind}"
        yield name, partial(_agrees, device, (op, shape, dtype, memory_format, kind), seed=number)


def all_checks(device: str) -> Iterator[Check]:
    """All checks; those that find most faults come first, because a report may run out of time."""
    yield from golden_checks(device)
    yield from agreement_checks(device)
    yield from awkward_checks(device)
    yield from pytorch_checks(device)
    if device == "cuda":
        from benchmarks.gpu.only import gpu_checks

        yield from gpu_checks()
    yield from fuzz_checks(device)


def run_checks(checks: Iterator[Check], device: str, done: set[str]) -> int:
    """Prints a line for each check not in `done`; returns 3 if the GPU's context is broken, else 0."""
    for name, check in checks:
        if name in done:
            continue
        begun = time.perf_counter()
        try:
            note, ok = check(), True
        except Exception:
            note, ok = traceback.format_exc(), False
        try:
            if device == "cuda":
                torch.cuda.synchronize()
        except RuntimeError as error:
            emit(name=name, ok=False, note=f"{note}\nAfter it the GPU's context is broken: {error}")
            return 3
        emit(name=name, ok=ok, note=note, seconds=round(time.perf_counter() - begun, 3))
    return 0


def main() -> int:
    """Runs all checks on a device."""
    device, done = phase_arguments(__doc__)
    # TF32 would round the references' convolutions to fewer digits than float32 has.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    why = build.load(device)
    if why is not None:
        emit(name="load the operations", ok=False, note=why)
        return 1
    return run_checks(all_checks(device), device, done)


if __name__ == "__main__":
    sys.exit(main())
