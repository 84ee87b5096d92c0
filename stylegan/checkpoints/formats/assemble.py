"""From a network's description and its tensors in a file to the network.

The network is first laid out without memory, so that a description that lies costs nothing: only tensors that are in
the file, in the shapes that the description asks for, are ever allocated.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from stylegan.checkpoints.errors import CheckpointError
from stylegan.checkpoints.formats.source import printable
from stylegan.networks import stylegan1, stylegan2
from stylegan.networks.discriminator import Discriminator
from stylegan.networks.layers import RESAMPLE_TAPS, setup_filter

Network = stylegan1.Generator | stylegan2.Generator | Discriminator
_NetworkT = TypeVar("_NetworkT", stylegan1.Generator, stylegan2.Generator, Discriminator)

# Buffers that follow from the architecture are not read.
DERIVED = "resample_filter"
_MAX_LAYERS = 64
_MAX_RESOLUTION = 4096
_MAX_NUMBER = 2**24


class Record(Protocol):
    """A tensor that is still in a file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape in the file."""

    def read(self) -> Tensor:
        """Fetch it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A tensor in a file, and how it is turned into the network's."""

    record: Record
    transform: Callable[[Tensor], Tensor] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape after the transformation."""
        if self.transform is None:
            return tuple(self.record.shape)
        return tuple(self.transform(torch.empty(self.record.shape, device="meta")).shape)

    def read(self) -> Tensor:
        """The tensor of the network: float32, contiguous."""
        tensor = self.record.read()
        tensor = tensor if self.transform is None else self.transform(tensor)
        return tensor.to(torch.float32, memory_format=torch.contiguous_format).contiguous()


@dataclass(frozen=True, slots=True)
class Reading:
    """A network out of a file, and what is to be said about the file."""

    network: Network
    format: str
    ignored: list[str] = field(default_factory=list)


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
    wanted = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(DERIVED)}
    missing = sorted(wanted.keys() - entries.keys() - set(optional))
    unknown = sorted(entries.keys() - wanted.keys())
    if missing or unknown:
        what = f"lacks {missing[0]}" if missing else f"holds {printable(unknown[0])}, which its network does not have"
        raise CheckpointError(f"{path} {what}; the file is damaged or was written by another version.")
    # Of what needs no turning the shape is known before it is read.
    for name, entry in entries.items():
        if entry.transform is None:
            _check_shape(path, name, entry.record.shape, wanted[name])
    state: dict[str, Tensor] = {}
    for name, target in wanted.items():
        if name not in entries:
            state[name] = torch.zeros(target.shape)
            continue
        try:
            state[name] = entries[name].read()
        except (RuntimeError, IndexError) as error:
            raise CheckpointError(
                f"{path} holds {name} in a shape that makes no sense; the file is damaged."
            ) from error
        _check_shape(path, name, state[name].shape, target)
    network.load_state_dict(state, strict=False, assign=True)
    return network.eval().requires_grad_(False)


def _check_shape(path: Path, name: str, shape: Sequence[int], target: Tensor) -> None:
    if tuple(shape) != tuple(target.shape):
        raise CheckpointError(
            f"{path} holds {name} of shape {tuple(shape)}, but its own description asks for {tuple(target.shape)}; the"
            " file is damaged."
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
    """The network with weights of shape but no memory; its filters are real. CheckpointError for a senseless config."""
    try:
        _check_numbers(config)
        if not 4 <= config["img_resolution"] <= _MAX_RESOLUTION:
            raise ValueError(f"a resolution of {config['img_resolution']}")
        if config.get("mapping_kwargs", {}).get("num_layers", 0) > _MAX_LAYERS:
            raise ValueError(f"more than {_MAX_LAYERS} layers")
        with _WithoutMemory():
            return cls(**config)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, ZeroDivisionError, OverflowError) as error:
        reason = printable(" ".join(str(error).split()))
        raise CheckpointError(f"{path} describes its network in a way that cannot be built ({reason}).") from error


def widths(counts: Mapping[int, int]) -> dict[str, Any]:
    """The options for feature maps per resolution: `channel_base` and `channel_max` where that rule fits."""
    resolutions = sorted(counts)
    most = max(counts.values())
    base = max(counts[r] * r for r in resolutions)
    if all(min(base // r, most) == counts[r] for r in resolutions):
        return {"channel_base": base, "channel_max": most}
    return {"channels": [counts[r] for r in resolutions]}


def taps(kernel: Tensor, gain: float = 1.0) -> list[float]:
    """The taps of a filter given as a normalised row or as the outer product of it with itself, times `gain`."""
    row = kernel.float() / gain
    row = row.sum(dim=0) if row.ndim == 2 else row
    if row.ndim != 1 or not 1 <= row.numel() <= 32 or not bool(row.isfinite().all()):
        raise ValueError("a filter that is no row of taps")
    again = setup_filter(row.tolist(), separable=kernel.ndim == 1)
    if not torch.allclose(again, kernel.float() / gain, atol=1e-5):
        raise ValueError("a filter that is not separable")
    small = row / row[0] if row[0] != 0 else row
    return small.round().tolist() if torch.allclose(small, small.round(), atol=1e-4) else row.tolist()


def filter_option(row: Sequence[float]) -> dict[str, Any]:
    """The option for a filter between resolutions; none for the usual one."""
    usual = [float(tap) for tap in row] == [float(tap) for tap in RESAMPLE_TAPS]
    return {} if usual else {"resample_filter": list(row)}


def _check_numbers(value: Any, depth: int = 0) -> None:
    if isinstance(value, dict) and depth < 3 and len(value) <= 64:
        for part in value.values():
            _check_numbers(part, depth + 1)
    elif isinstance(value, list | tuple) and len(value) <= 64:
        for part in value:
            if not isinstance(part, int | float):
                raise TypeError("a list of something other than numbers")
            _check_numbers(part)
    elif isinstance(value, str):
        if len(value) > 32:
            raise ValueError("a long text")
    elif isinstance(value, int | float):
        if not -1 <= value <= _MAX_NUMBER:
            raise ValueError(f"a number of {value:g}")
    elif value is not None:
        raise TypeError(f"a value of type {type(value).__name__}")
