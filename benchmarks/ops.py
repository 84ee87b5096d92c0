"""Time of the fused operations, forward and backward, beside their references, side by side in one process.

    python -m benchmarks.ops
    python -m benchmarks.ops --op downsample_l2 --dtype float32 --json

GB/s counts each full-size tensor once for every time that it has to be read or written; "of copy" is that over what
`y.copy_(x)` reaches on a tensor of the same size in the same minute, "of clone" over `x.clone()`, whose result is fresh
memory, as that of the operations is. All times are medians of interleaved repeats.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional as F

import cuda_ops
from benchmarks.environment import describe
from benchmarks.timing import largest_allocation, timed, wall_time
from cuda_ops import build, reference
from pulse.operators import Downsampler
from stylegan.networks.stylegan2 import Generator, channels_at

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
FORMATS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
OPERATIONS = ("bias_act", "upfirdn2d", "modulated_conv2d", "adain", "downsample_l2", "generator")


@dataclass(frozen=True)
class Case:
    """One row of the table: the same work by two functions, each a forward and a backward."""

    op: str
    what: str
    dtype: str
    native: Callable[[], object]
    plain: Callable[[], object]
    moved: int = 0
    memory: bool = False


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


def differentiated(function: Callable[..., Tensor], inputs: list[Tensor], **options: Any) -> Callable[[], object]:
    """A call that runs `function` forward and backward, to all inputs that require a gradient."""
    wanted = [t for t in inputs if t is not None and t.requires_grad]
    with torch.no_grad():
        dy = torch.randn_like(function(*inputs, **options))
    return lambda: torch.autograd.grad(function(*inputs, **options), wanted, dy)


def bias_act_cases(dtype: torch.dtype, memory_format: torch.memory_format, device: str) -> Iterator[Case]:
    """The end of every resolution's layer: noise, bias and leaky ReLU."""
    for batch, resolution, channels in sizes():
        shape = (batch, channels, resolution, resolution)
        x = image(shape, dtype, memory_format, device)
        others = [parameter(t, device) for t in ((channels,), (batch, channels), ())]
        noise = torch.randn(1, 1, resolution, resolution, device=device)

        def run(f: Callable[..., Tensor], x: Tensor = x, others: Any = others, noise: Tensor = noise) -> Any:
            call = lambda x, b, scale, s: f(x, b, act="lrelu", noise=noise, strength=s, scale=scale)  # noqa: E731
            return differentiated(call, [x, *others])

        yield case("bias_act", shape, dtype, run(cuda_ops.bias_act), run(reference.bias_act), 5 * size_of(x))


