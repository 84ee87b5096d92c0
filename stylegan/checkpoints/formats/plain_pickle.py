"""Pickles as data: a reader that builds numbers, texts, lists and dictionaries, and calls nothing.

Python's own `pickle` imports and calls what a file names. Here the names that a StyleGAN checkpoint needs stand for a
few lines of `plain_values`; any other name ends the reading with a sentence that gives it. Long byte strings and texts
(weights, source code) are never read: their place in the file is noted.

What that may cost is limited by `budget`: every instruction and every element that is moved is paid for.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any

from stylegan.checkpoints.errors import CheckpointError
from stylegan.checkpoints.formats import budget, plain_values
from stylegan.checkpoints.formats.source import Source, Span, Storage

_MAX_LINE = 256
# Shorter byte strings and texts are kept, longer ones stay in the file.
_KEPT_BYTES = 16
_KEPT_TEXT = 4096


def read_pickle(
    source: Source, by_key: dict[str, Storage] | None = None, names: Mapping[str, str] = plain_values.NAMES
) -> Any:
    """The value of the pickle at the source's present position; afterwards the source is positioned after it.

    Args:
        source: the file. Storages that the pickle holds as bytes are entered in `source.storages`.
        by_key: where the storages go that a pickle of `torch.save` refers to; None refuses such references.
        names: what may be named, and what it stands for.

    Raises:
        CheckpointError: if the pickle names anything that is not on the list, is damaged, or exceeds its budget.
    """
    machine = _Machine(source, by_key, names)
    try:
        value = machine.run()
    except CheckpointError:
        raise
    except (IndexError, KeyError, TypeError, ValueError, OverflowError, struct.error) as error:
        source.damaged(f"its pickle makes no sense before byte {source.file.tell()}: {type(error).__name__}")
    _check_depth(source, value)
    return value


def _check_depth(source: Source, value: Any) -> None:
    # Each container is looked at once, so that sharing does not multiply.
    seen: set[int] = set()
    level = [value]
    for _ in range(budget.DEPTH):
        deeper: list[Any] = []
        for item in level:
            inner = item.state if type(item) is plain_values.PlainObject else item
            if type(inner) in (list, tuple, dict) and id(inner) not in seen:
                seen.add(id(inner))
                source.budget.spend(len(inner))
                deeper.extend(inner.values() if type(inner) is dict else inner)
        if not deeper:
            return
        level = deeper
    source.damaged(f"its values nest deeper than {budget.DEPTH}")


class _Machine:
    """The stack machine of the pickle format, protocols 0 to 5."""

    def __init__(self, source: Source, by_key: dict[str, Storage] | None, names: Mapping[str, str]) -> None:
        self.source = source
        self.by_key = by_key
        self.names = names
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        read, left = self.source.file.read, self.source.budget
        # The instructions are paid for together, since a call for each would take as long as the instruction itself.
        for steps in range(left.work):
            code = read(1)
            if code == b".":
                if len(self.stack) != 1 or self.marks:
                    raise ValueError
                left.spend(steps)
                return self.stack.pop()
            instruction = _INSTRUCTIONS.get(code)
            if instruction is None:
                self.source.damaged("its pickle has an unknown instruction" if code else "it ends within its pickle")
            instruction(self)
        left.exceeded()

    def take(self, count: int) -> bytes:
        data = self.source.file.read(count)
        if len(data) != count:
            self.source.damaged("it ends within its pickle")
        return data

    def byte(self) -> int:
        data = self.source.file.read(1)
        if not data:
            self.source.damaged("it ends within its pickle")
        return data[0]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def line(self) -> str:
        line = self.source.file.readline(_MAX_LINE)
        if not line.endswith(b"\n"):
            self.source.damaged("a line of its pickle has no end")
        return line[:-1].decode("ascii")

    def data(self, size: int, keep: int = _KEPT_BYTES) -> bytes | Span:
        length = self.byte() if size == 1 else self.number(size)
        if length > keep:
            position = self.source.file.tell()
            if length > self.source.size - position:
                self.source.damaged(f"byte {position} announces {length} bytes, more than are left")
            self.source.file.seek(length, 1)
            return Span(position, length)
        return self.take(length)

    def text(self, size: int) -> str | Span:
        data = self.data(size, _KEPT_TEXT)
        if isinstance(data, Span):
            return data
        self.source.budget.spend_text(len(data))
        return data.decode("utf-8", "surrogatepass")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        if self.marks and self.marks[-1] >= len(self.stack):
            raise IndexError
        return self.stack.pop()

    def top(self) -> Any:
        if self.marks and self.marks[-1] >= len(self.stack):
            raise IndexError
        return self.stack[-1]

    def pop_tuple(self, count: int) -> tuple[Any, ...]:
        return tuple([self.pop() for _ in range(count)][::-1])

    def mark(self) -> None:
        if len(self.marks) >= budget.DEPTH:
            self.source.damaged(f"its pickle nests deeper than {budget.DEPTH}")
        self.marks.append(len(self.stack))

    def pop_mark(self) -> list[Any]:
        start = self.marks.pop()
        self.source.budget.spend(len(self.stack) - start)
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def remember(self, key: int) -> None:
        self.memo[key] = self.top()

    def append(self, items: list[Any]) -> None:
        target = self.top()
        if type(target) is not list:
            raise TypeError
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        plain_values.fill(self.top(), items)

    def name(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise TypeError
        full = f"{module}.{name}"
        kind = self.names.get(full)
        if kind is None and self.by_key is not None:
            kind = plain_values.STORAGE_NAMES.get(full)
        if kind is None:
            self.source.refuse(full)
        self.push(plain_values.Name(kind, full))

    def call(self) -> None:
        target, arguments = self.pop_tuple(2)
        self.push(plain_values.call(self.source, target, arguments))

    def new(self) -> None:
        target, arguments = self.pop_tuple(2)
        self.push(plain_values.new(self.source, target, arguments))

    def build(self) -> None:
        state = self.pop()
        plain_values.set_state(self.source, self.top(), state)

    def persistent_id(self) -> None:
        if self.by_key is None:
            self.source.unsupported("references to things outside it")
        self.push(plain_values.storage_reference(self.source, self.by_key, self.pop()))

    def old_class(self) -> None:
        module, name = self.line(), self.line()
        self.source.refuse(f"{module}.{name}")

    def refuse(self, what: str) -> None:
        self.source.unsupported(what)


def _protocol(p: _Machine) -> None:
    if p.byte() > 5:
        p.source.damaged("its pickle is of an unknown protocol")


def _long(p: _Machine, size: int) -> int:
    length = p.number(size)
    # The longest number of a checkpoint is torch.save's mark, of ten bytes.
    if length > 16:
        raise ValueError
    return int.from_bytes(p.take(length), "little", signed=True)


def _old_text(p: _Machine, size: int) -> str | Span:
    data = p.data(size, _MAX_LINE)
    return data if isinstance(data, Span) else data.decode("latin-1")


def _quoted(p: _Machine) -> str:
    line = p.line()
    if len(line) < 2 or line[0] != line[-1] or line[0] not in "'\"" or "\\" in line:
        raise ValueError
    return line[1:-1]


def _whole(p: _Machine) -> int:
    line = p.line()
    return line == "01" if line in ("00", "01") else int(line[:20].removesuffix("L"))


_INSTRUCTIONS: dict[bytes, Callable[[_Machine], Any]] = {
    b"\x80": _protocol,
    b"\x95": lambda p: p.take(8),
    b"(": _Machine.mark,
    b"0": _Machine.pop,
    b"1": _Machine.pop_mark,
    b"2": lambda p: p.push(p.top()),
    b"N": lambda p: p.push(None),
    b"\x88": lambda p: p.push(True),
    b"\x89": lambda p: p.push(False),
    b"J": lambda p: p.push(int.from_bytes(p.take(4), "little", signed=True)),
    b"K": lambda p: p.push(p.byte()),
    b"M": lambda p: p.push(p.number(2)),
    b"\x8a": lambda p: p.push(_long(p, 1)),
    b"\x8b": lambda p: p.push(_long(p, 4)),
    b"G": lambda p: p.push(struct.unpack(">d", p.take(8))[0]),
    b"I": lambda p: p.push(_whole(p)),
    b"L": lambda p: p.push(_whole(p)),
    b"F": lambda p: p.push(float(p.line())),
    b"S": lambda p: p.push(_quoted(p)),
    b"V": lambda p: p.push(p.line()),
    b"T": lambda p: p.push(_old_text(p, 4)),
    b"U": lambda p: p.push(_old_text(p, 1)),
    b"X": lambda p: p.push(p.text(4)),
    b"\x8c": lambda p: p.push(p.text(1)),
    b"\x8d": lambda p: p.push(p.text(8)),
    b"B": lambda p: p.push(p.data(4)),
    b"C": lambda p: p.push(p.data(1)),
    b"\x8e": lambda p: p.push(p.data(8)),
    b"\x96": lambda p: p.push(p.data(8)),
    b")": lambda p: p.push(()),
    b"\x85": lambda p: p.push(p.pop_tuple(1)),
    b"\x86": lambda p: p.push(p.pop_tuple(2)),
    b"\x87": lambda p: p.push(p.pop_tuple(3)),
    b"t": lambda p: p.push(tuple(p.pop_mark())),
    b"]": lambda p: p.push([]),
    b"l": lambda p: p.push(p.pop_mark()),
    b"a": lambda p: p.append([p.pop()]),
    b"e": lambda p: p.append(p.pop_mark()),
    b"}": lambda p: p.push({}),
    b"d": lambda p: p.push(plain_values.fill({}, p.pop_mark())),
    b"s": lambda p: p.set_items(list(p.pop_tuple(2))),
    b"u": lambda p: p.set_items(p.pop_mark()),
    # A set becomes a list: no reader uses its members, so nothing has to be hashed.
    b"\x8f": lambda p: p.push([]),
    b"\x90": lambda p: p.append(p.pop_mark()),
    b"\x91": lambda p: p.push(p.pop_mark()),
    b"g": lambda p: p.push(p.memo[int(p.line()[:20])]),
    b"h": lambda p: p.push(p.memo[p.byte()]),
    b"j": lambda p: p.push(p.memo[p.number(4)]),
    b"p": lambda p: p.remember(int(p.line()[:20])),
    b"q": lambda p: p.remember(p.byte()),
    b"r": lambda p: p.remember(p.number(4)),
    b"\x94": lambda p: p.remember(len(p.memo)),
    b"c": lambda p: p.name(p.line(), p.line()),
    b"\x93": lambda p: p.name(*p.pop_tuple(2)),
    b"R": _Machine.call,
    b"\x81": _Machine.new,
    b"b": _Machine.build,
    b"Q": _Machine.persistent_id,
    b"i": _Machine.old_class,
    b"o": lambda p: p.refuse("the instruction OBJ"),
    b"\x92": lambda p: p.refuse("the instruction NEWOBJ_EX"),
    b"P": lambda p: p.refuse("references to things outside it"),
    b"\x82": lambda p: p.refuse("the registry of extensions"),
    b"\x83": lambda p: p.refuse("the registry of extensions"),
    b"\x84": lambda p: p.refuse("the registry of extensions"),
    b"\x97": lambda p: p.refuse("buffers outside it"),
    b"\x98": lambda p: p.refuse("buffers outside it"),
}
