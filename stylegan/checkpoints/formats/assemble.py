"""Building a network from its description and its tensors in a file.

The description is checked, then laid out without memory, then compared with the tensors of the file. Only then is
anything read, so a false description costs nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from stylegan.checkpoints.errors import CheckpointError
from stylegan.checkpoints.formats import budget, configs
from stylegan.checkpoints.formats.source import explain, numel, printable, shown
from stylegan.networks import dcgan, stylegan1, stylegan2
from stylegan.networks.discriminator import Discriminator
from stylegan.networks.layers import RESAMPLE_TAPS, setup_filter

Network = stylegan1.Generator | stylegan2.Generator | dcgan.Generator | Discriminator
Shape = tuple[int, ...]
_NetworkT = TypeVar("_NetworkT", stylegan1.Generator, stylegan2.Generator, dcgan.Generator, Discriminator)

# Buffers that follow from the architecture are not read.
DERIVED = "resample_filter"
_LONGEST_FILTER = 32


class Described(Protocol):
    """What is known of a tensor before it is read."""

    @property
    def shape(self) -> Shape:
        """Its shape."""

    @property
    def floating(self) -> bool:
        """Whether its numbers are floating-point numbers."""


class Record(Described, Protocol):
    """A tensor that is still in a file."""

    def read(self) -> Tensor:
        """Fetch it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """How a tensor of a file becomes one of a network: on its shape, before anything is read, and on itself."""

    shape: Callable[[Shape], Shape]
    tensor: Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Entry:
    """A tensor in a file, and how it is turned into the network's."""

    record: Record
    turn: Turn | None = None

    @property
    def shape(self) -> Shape:
        """The shape after turning; ValueError where the file's has too few or too many dimensions."""
        shape = tuple(self.record.shape)
        return shape if self.turn is None else self.turn.shape(shape)

    @property
    def floating(self) -> bool:
        """Whether its numbers are floating-point numbers."""
        return self.record.floating

    def read(self) -> Tensor:
        """The tensor of the network: float32, contiguous."""
        tensor = self.record.read()
        tensor = tensor if self.turn is None else self.turn.tensor(tensor)
        return tensor.to(torch.float32, memory_format=torch.contiguous_format).contiguous()


def _permuted(*order: int) -> Callable[[Shape], Shape]:
    def permute(shape: Shape) -> Shape:
        if len(shape) != len(order):
            raise ValueError(f"a tensor of {len(shape)} dimensions instead of {len(order)}")
        return tuple(shape[i] for i in order)

    return permute


def _within(ones: int) -> Callable[[Shape], Shape]:
    def strip(shape: Shape) -> Shape:
        if shape[:ones] != (1,) * ones:
            raise ValueError(f"a tensor of shape {shape}, whose first {ones} sides are not 1")
        return shape[ones:]

    return strip


# The first entry of a batch of one, and the first map of that.
FIRST = Turn(_within(1), lambda t: t[0])
FIRST_MAP = Turn(_within(2), lambda t: t[0, 0])
FLAT = Turn(lambda shape: (numel(shape),), torch.flatten)
NUMBER = Turn(lambda shape: () if numel(shape) == 1 else shape, lambda t: t.reshape(()))
TRANSPOSED = Turn(_permuted(1, 0), torch.t)
# TensorFlow's order of a convolution's sides; where TensorFlow convolves and torch correlates, it is also flipped.
FROM_TENSORFLOW = Turn(_permuted(3, 2, 0, 1), lambda t: t.permute(3, 2, 0, 1))
FLIPPED_FROM_TENSORFLOW = Turn(_permuted(3, 2, 0, 1), lambda t: t.permute(3, 2, 0, 1).flip(2, 3))
PLUS_ONE = Turn(lambda shape: shape, lambda t: t + 1)


@dataclass(frozen=True, slots=True)
class Reading:
    """A network read from a file, and notes about the file."""

    network: Network
    format: str
    ignored: list[str] = field(default_factory=list)


def ignored_names(names: Iterable[Any]) -> list[str]:
    """Names of what a file holds beside the network, as they may be shown: at most twenty."""
    listed = [printable(name, 40) for name in names if type(name) is str]
    return listed if len(listed) <= 20 else [*listed[:20], f"{len(listed) - 20} more"]


def assemble(
    path: Path,
    cls: type[_NetworkT],
    config: dict[str, Any],
    entries: Mapping[str, Entry],
    optional: Iterable[str] = (),
) -> _NetworkT:
    """A network in evaluation mode, in float32 on the CPU.

    Args:
        path: the file, for the sentences.
        cls: the class of the network.
        config: its constructor's arguments.
        entries: its parameters and buffers by name.
        optional: names that may be missing; they become zeros.

    Raises:
        CheckpointError: if the configuration cannot be built, or the tensors do not fit it.
    """
    network = lay_out(path, cls, config)
    wanted = shapes(network)
    compare(path, wanted, entries, optional)
    return fill(network, wanted, entries)


def fill(network: _NetworkT, wanted: Mapping[str, Shape], entries: Mapping[str, Entry]) -> _NetworkT:
    """Read the tensors of a network that was laid out and compared; what the file lacks becomes zeros."""
    state = {name: entries[name].read() if name in entries else torch.zeros(shape) for name, shape in wanted.items()}
    network.load_state_dict(state, strict=False, assign=True)
    return network.eval().requires_grad_(False)