def upfirdn2d_cases(dtype: torch.dtype, memory_format: torch.memory_format, device: str) -> Iterator[Case]:
    """What follows a transposed convolution, the doubling of the image, and the halving in a discriminator."""
    f = reference.setup_filter([1, 3, 3, 1]).to(device)
    for batch, resolution, channels in sizes():
        if resolution == 4:
            continue
        kinds: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
            "after conv": ((batch, channels, resolution + 1, resolution + 1), {"padding": 1, "gain": 4.0}),
            "image up": ((batch, 3, resolution // 2, resolution // 2), {"up": 2, "padding": (2, 1, 2, 1), "gain": 4.0}),
            "down": ((batch, channels, resolution, resolution), {"down": 2, "padding": 1}),
        }
        for name, (shape, options) in kinds.items():
            x = image(shape, dtype, memory_format, device)
            native = differentiated(cuda_ops.upfirdn2d, [x, f], **options)
            plain = differentiated(reference.upfirdn2d, [x, f], **options)
            with torch.no_grad():
                moved = 2 * (size_of(x) + size_of(reference.upfirdn2d(x[:1], f, **options)) * batch)
            yield case("upfirdn2d", shape, dtype, native, plain, moved, name)


def modulated_conv2d_cases(dtype: torch.dtype, memory_format: torch.memory_format, device: str) -> Iterator[Case]:
    """The second convolution of each resolution, to its input and its styles, as a search differentiates it."""
    for batch, resolution, channels in sizes():
        shape = (batch, channels, resolution, resolution)
        x = image(shape, dtype, memory_format, device)
        styles = parameter((batch, channels), device)
        weight = torch.randn(channels, channels, 3, 3, device=device)
        native = differentiated(lambda x, s, w=weight: cuda_ops.modulated_conv2d(x, w, s), [x, styles])
        plain = differentiated(lambda x, s, w=weight: reference.modulated_conv2d(x, w, s), [x, styles])
        yield case("modulated_conv2d", shape, dtype, native, plain, 0)


def adain_cases(dtype: torch.dtype, memory_format: torch.memory_format, device: str) -> Iterator[Case]:
    """The end of every layer of a StyleGAN1."""
    for batch, resolution, _ in sizes():
        channels = channels_at(resolution, 16384, 512)
        shape = (batch, channels, resolution, resolution)
        x = image(shape, dtype, memory_format, device)
        bias, weight, styles = (parameter(t, device) for t in ((channels,), (channels,), (batch, 2 * channels)))
        noise = torch.randn(1, 1, resolution, resolution, device=device)

        def run(
            f: Callable[..., Tensor], x: Tensor = x, noise: Tensor = noise, rest: Any = (bias, weight, styles)
        ) -> Any:
            return differentiated(lambda x, b, w, s: f(x, b, noise, w, s), [x, *rest])

        # x is read twice, and again with dy: statistics first, then the result.
        yield case("adain", shape, dtype, run(cuda_ops.adain), run(reference.adain), 8 * size_of(x))


def downsample_l2_cases(dtype: torch.dtype, memory_format: torch.memory_format, device: str) -> Iterator[Case]:
    """Images of 1024 and 256 px against targets of 16, 32 and 64 px."""
    for batch in (1, 4):
        for resolution, small in ((1024, 16), (1024, 32), (1024, 64), (256, 16), (256, 32)):
            shape = (batch, 3, resolution, resolution)
            x = image(shape, dtype, memory_format, device)
            target = torch.rand(batch, 3, small, small, device=device)
            rows, columns = (
                cuda_ops.bands(m.float().to(device)) for m in Downsampler((resolution,) * 2, (small,) * 2).matrices
            )
            native = differentiated(lambda x, t=target, b=(rows, columns): cuda_ops.downsample_l2(x, t, *b)[0], [x])
            plain = differentiated(lambda x, t=target, b=(rows, columns): reference.downsample_l2(x, t, *b)[0], [x])
            yield case("downsample_l2", shape, dtype, native, plain, 2 * size_of(x), f"to {small} px", memory=True)


def generator_cases(dtype: torch.dtype, memory_format: torch.memory_format, device: str) -> Iterator[Case]:
    """A StyleGAN2 of 256 px, channel base 16384, forward and backward to its styles."""
    if dtype != torch.float32:
        return
    torch.manual_seed(0)
    generator = Generator(512, 0, 512, 256, synthesis_kwargs={"channel_base": 16384}).to(device).requires_grad_(False)
    for batch in (1, 4):
        ws = torch.randn(batch, generator.num_ws, 512, device=device, requires_grad=True)
        native = differentiated(generator.synthesis, [ws])
        shape = (batch, 3, 256, 256)
        yield case("generator", shape, dtype, native, with_references(differentiated(generator.synthesis, [ws])))
        if batch == 4:
            grouped = per_sample_grouped(differentiated(generator.synthesis, [ws]))
            yield case("generator", shape, dtype, native, grouped, what="beside grouped convolutions")


def with_references(call: Callable[[], object]) -> Callable[[], object]:
    """The call with every operation replaced by its reference."""

    def run() -> object:
        with mock.patch.dict(os.environ, {"PULSE_OPS": "reference"}):
            return call()

    return run


def per_sample_grouped(call: Callable[[], object]) -> Callable[[], object]:
    """The references, and each image's own weights in one grouped convolution (Karras et al. 2020, appendix B)."""

    def conv(
        x: Tensor,
        weight: Tensor,
        styles: Tensor,
        up: int = 1,
        resample_filter: Tensor | None = None,
        demodulate: bool = True,
    ) -> Tensor:
        n, (o, i, k, _) = len(x), weight.shape
        w = weight[None] * styles[:, None, :, None, None]
        if demodulate:
            w = w * (w.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
        x = x.reshape(1, n * i, *x.shape[2:])
        if up == 1:
            return F.conv2d(x, w.reshape(n * o, i, k, k), padding=k // 2, groups=n).reshape(n, o, *x.shape[2:])
        x = F.conv_transpose2d(x, w.transpose(1, 2).reshape(n * i, o, k, k), stride=2, groups=n)
        return reference.upfirdn2d(x.reshape(n, o, *x.shape[2:]), resample_filter, padding=1, gain=4)

    def conv_and_scale(x: Tensor, weight: Tensor, styles: Tensor, **options: Any) -> tuple[Tensor, None]:
        return conv(x, weight, styles, **options), None

    def run() -> object:
        with (
            mock.patch("stylegan.networks.layers.modulated_conv2d", conv),
            mock.patch("stylegan.networks.layers.modulated_conv2d_and_scale", conv_and_scale),
        ):
            return with_references(call)()

    return run


def sizes() -> Iterator[tuple[int, int, int]]:
    """(batch, resolution, feature maps) of a 1024 px StyleGAN2."""
    for batch in (1, 4):
        for exponent in range(2, 11):
            yield batch, 2**exponent, channels_at(2**exponent, 32768, 512)


def image(shape: tuple[int, ...], dtype: torch.dtype, memory_format: torch.memory_format, device: str) -> Tensor:
    """Random numbers in a memory format, with a gradient."""
    return torch.randn(shape, device=device, dtype=dtype).contiguous(memory_format=memory_format).requires_grad_()


def parameter(shape: tuple[int, ...], device: str) -> Tensor:
    """Random float32 numbers, with a gradient."""
    return torch.randn(shape, device=device, requires_grad=True)


def size_of(x: Tensor) -> int:
    """Bytes of a tensor."""
    return x.numel() * x.element_size()


def case(
    op: str,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    native: Callable[[], object],
    plain: Callable[[], object],
    moved: int = 0,
    what: str = "",
    memory: bool = False,
) -> Case:
    """A case with its shape written out."""
    name = "x".join(str(size) for size in shape) + (f" {what}" if what else "")
    return Case(op, name, str(dtype).removeprefix("torch."), native, plain, moved, memory)


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


def main() -> None:
    """Prints the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--op", nargs="*", choices=OPERATIONS, default=list(OPERATIONS))
    parser.add_argument("--dtype", nargs="*", choices=DTYPES, default=["float32", "bfloat16"])
    parser.add_argument("--format", nargs="*", choices=FORMATS, default=["channels_last"])
    parser.add_argument("--batch", type=int, nargs="*", help="only these")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seconds", type=float, default=1.0, help="of repeats for each row")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    arguments = parser.parse_args()
    device = arguments.device
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
                cases = globals()[f"{op}_cases"](DTYPES[name], FORMATS[memory_format], device)
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
