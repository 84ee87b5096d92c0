"""The CUDA operations, on a GPU where there is one and everywhere on the CPU.

The kernels are plain enough to be compiled as C++ against the headers in `cuda_on_cpu`, which run a kernel's blocks and
threads one after another. So the same kernels and the same torch side are held against the references where there is no
GPU: that finds a wrong index, a missing barrier, a misaligned load. What it cannot find is a race that happens to come
out right, and how fast they are.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cuda_ops import reference
from cuda_ops.padding import padding_sides, pair

HERE = Path(__file__).parent
CSRC = Path(reference.__file__).parent / "csrc"
KERNELS = sorted((CSRC / "cuda").glob("*.cu"))
TORCH = Path(torch.__file__).parent
UPFIRDN2D = np.load(HERE.parent / "data" / "upfirdn2d.npz")
BIAS_ACT = np.load(HERE.parent / "data" / "bias_act.npz")

FORMATS = [torch.contiguous_format, torch.channels_last]
# Largest error over largest value, by the type of x; the parameters are float32 except for float64.
TOLERANCE = {torch.float64: 1e-11, torch.float32: 5e-6, torch.float16: 4e-3, torch.bfloat16: 3e-2}


def _run(*command: object, **options: object) -> None:
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)  # type: ignore[call-overload]
    assert result.returncode == 0, result.stdout + result.stderr


def _schemas() -> list[str]:
    """Every schema of `cuda_ops` in the sources."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(CSRC.glob("*/*.cpp")))
    definitions = re.findall(r'm\.def\(\s*((?:"[^"]*"\s*)+)', text)
    return ["".join(re.findall(r'"([^"]*)"', definition)) for definition in definitions]


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("there is no g++ to compile the kernels for the CPU with")
    folder = tmp_path_factory.mktemp("cuda_on_cpu")
    common = ["-std=c++17", "-O1", "-fPIC", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"]
    common += [f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}"]
    common += [
        "-I",
        str(HERE / "cuda_on_cpu"),
        "-I",
        str(CSRC / "cuda"),
        "-isystem",
        str(TORCH / "include"),
        "-x",
        "c++",
    ]
    sources = [HERE / "cuda_on_cpu" / "operations.cpp", *KERNELS]
    objects = [folder / f"{source.stem}.o" for source in sources]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda s, o: _run(compiler, *common, "-c", s, "-o", o), sources, objects))
    library = folder / "cuda_on_cpu.so"
    _run(compiler, "-shared", "-o", library, *objects, "-L", TORCH / "lib", "-ltorch", "-ltorch_cpu", "-lc10")
    definitions = torch.library.Library("cuda_on_cpu", "DEF")
    for schema in _schemas():
        definitions.define(schema)
    torch.ops.load_library(library)
    yield torch.ops.cuda_on_cpu
    definitions._destroy()


@pytest.fixture(params=["emulated", "gpu"])
def operations(request: pytest.FixtureRequest) -> tuple[object, str]:
    """The operations and the device of their tensors."""
    if request.param == "emulated":
        return request.getfixturevalue("emulated"), "cpu"
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU that torch can use")
    build = pytest.importorskip("cuda_ops.build")
    build.native(torch.zeros(1, device="cuda"))
    return torch.ops.cuda_ops, "cuda"


def _normal(*shape: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def _assert_near(ours: Tensor, exact: Tensor, tolerance: float, least: float = 0.0) -> None:
    """`least` is what the error is compared with where the largest value is smaller: sums may cancel."""
    assert ours.shape == exact.shape
    if exact.numel() > 0:
        largest = exact.detach().abs().max().clamp_min(least)
        assert (ours.cpu().double() - exact.detach()).abs().max() <= tolerance * largest


def _on(device: str, *tensors: Tensor | None) -> list[Tensor | None]:
    return [None if t is None else t.to(device) for t in tensors]


def _exact(function: Callable[..., Tensor], inputs: list[Tensor | None], dy: Tensor) -> tuple[Tensor, list]:
    """The value of `function` in float64, and the gradients of those inputs that are there."""
    doubles = [None if t is None else t.double().requires_grad_() for t in inputs]
    y = function(*doubles)
    wanted = [t for t in doubles if t is not None]
    gradients = iter(torch.autograd.grad(y, wanted, dy.double()))
    return y, [None if t is None else next(gradients) for t in doubles]


def _filtered(
    op: object, x: Tensor, f: Tensor, up: tuple, down: tuple, padding: tuple, flip: bool, gain: float
) -> Tensor:
    return op.upfirdn2d(x, f, list(up), list(down), list(padding), flip, gain)  # type: ignore[attr-defined]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("channels", [3, 8])
@pytest.mark.parametrize(("up", "down"), [((1, 1), (1, 1)), ((2, 2), (1, 1)), ((1, 1), (2, 2)), ((3, 1), (2, 3))])
def test_upfirdn2d(
    operations: tuple, dtype: torch.dtype, memory_format: torch.memory_format, channels: int, up: tuple, down: tuple
) -> None:
    op, device = operations
    x = _normal(2, channels, 7, 11, seed=0, dtype=dtype).contiguous(memory_format=memory_format)
    # Up to 4 x 4 taps there is a kernel for StyleGAN's factors; longer and separable filters go another way.
    for shape in [(4, 4), (3, 4), (1, 2), (6, 5), (5,)]:
        f = _normal(*shape, seed=1, dtype=torch.float64 if dtype == torch.float64 else torch.float32)
        for padding, flip in [
            ((4, 4, 4, 4), False),
            ((0, 7, 5, 3), True),
            ((-1, 7, 8, -3), False),
            ((3, 1, -2, 9), True),
        ]:
            y = _filtered(op, x.to(device), f.to(device), up, down, padding, flip, 1.7)
            exact = reference.upfirdn2d(x.double(), f.double(), up, down, padding, flip, 1.7)
            _assert_near(y, exact, TOLERANCE[dtype])
            assert y.dtype == dtype
            assert y.is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("case", json.loads(str(UPFIRDN2D["meta"])), ids=lambda case: str(case["case"]))
def test_upfirdn2d_agrees_with_the_goldens(operations: tuple, case: dict) -> None:
    op, device = operations
    key = f"{case['case']:03d}"
    x = torch.from_numpy(UPFIRDN2D[f"{key}_x"])
    f = torch.from_numpy(UPFIRDN2D[f"{key}_f"]) if case["filter"] else torch.ones(1, 1)
    y = _filtered(
        op,
        x.to(device),
        f.to(device),
        pair(case.get("up", 1)),
        pair(case.get("down", 1)),
        padding_sides(case.get("padding", 0)),
        case.get("flip_filter", False),
        case.get("gain", 1.0),
    )
    _assert_near(y, torch.from_numpy(UPFIRDN2D[f"{key}_y"]).double(), 1e-5)


@pytest.mark.parametrize("shape", [(0, 3, 8, 8), (2, 0, 8, 8)])
def test_upfirdn2d_of_nothing_is_nothing(operations: tuple, shape: tuple) -> None:
    op, device = operations
    x, f = torch.zeros(shape, device=device), torch.ones(4, 4, device=device)
    assert _filtered(op, x, f, (1, 1), (1, 1), (2, 1, 2, 1), False, 1.0).shape == shape


@pytest.mark.parametrize("act", reference._ACTIVATIONS)
@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_bias_act_and_its_gradients(
    operations: tuple, act: str, memory_format: torch.memory_format, dtype: torch.dtype
) -> None:
    op, device = operations
    parameters = torch.float64 if dtype == torch.float64 else torch.float32
    alpha = reference._ACTIVATIONS[act][1]
    # Channels and pixels that 16-byte accesses divide, and some that they do not; several blocks for one channel.
    for channels, height, width, noises, clamp in [(8, 4, 6, 2, None), (3, 5, 5, 1, 1.0), (8, 36, 48, 0, 0.8)]:
        dy, x = (
            _normal(2, channels, height, width, seed=seed, dtype=dtype).contiguous(memory_format=memory_format)
            for seed in (2, 3)
        )
        b, scale = _normal(channels, seed=4, dtype=parameters), _normal(2, channels, seed=5, dtype=parameters)
        noise = _normal(noises, 1, height, width, seed=6, dtype=parameters) if noises else None
        strength = _normal(1, seed=7, dtype=parameters).reshape(()) if noises else None

        def layer(
            x: Tensor,
            b: Tensor,
            noise: Tensor | None,
            strength: Tensor | None,
            scale: Tensor,
            clamp: float | None = clamp,
        ) -> Tensor:
            return reference.bias_act(
                x * scale[:, :, None, None],
                b,
                act=act,
                gain=1.5,
                clamp=clamp,
                noise=noise,
                strength=1.0 if strength is None else strength,
            )

        inputs = [x, b, noise, strength, scale]
        y, gradients = _exact(layer, inputs, dy)
        arguments = [*_on(device, *inputs), 1, act, alpha, 1.5, clamp]
        ours = op.bias_act(*arguments)
        _assert_near(ours, y, TOLERANCE[dtype])
        assert ours.dtype == dtype
        assert ours.is_contiguous(memory_format=memory_format)
        results = op.bias_act_backward(dy.to(device), *arguments, True, True)
        for result, gradient in zip(results, gradients, strict=True):
            if gradient is not None:
                _assert_near(result, gradient, 4 * TOLERANCE[dtype], least=1)
        alone = op.bias_act_backward(dy.to(device), *arguments, False, False)
        assert torch.equal(alone[0], results[0])
        assert all(t.numel() == 0 for t in alone[1:])


@pytest.mark.parametrize("case", json.loads(str(BIAS_ACT["meta"])), ids=lambda case: f"{case['case']}-{case['act']}")
def test_bias_act_agrees_with_the_goldens(operations: tuple, case: dict) -> None:
    op, device = operations
    x, b, dy, y, gx, gb = (
        torch.from_numpy(BIAS_ACT[f"{case['case']:03d}_{k}"]) for k in ("x", "b", "gy", "y", "gx", "gb")
    )
    _, alpha, gain = reference._ACTIVATIONS[case["act"]]
    options = {"alpha": alpha, "gain": gain, "clamp": None, "dim": 1}
    options.update({k: v for k, v in case.items() if v is not None})
    rest = [None, None, None, options["dim"], case["act"], options["alpha"], options["gain"], options["clamp"]]
    _assert_near(op.bias_act(x.to(device), b.to(device), *rest), y.double(), 1e-5)
    dx, db = op.bias_act_backward(dy.to(device), x.to(device), b.to(device), *rest, True, False)[:2]
    _assert_near(dx, gx.double(), 1e-5)
    _assert_near(db, gb.double(), 1e-5)


@pytest.mark.parametrize(("shape", "dim"), [((5, 8), 1), ((5, 8), 0), ((3, 4, 5), -1), ((3, 4, 5), 1), ((0, 4), 1)])
def test_bias_act_takes_the_bias_along_any_axis(operations: tuple, shape: tuple, dim: int) -> None:
    op, device = operations
    x, b = _normal(*shape, seed=8), _normal(shape[dim], seed=9)
    rest = [None, None, None, dim, "swish", 0.0, 1.0, None]
    _assert_near(op.bias_act(x.to(device), b.to(device), *rest), reference.bias_act(x, b, dim, "swish", gain=1), 1e-6)


@pytest.mark.parametrize("act", reference._ACTIVATIONS)
def test_bias_act_lets_nan_and_infinity_through_as_the_reference_does(operations: tuple, act: str) -> None:
    op, device = operations
    x = torch.tensor([torch.nan, torch.inf, -torch.inf])
    alpha = reference._ACTIVATIONS[act][1]
    ours = op.bias_act(x.to(device), None, None, None, None, 0, act, alpha, 1.0, 5.0)
    exact = reference.bias_act(x, act=act, gain=1, clamp=5)
    assert torch.allclose(ours.cpu(), exact, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize(
    ("channels", "height", "width", "noises"), [(3, 6, 5, 1), (8, 4, 4, 2), (8, 36, 48, 0), (300, 3, 4, 2)]
)
def test_adain_and_its_gradients(
    operations: tuple,
    dtype: torch.dtype,
    memory_format: torch.memory_format,
    channels: int,
    height: int,
    width: int,
    noises: int,
) -> None:
    op, device = operations
    parameters = torch.float64 if dtype == torch.float64 else torch.float32
    dy, x = (
        _normal(2, channels, height, width, seed=seed, dtype=dtype).contiguous(memory_format=memory_format)
        for seed in (10, 11)
    )
    bias, weight = _normal(channels, seed=12, dtype=parameters), _normal(channels, seed=13, dtype=parameters)
    styles = _normal(2, 2 * channels, seed=14, dtype=parameters)
    noise = _normal(noises, 1, height, width, seed=15, dtype=parameters) if noises else None
    inputs = [x, bias, noise, weight if noises else None, styles]
    y, (gx, gbias, gnoise, gweight, gstyles) = _exact(reference.adain, inputs, dy)
    there = _on(device, *inputs)
    ours, mean, rstd = op.adain(*there, 0.2, 1e-5)
    _assert_near(ours, y, TOLERANCE[dtype])
    assert ours.dtype == dtype
    assert ours.is_contiguous(memory_format=memory_format)
    dx, dbias, dnoise, dweight, dstyles = op.adain_backward(dy.to(device), *there, mean, rstd, 0.2, True)
    _assert_near(dx, gx, 4 * TOLERANCE[dtype])
    _assert_near(dbias, gbias, 4 * TOLERANCE[dtype], least=1)
    _assert_near(dstyles, gstyles, 4 * TOLERANCE[dtype])
    if noises:
        _assert_near(dnoise, gnoise, 4 * TOLERANCE[dtype])
        _assert_near(dweight, gweight, 4 * TOLERANCE[dtype], least=1)


def test_adain_keeps_its_digits_far_from_zero(operations: tuple) -> None:
    op, device = operations
    x = _normal(1, 2, 64, 64, seed=16) + 1000
    ours = op.adain(x.to(device), None, None, None, torch.zeros(1, 4, device=device), 0.2, 1e-5)[0]
    _assert_near(ours, reference.adain(x.double(), None, None, None, torch.zeros(1, 4).double()), 1e-4)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("axis", [2, 3])
def test_banded_is_a_product_with_the_matrix(
    operations: tuple, dtype: torch.dtype, memory_format: torch.memory_format, axis: int
) -> None:
    op, device = operations
    x = _normal(2, 3, 9, 12, seed=17, dtype=dtype).contiguous(memory_format=memory_format)
    length, taps = x.shape[axis], 5
    weights = _normal(4, taps, seed=18, dtype=torch.float64 if dtype == torch.float64 else torch.float32)
    first = torch.tensor([-2, 1, 3, length - 3])  # the first and the last band reach over the edge
    matrix = torch.zeros(4, length, dtype=torch.float64)
    for o in range(4):
        for t in range(taps):
            if 0 <= first[o] + t < length:
                matrix[o, first[o] + t] = weights[o, t]
    exact = torch.movedim(torch.movedim(x.double(), axis, -1) @ matrix.T, -1, axis)
    accumulator = torch.float64 if dtype == torch.float64 else torch.float32
    for wanted in {dtype, accumulator}:
        y = op.banded(x.to(device), weights.to(device), first.to(device), axis, wanted)
        _assert_near(y, exact, TOLERANCE[wanted])
        assert y.dtype == wanted
        assert y.is_contiguous(memory_format=memory_format)


def test_the_kernels_compile_without_a_warning(tmp_path: Path) -> None:
    if shutil.which("nvcc") is None:
        pytest.skip("there is no nvcc to compile the kernels with")
    # Warnings do not depend on how hard the code is optimised, and the time does.
    architectures = [f"-gencode=arch=compute_{n},code=sm_{n}" for n in (80, 90)]
    strict = [
        "-std=c++17",
        "-Xcompiler",
        "-Wall,-Wextra",
        "--Werror",
        "all-warnings",
        "-Xcicc",
        "-O0",
        "-Xptxas",
        "-O0",
    ]
    _run("nvcc", *strict, *architectures, "--threads", 2, "-fatbin", "--output-directory", tmp_path, *KERNELS)
    assert {path.stem for path in tmp_path.iterdir()} >= {path.stem for path in KERNELS}


def test_the_torch_side_compiles_against_the_headers_of_cuda(tmp_path: Path) -> None:
    if shutil.which("nvcc") is None:
        pytest.skip("there is no nvcc, which brings the headers")
    # A torch without CUDA lacks this generated header alone.
    macros = tmp_path / "c10" / "cuda" / "impl" / "cuda_cmake_macros.h"
    macros.parent.mkdir(parents=True)
    macros.touch()
    every = tmp_path / "every.cpp"
    every.write_text("".join(f'#include "{path.name}"\n' for path in sorted((CSRC / "cuda").glob("*.cpp"))))
    include = ["-I", CSRC / "cuda", "-isystem", TORCH / "include", "-isystem", tmp_path]
    strict = ["-std=c++17", "-Xcompiler", "-Wall,-Wextra,-Werror,-fsyntax-only"]
    _run("nvcc", *strict, *include, "-c", every, "-o", tmp_path / "every.o")
