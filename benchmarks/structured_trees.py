"""Pickles as trees: parsed without calling what they name, and written again with varied instructions."""

import io
import pickle
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Draw = random.Random


class Tuple(list[Any]):
    """A tuple of the file whose parts can be replaced."""


@dataclass(eq=False)
class Global:
    """A name that the file refers to."""

    module: str
    name: str

    def __post_init__(self) -> None:
        # How Python's unpickler makes an object of a class, NEWOBJ.
        self.__dict__["__new__"] = lambda cls, *arguments: Call(self, Tuple(arguments), new=True)

    def __call__(self, *arguments: Any) -> "Call":
        return Call(self, Tuple(arguments))


@dataclass(eq=False)
class Call:
    """A call of a name, or a new object of a class, and what is put into the result afterwards."""

    target: Any
    arguments: Any
    new: bool = False
    state: Any = None
    items: Tuple = field(default_factory=Tuple)

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items += [key, value]


@dataclass(eq=False)
class Reference:
    """A persistent id, by which torch.save refers to a storage."""

    key: Any


@dataclass(eq=False)
class Program:
    """Instructions that leave one value."""

    code: bytes


class _Recorder(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return Global(module, name)

    def persistent_load(self, key: Any) -> Any:
        return Reference(key)


def parse(content: bytes) -> Any:
    """The tree of a pickle; nothing that it names is called."""
    return _thaw(_Recorder(io.BytesIO(content)).load(), {})


def take_apart(storage: bytes) -> tuple[list[Any], bytes]:
    """The five pickles of a storage in torch.save's old format, as trees, and the numbers that follow them. The
    storage's key, a memory address of the process that wrote it, becomes "0".
    """
    file = io.BytesIO(storage)
    parts = [_thaw(_Recorder(file).load(), {}) for _ in range(5)]
    parts[3].key[2], parts[4] = "0", ["0"]
    return parts, storage[file.tell() :]


def settle(tree: Any) -> Any:
    """The tree with its storages written again, so that the same network always gives the same bytes."""
    waiting, seen = [tree], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        for owner, place, part in slots(node):
            if isinstance(part, bytes) and len(part) > 200 and part[1:2] == b"\x02":
                put_part(owner, place, join(*take_apart(part), random.Random(0)))
            waiting.append(part)
    return tree


def join(parts: list[Any], numbers: bytes, draw: Draw) -> bytes:
    """A storage's bytes, from its pickles and its numbers."""
    return b"".join(Writer(draw).write(part) for part in parts) + numbers


def _thaw(node: Any, seen: dict[int, Any]) -> Any:
    if id(node) in seen:
        return seen[id(node)]
    if isinstance(node, tuple | set | frozenset):
        seen[id(node)] = result = Tuple(_thaw(part, seen) for part in node)
        # An id is only unique while its object lives.
        seen[id(seen[id(node)])] = result
        return result
    seen[id(node)] = node
    for owner, key, part in slots(node):
        put_part(owner, key, _thaw(part, seen))
    return node


def slots(node: Any) -> Iterator[tuple[Any, Any, Any]]:
    """The parts of a node, each with its owner and its place there."""
    if isinstance(node, dict):
        yield from ((node, key, part) for key, part in list(node.items()))
    elif isinstance(node, list):
        yield from ((node, i, part) for i, part in enumerate(node))
    elif isinstance(node, Call):
        yield from ((node, name, getattr(node, name)) for name in ("arguments", "state"))
        yield from ((node.items, i, part) for i, part in enumerate(node.items))
    elif isinstance(node, Reference):
        yield node, "key", node.key


def put_part(owner: Any, key: Any, value: Any) -> None:
    """Sets the part of a node at that place."""
    if isinstance(owner, Call | Reference):
        setattr(owner, key, value)
    else:
        owner[key] = value


class Writer:
    """Writes trees as pickles with varied instructions. A node that occurs twice is written once and then referred
    to."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.code = bytearray(b"\x80" + bytes([draw.choice((2, 3, 4, 5))]))
        self.memo: dict[int, int] = {}
        self.kept: list[Any] = []
        self.begun: set[int] = set()

    def write(self, tree: Any) -> bytes:
        self.put(tree)
        return bytes(self.code + b".")

    def put(self, node: Any) -> None:
        kind = type(node)
        if id(node) in self.memo and kind not in (int, float, bool, str, bytes, type(None)):
            # DUP copies what was written last.
            if self.memo[id(node)] == len(self.kept) - 1 and self.code[-5:-4] == b"r" and self.draw.random() < 0.5:
                self.code += b"2"
            else:
                self.code += b"j" + struct.pack("<I", self.memo[id(node)])
        elif kind in _ATOMS:
            self.code += _ATOMS[kind](node, self.draw)
        elif kind is Program:
            self.code += node.code
        elif kind is Global:
            self.code += f"c{node.module}\n{node.name}\n".encode()
            self.remember(node)
        elif kind is dict:
            self.code += b"}"
            self.remember(node)
            self.fill([part for pair in node.items() for part in pair], b"u")
        elif kind is list:
            self.code += b"]"
            self.remember(node)
            self.fill(node, b"e")
        elif id(node) in self.begun:
            # An object cannot contain itself before it exists.
            self.code += b"N"
        else:
            self.begun.add(id(node))
            self.make(node)
            self.begun.remove(id(node))

    def make(self, node: Any) -> None:
        if type(node) is Tuple:
            self.fill(node, b"t")
            self.remember(node)
        elif type(node) is Reference:
            self.put(node.key)
            self.code += b"Q"
        else:
            self.put(node.target)
            self.put(node.arguments)
            self.code += b"\x81" if node.new else b"R"
            self.remember(node)
            if node.items:
                self.fill(node.items, b"u")
            if node.state is not None:
                self.put(node.state)
                self.code += b"b"

    def fill(self, parts: list[Any], end: bytes) -> None:
        self.code += b"("
        for part in parts:
            self.put(part)
        self.code += end

    def remember(self, node: Any) -> None:
        self.memo[id(node)] = len(self.kept)
        self.code += b"r" + struct.pack("<I", len(self.kept))
        self.kept.append(node)


def pickled_text(value: str, draw: Draw) -> bytes:
    """The instruction for a text."""
    data = value.encode("utf-8", "surrogatepass")
    if len(data) < 256 and draw.random() < 0.5:
        return b"\x8c" + bytes([len(data)]) + data
    return b"X" + struct.pack("<I", len(data)) + data


def pickled_bytes(value: bytes, draw: Draw) -> bytes:
    """The instruction for bytes."""
    if len(value) < 256 and draw.random() < 0.5:
        return b"C" + bytes([len(value)]) + value
    return b"B" + struct.pack("<I", len(value)) + value


def _whole(value: int, draw: Draw) -> bytes:
    if 0 <= value < 256 and draw.random() < 0.8:
        return b"K" + bytes([value])
    if abs(value) < 2**31 and draw.random() < 0.8:
        return b"J" + struct.pack("<i", value)
    if draw.random() < 0.2:
        return b"L" + str(value).encode() + b"L\n"
    data = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


_ATOMS: dict[type, Callable[[Any, Draw], bytes]] = {
    type(None): lambda value, draw: b"N",
    bool: lambda value, draw: b"\x88" if value else b"\x89",
    int: _whole,
    float: lambda value, draw: b"G" + struct.pack(">d", value),
    str: pickled_text,
    bytes: pickled_bytes,
}
