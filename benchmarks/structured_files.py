"""Random checkpoints: valid in form, with meaningless or hostile content.

A sample file is taken apart into a tree of values, calls and objects. Parts of the tree are replaced, shared, repeated
or wrapped, and the tree is written again with varied instructions. The replacements are extreme numbers, shapes that
are too large, calls of the known constructors, and short programs that expand to something huge: the same list a
thousand times, tuples of tuples, a dictionary built again and again.
"""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.structured_trees import (
    Call,
    Draw,
    Global,
    Program,
    Tuple,
    Writer,
    join,
    parse,
    pickled_bytes,
    pickled_text,
    put_part,
    slots,
    take_apart,
)

_NUMBERS = (0, 1, -1, 2, 3, 4, 7, 8, 16, 64, 255, 513, 4096, 10**5, 2_000_000, 2**31 - 1, 2**31, 2**39, 2**62, 10**30)
_FRACTIONS = (0.0, 0.5, -1.0, 1e-300, 1e300, float("nan"), float("inf"), float("-inf"))
_WORDS: tuple[str, ...] = (
    "",
    "abc",
    "lrelu",
    "linear",
    "skip",
    "resnet",
    "orig",
    "G",
    "weight",
    "4x4/Conv/weight",
    "<f4",
    "f4",
    "O8",
)
_WORDS += ("\x1b[2J", "\ud800", "`", "x" * 300, "y" * 4096, "z" * 5000, "\U0001f600" * 900)
_CALLS = (
    ("collections", "OrderedDict"),
    ("dnnlib.util", "EasyDict"),
    ("torch_utils.persistence", "_reconstruct_persistent_obj"),
    ("dnnlib.tflib.network", "Network"),
    ("argparse", "Namespace"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch.storage", "_load_from_bytes"),
    ("torch", "FloatStorage"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("os", "system"),
)


def scalar(draw: Draw) -> Any:
    """A number, a text or None, at the limits of what a reader expects."""
    kind = draw.randrange(8)
    if kind < 3:
        return draw.choice(_NUMBERS)
    if kind == 3:
        return draw.choice(_FRACTIONS)
    if kind == 4:
        return draw.choice((None, True, False, b"", bytes(16), bytes(1000)))
    return draw.choice(_WORDS) if kind < 7 else draw.randrange(-(2**40), 2**40)


def value(draw: Draw, depth: int = 0) -> Any:
    """Anything: a scalar, a container, a shape, a call of a known name, a program."""
    kind = draw.randrange(10)
    if kind < 3 or depth > 4:
        return scalar(draw)
    few = range(draw.choice((0, 1, 2, 3, 5, 8)))
    if kind == 3:
        return [value(draw, depth + 1) for _ in few]
    if kind == 4:
        return Tuple(value(draw, depth + 1) for _ in few)
    if kind == 5:
        return {draw.choice(_WORDS) if draw.random() < 0.9 else scalar(draw): value(draw, depth + 1) for _ in few}
    if kind == 6:
        return Tuple(draw.choice(_NUMBERS) for _ in few)
    if kind == 7:
        return Program(program(draw))
    arguments = Tuple(value(draw, depth + 1) for _ in few)
    state = value(draw, depth + 1) if draw.random() < 0.3 else None
    return Call(Global(*draw.choice(_CALLS)), arguments, draw.random() < 0.2, state)


def program(draw: Draw) -> bytes:
    """Instructions that are short but, without limits, expensive to run."""
    many = int(10 ** draw.uniform(1, 4.7))
    few = draw.choice((2, 3, 10, 60, 300))
    ordered, load, dtype = b"ccollections\nOrderedDict\n", b"ctorch.storage\n_load_from_bytes\n", b"cnumpy\ndtype\n"
    pair = b"(" + pickled_text("k", draw) + b"K\x01t"
    high = lambda n: struct.pack("<I", 10**8 + n)  # noqa: E731
    again = b"j" + high(0)
    programs: tuple[Callable[[], bytes], ...] = (
        lambda: draw.choice((b"N", b"K\x01", b"]", b"}", b")")) + b"2\x86" * few,
        lambda: b"]" + b"".join(b"r" + high(i) + b"0]" + (b"j" + high(i) + b"a") * 9 for i in range(min(few, 60))),
        lambda: (
            b"}"
            + b"".join(
                b"r" + high(i) + b"0}" + b"".join(b"K" + bytes([k]) + b"j" + high(i) + b"s" for k in range(9))
                for i in range(min(few, 60))
            )
        ),
        lambda: (
            b"]("
            + pair * min(many, 5000)
            + b"er"
            + high(0)
            + b"0]("
            + (ordered + again + b"\x85R") * min(many, 5000)
            + b"e"
        ),
        lambda: (
            pickled_bytes(bytes(200), draw)
            + b"r"
            + high(0)
            + b"0]("
            + (load + again + b"\x85R") * min(many, 9000)
            + b"e"
        ),
        lambda: b"(" + b"K\x01" * many + b"tr" + high(0) + b"0](" + (dtype + again + b"R") * min(many, 9000) + b"e",
        lambda: b"](" + draw.choice((b"N", b"]", b"}", b")", b"\x8f", b"G" + bytes(8), b"h\x00")) * many + b"e",
        lambda: b"N" + draw.choice((b"\x85", b"\x86\x85")) * min(many, 20_000),
        lambda: b"N" + b"\x94" * many,
        lambda: b"(" * few + b"t" * few,
        lambda: b"]r" + high(0) + b"(" + again * many + b"e",
        lambda: b"}r" + high(0) + pickled_text("k", draw) + again + b"s",
        lambda: pickled_text("w" * 4096, draw) + b"r" + high(0) + b"0](" + again * many + b"e",
        lambda: b"](" + b"".join(pickled_text(f"{i}" + "v" * 900, draw) for i in range(min(many, 3000))) + b"e",
        lambda: b"cargparse\nNamespace\n)\x81" + b"}b" * many,
        lambda: b"I" + b"9" * min(many, 250) + b"\n",
        lambda: b"F" + draw.choice((b"nan", b"1e999", b"1" * 240)) + b"\n",
        lambda: b"(" + b"N" * few + b"\x91",
        lambda: b"}(" + b"".join(b"J" + struct.pack("<i", i) + b"N" for i in range(min(many, 40_000))) + b"u",
    )
    return draw.choice(programs)()


def changed(tree: Any, draw: Draw) -> Callable[[], None]:
    """Replaces, shares, wraps or removes one to four parts of a tree; returns what puts them back."""
    undo: list[Callable[[], object]] = []
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        owner, key, part = _somewhere(tree, draw)
        kind = draw.randrange(20)
        if kind == 18 and isinstance(owner, dict):
            name = draw.choice(_WORDS)
            if name not in owner:
                owner[name] = value(draw)
                undo.append(partial(owner.pop, name, None))
            continue
        new: Any = draw.choice((None, {}, Tuple(), []))
        if isinstance(part, bytes) and part[:1] == b"\x80" and draw.random() < 0.7:
            parts, numbers = take_apart(part)
            put_part(*_somewhere(parts, draw)[:2], scalar(draw) if kind < 10 else value(draw))
            new = join(parts, numbers, draw)
        elif kind < 8:
            new = scalar(draw)
        elif kind < 14:
            new = value(draw)
        elif kind < 16:
            new = _somewhere(tree, draw)[2]
        elif kind == 16:
            new = [part] * draw.choice((0, 1, 2, 1000))
        elif kind == 17:
            new = Tuple([part] * draw.choice((0, 1, 2, 1000)))
        put_part(owner, key, new)
        undo.append(partial(put_part, owner, key, part))

    def back() -> None:
        for step in reversed(undo):
            step()

    return back


def _somewhere(tree: Any, draw: Draw) -> tuple[Any, Any, Any]:
    """A random part of a tree, with its owner: a walk down from the root that may stop at every step."""
    places = list(slots(tree))
    while True:
        slot = draw.choice(places)
        places = list(slots(slot[2]))
        if not places or draw.random() < 0.2:
            return slot


@dataclass
class Pickled:
    """A sample that is one pickle."""

    tree: Any

    def write(self, draw: Draw) -> bytes:
        back = changed(self.tree, draw)
        try:
            return Writer(draw).write(self.tree)
        finally:
            back()


@dataclass
class Zipped:
    """A sample that torch.save wrote."""

    tree: Any
    members: dict[str, bytes]
    pickle: str

    def write(self, draw: Draw) -> bytes:
        buffer = io.BytesIO()
        content = Pickled(self.tree).write(draw)
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, data in self.members.items():
                # Given only a name, zipfile would store the current time.
                archive.writestr(zipfile.ZipInfo(name), content if name == self.pickle else data)
        return buffer.getvalue()


@dataclass
class Described:
    """A sample in safetensors; the configuration, JSON within JSON, is part of the tree."""

    tree: Any
    data: bytes

    def write(self, draw: Draw) -> bytes:
        back = changed(self.tree, draw)
        try:
            header = dict(self.tree)
            metadata = header.get("__metadata__")
            if isinstance(metadata, dict) and draw.random() < 0.98:
                header["__metadata__"] = metadata | {
                    "config": json.dumps(metadata.get("config"), default=_plain, skipkeys=True)
                }
            text = json.dumps(header, default=_plain, skipkeys=True).encode()
        except (ValueError, RecursionError):
            # A tree that contains itself has no JSON form; deeply nested brackets replace it.
            text = b"[" * draw.randrange(1, 100_000)
        finally:
            back()
        return (
            struct.pack("<Q", len(text) if draw.random() < 0.97 else draw.choice((0, 1, 2**31, 2**63)))
            + text
            + self.data
        )


def _plain(node: Any) -> Any:
    return node.code.decode("latin-1") if isinstance(node, Program) else str(type(node))


def zipped(content: bytes) -> Zipped:
    """A file of torch.save, taken apart."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in members if name.endswith("data.pkl"))
    return Zipped(parse(members[name]), members, name)


def described(content: bytes) -> Described:
    """A file of `stylegan.save`, taken apart."""
    length = int.from_bytes(content[:8], "little")
    tree = json.loads(content[8 : 8 + length])
    # safetensors writes its metadata in any order.
    tree["__metadata__"] = dict(sorted(tree["__metadata__"].items()))
    tree["__metadata__"]["config"] = json.loads(tree["__metadata__"]["config"])
    return Described(tree, content[8 + length :])


def alone(draw: Draw) -> bytes:
    """A pickle of anything."""
    return Writer(draw).write(value(draw) if draw.random() < 0.7 else Program(program(draw)))
