"""The names that a StyleGAN checkpoint's pickle may use, and the plain data that this reader makes of each.

Nothing is imported under these names; for this reader a `numpy.dtype` is two letters.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from stylegan.checkpoints.formats import budget
from stylegan.checkpoints.formats.source import (
    ITEM_SIZES,
    MAX_DIMENSIONS,
    Source,
    Span,
    Storage,
    StoredArray,
    StoredTensor,
    numel,
    printable,
)


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """One of the names below, as a value: what it stands for, and the name in the file."""

    kind: str
    name: str


@dataclass(slots=True, repr=False, eq=False)
class PlainObject:
    """What the file calls an object: its class's name, and what the file says about it."""

    kind: str
    state: dict[Any, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class NumberType:
    """A numpy number type: its name, and the order of its bytes ('<', '>', '|' or '=')."""

    name: str
    order: str = "="


_NUMPY_TYPES = {
    **{f"f{ITEM_SIZES[name]}": name for name in ("float64", "float32", "float16")},
    **{f"i{ITEM_SIZES[name]}": name for name in ("int64", "int32", "int16", "int8")},
    "u1": "uint8",
    "b1": "bool",
}
_STRUCT_CODES = {"float64": "d", "float32": "f", "float16": "e", "int64": "q", "int32": "i", "int16": "h", "int8": "b"}
_STRUCT_CODES |= {"uint8": "B", "bool": "?"}
_TORCH_STORAGES = {
    "Double": "float64",
    "Float": "float32",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Bool": "bool",
}

NAMES = {
    "collections.OrderedDict": "dict",
    "dnnlib.util.EasyDict": "dict",
    "torch_utils.persistence._reconstruct_persistent_obj": "network",
    "dnnlib.tflib.network.Network": "dnnlib.tflib.network.Network",
    "argparse.Namespace": "argparse.Namespace",
    "torch._utils._rebuild_tensor_v2": "tensor",
    "torch._utils._rebuild_parameter": "parameter",
    "torch.storage._load_from_bytes": "storage",
    "numpy.dtype": "numpy.dtype",
    "numpy.ndarray": "numpy.ndarray",
    **{f"numpy.{core}.multiarray.scalar": "scalar" for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray._reconstruct": "array" for core in ("core", "_core")},
}
# In files of `torch.save`, as the types of what its persistent ids refer to.
STORAGE_NAMES = {f"torch.{name}Storage": f"torch.{name}Storage" for name in _TORCH_STORAGES}
_OBJECTS = ("dnnlib.tflib.network.Network", "argparse.Namespace")


def call(source: Source, target: Any, arguments: Any) -> Any:
    """What stands for `target(*arguments)`; TypeError, ValueError or KeyError where that makes no sense."""
    if type(target) is not Name or type(arguments) is not tuple or len(arguments) > budget.ARGUMENTS:
        raise TypeError
    if target.kind not in _CALLS:
        source.refuse(target.name)
    return _CALLS[target.kind](source, *arguments)


def new(source: Source, target: Any, arguments: Any) -> Any:
    """What stands for `target.__new__(target, *arguments)`."""
    if type(target) is not Name or type(arguments) is not tuple or arguments:
        raise TypeError
    if target.kind == "dict":
        return {}
    if target.kind not in _OBJECTS:
        source.refuse(target.name)
    return PlainObject(target.kind)


def set_state(source: Source, target: Any, state: Any) -> None:
    """What stands for `target.__setstate__(state)`; a dictionary's own attributes are passed over."""
    if type(target) is PlainObject and type(state) is dict:
        target.state = state
    elif type(target) is NumberType and type(state) is tuple and len(state) in (8, 9):
        _, order, *fields = state[:5]
        if type(order) is not str or order not in ("<", ">", "|", "=") or any(part is not None for part in fields):
            raise ValueError
        target.order = order
    elif type(target) is StoredArray and type(state) is tuple and len(state) == 5:
        _, shape, kind, fortran, data = state
        if type(kind) is not NumberType or type(fortran) is not bool or type(data) not in (bytes, Span):
            raise TypeError
        length = len(data) if isinstance(data, bytes) else data.length
        if numel(_claimed(source, shape)) * ITEM_SIZES[kind.name] != length:
            raise ValueError
        target.dtype, target.shape, target.fortran, target.data = kind.order + kind.name, shape, fortran, data
    elif type(target) is not dict or type(state) is not dict:
        raise TypeError


def fill(target: Any, items: Sequence[Any]) -> dict[Any, Any]:
    """Put keys and values, in turn, into a dictionary."""
    if type(target) is not dict or len(items) % 2:
        raise TypeError
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Tuples, floats and large numbers could be chosen to collide in the dictionary; no checkpoint has such keys.
        if type(key) not in (str, int, bool, type(None)) or (type(key) is int and abs(key) >= 2**60):
            raise TypeError
        target[key] = value
    return target


def storage_reference(source: Source, by_key: dict[str, Storage], reference: Any) -> Storage:
    """The storage that a persistent id of `torch.save` refers to, entered in `by_key`."""
    if type(reference) is not tuple or len(reference) not in (5, 6):
        raise TypeError
    tag, kind, key, _, count, *view = reference
    if type(tag) is not str or tag != "storage" or type(kind) is not Name or type(key) is not str:
        raise TypeError
    if type(count) is not int or not 0 <= count <= source.size or any(part is not None for part in view):
        raise ValueError
    dtype = _TORCH_STORAGES[kind.kind.removeprefix("torch.").removesuffix("Storage")]
    storage = by_key.setdefault(key, Storage(Span(0, 0), dtype, None, count))
    if (storage.dtype, storage.count) != (dtype, count):
        raise ValueError
    return storage


def _sizes(value: Any, largest: int) -> tuple[int, ...]:
    if type(value) is not tuple or len(value) > MAX_DIMENSIONS:
        raise TypeError
    if any(type(n) is not int or not 0 <= n <= largest for n in value):
        raise ValueError
    return value


def _claimed(source: Source, shape: Any) -> tuple[int, ...]:
    """A shape, if the file has bytes enough for it; a tensor of no numbers may not claim a long side either."""
    sizes = _sizes(shape, source.size)
    if numel([max(n, 1) for n in sizes]) > source.size:
        source.damaged("a tensor claims more numbers than the file has bytes")
    return sizes


def _dictionary(source: Source, pairs: Any = ()) -> dict[Any, Any]:
    if type(pairs) not in (list, tuple):
        raise TypeError
    source.budget.spend(2 * len(pairs))
    return fill({}, [part for pair in pairs for part in _pair(pair)])


def _pair(pair: Any) -> tuple[Any, Any]:
    if type(pair) not in (list, tuple) or len(pair) != 2:
        raise TypeError
    return pair[0], pair[1]


def _network(source: Source, meta: Any) -> PlainObject:
    if type(meta) is not dict or type(meta["state"]) is not dict or type(meta["class_name"]) is not str:
        raise TypeError
    return PlainObject(meta["class_name"], meta["state"])


def _storage(source: Source, data: Any) -> Storage:
    if type(data) is not Span:
        raise TypeError
    return source.storages.setdefault(data.start, Storage(data))


def _tensor(source: Source, storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> StoredTensor:
    if type(storage) is not Storage or type(offset) is not int or not 0 <= offset <= source.size:
        raise TypeError
    if len(_claimed(source, shape)) != len(_sizes(stride, source.size)):
        raise ValueError
    return StoredTensor(source, storage, offset, shape, stride)


def _parameter(source: Source, tensor: Any, *_: Any) -> StoredTensor:
    if type(tensor) is not StoredTensor:
        raise TypeError
    return tensor


def _array(source: Source, kind: Any, shape: Any, code: Any) -> StoredArray:
    if type(kind) is not Name or kind.kind != "numpy.ndarray":
        raise TypeError
    return StoredArray(source)


def _number_type(source: Source, code: Any, *_: Any) -> NumberType:
    if type(code) is not str:
        raise TypeError
    if code not in _NUMPY_TYPES:
        source.refuse(f"numpy.dtype({printable(code, 40)!r})")
    return NumberType(_NUMPY_TYPES[code])


def _scalar(source: Source, kind: Any, data: Any) -> Any:
    if type(kind) is not NumberType or type(data) is not bytes:
        raise TypeError
    order = kind.order if kind.order in "<>=" else "="
    return struct.unpack(order + _STRUCT_CODES[kind.name], data)[0]


_CALLS: dict[str, Callable[..., Any]] = {
    "dict": _dictionary,
    "network": _network,
    "tensor": _tensor,
    "parameter": _parameter,
    "storage": _storage,
    "numpy.dtype": _number_type,
    "array": _array,
    "scalar": _scalar,
}