def shapes(network: Network) -> dict[str, Shape]:
    """The shapes of the tensors that a network takes from a file, by name."""
    state = network.state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items() if not name.endswith(DERIVED)}


def compare(
    path: Path, wanted: Mapping[str, Shape], entries: Mapping[str, Described], optional: Iterable[str] = ()
) -> None:
    """Raise CheckpointError unless a file's tensors are those that its description asks for; reads none of them.

    Args:
        path: the file, for the sentences.
        wanted: the `shapes` of the network.
        entries: the tensors of the file by name, or what is known of them.
        optional: names that may be missing, as long as they are small.
    """
    missing = wanted.keys() - entries.keys()
    lacking = sorted(missing - set(optional))
    unknown = sorted(entries.keys() - wanted.keys())
    if lacking or unknown:
        what = f"lacks {lacking[0]}" if lacking else f"holds {printable(unknown[0])}, which its network does not have"
        raise CheckpointError(f"{shown(path)} {what}; the file is damaged or was written by another version.")
    if any(0 in shape for shape in wanted.values()):
        raise CheckpointError(f"{shown(path)} describes a network with a layer of no channels; the file is damaged.")
    for name, entry in entries.items():
        try:
            shape = entry.shape
        except ValueError as error:
            raise CheckpointError(f"{shown(path)} holds {name} as {explain(error)}; the file is damaged.") from error
        if shape != wanted[name]:
            raise CheckpointError(
                f"{shown(path)} holds {name} of shape {shape}, but its own description asks for {wanted[name]}; the"
                " file is damaged."
            )
        if not entry.floating:
            raise CheckpointError(f"{shown(path)} holds {name} in a type other than float16 to float64; convert it.")
    if 4 * sum(numel(wanted[name]) for name in missing) > budget.MADE_UP:
        raise CheckpointError(
            f"{shown(path)} lacks noise maps or an average style of over {budget.MADE_UP // 1_000_000} MB, which are"
            " only made up where they are small; give a file that holds them."
        )


class _WithoutMemory(TorchFunctionMode):
    """While a network is constructed, its weights are made on the meta device: shapes without memory.

    `torch.device("meta")` does as much, but computes with such tensors by way of two seconds of imports.
    """

    _FACTORIES = (torch.randn, torch.zeros, torch.ones, torch.empty)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in self._FACTORIES:
            return torch.empty(*args, device="meta")
        if func is torch.full:
            return torch.empty(args[0], device="meta")
        if func in (torch.Tensor.__truediv__, torch.Tensor.div) and args[0].is_meta:
            return args[0]
        return func(*args, **(kwargs or {}))


def lay_out(path: Path, cls: type[_NetworkT], config: dict[str, Any]) -> _NetworkT:
    """The network with weights on the meta device and real filters. CheckpointError for an impossible config."""
    try:
        configs.check(config, configs.RULES[cls.architecture])
        with _WithoutMemory():
            network = cls(**config)
        _check_layers(network)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{shown(path)} describes its network in a way that cannot be built ({explain(error)})."
        ) from error
    return network


def _check_layers(network: Network) -> None:
    kernel = next((buffer for name, buffer in network.named_buffers() if name.endswith(DERIVED)), None)
    if kernel is not None and not bool(kernel.isfinite().all()):
        raise ValueError("its filter cannot be scaled to a sum of one")
    if isinstance(network, Discriminator):
        end: Any = network.b4
        if end.mbstd is not None and end.fc.weight.shape[0] % end.mbstd.num_channels:
            raise ValueError(f"its channels cannot be split into {end.mbstd.num_channels} parts")


def widths(counts: Mapping[int, int]) -> dict[str, Any]:
    """The options for feature maps per resolution: `channel_base` and `channel_max` where that rule fits."""
    resolutions = sorted(counts)
    most = max(counts.values())
    base = max(counts[r] * r for r in resolutions)
    if all(min(base // r, most) == counts[r] for r in resolutions):
        return {"channel_base": base, "channel_max": most}
    return {"channels": [counts[r] for r in resolutions]}


def taps(record: Record, gain: float = 1.0) -> list[float]:
    """The taps of a filter that a file holds as a normalised row or as that row's outer product with itself.

    Args:
        record: the filter, still in the file.
        gain: what the row was multiplied by.

    Raises:
        ValueError: if it is no such filter, or longer than 32 taps.
    """
    # The shape is checked before the filter is read, because what follows from it may be larger than the file.
    if len(record.shape) not in (1, 2) or not all(1 <= n <= _LONGEST_FILTER for n in record.shape):
        raise ValueError("a filter that is no row of taps")
    kernel = record.read()
    row = kernel.float() / gain
    row = row.sum(dim=0) if row.ndim == 2 else row
    if not bool(row.isfinite().all()):
        raise ValueError("a filter that is no row of taps")
    again = setup_filter(row.tolist(), separable=kernel.ndim == 1)
    if again.shape != kernel.shape or not torch.allclose(again, kernel.float() / gain, atol=1e-5):
        raise ValueError("a filter that is not separable")
    small = row / row[0] if row[0] != 0 else row
    whole = bool(small.abs().max() < 1e6) and torch.allclose(small, small.round(), atol=1e-4)
    return small.round().tolist() if whole else row.tolist()


def filter_option(row: Sequence[float]) -> dict[str, Any]:
    """The option for a filter between resolutions; none for the usual one."""
    usual = [float(tap) for tap in row] == [float(tap) for tap in RESAMPLE_TAPS]
    return {} if usual else {"resample_filter": list(row)}
