# ruff: noqa: E501
"""Files that were made to harm, for the tests beside this, and what they are put together from."""

import contextlib
import gzip
import io
import json
import pickle
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from stylegan.networks.layers import setup_filter
from stylegan.networks.stylegan2 import Generator
from tests.stylegan.checkpoints.nvidia_writer import write_nvidia

DATA = Path(__file__).parents[2] / "data"
COMMAND = "echo > canary"
MEGABYTE = 1_000_000


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def new_name(module: str, attribute: str) -> bytes:
    return text(module) + text(attribute) + b"\x93"


def calling(module: str, attribute: str, *arguments: bytes) -> bytes:
    return name(module, attribute) + b"(" + b"".join(arguments or (text(COMMAND),)) + b"tR"


def whole(body: bytes, key: str = "G_ema") -> bytes:
    """A pickle of {key: body}."""
    return b"\x80\x04}" + text(key) + body + b"s."


def data(content: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(content)) + content


ORDERED = name("collections", "OrderedDict")
PERSISTENT = name("torch_utils.persistence", "_reconstruct_persistent_obj")
REBUILD = name("torch._utils", "_rebuild_tensor_v2")
FROM_BYTES = name("torch.storage", "_load_from_bytes")
NETWORK = name("dnnlib.tflib.network", "Network")
DTYPE = name("numpy", "dtype") + b"(" + text("f4") + b"K\x00K\x01tR"
RECONSTRUCT = name("numpy.core.multiarray", "_reconstruct")


def storage(values: torch.Tensor) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Pickles of networks hold the kind of storage that torch is to drop one day.
        warnings.simplefilter("ignore")
        torch.save(values.storage(), buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def network(**state: bytes) -> bytes:
    """A network whose state has the given pickled values."""
    inner = b"}(" + b"".join(text(key) + value for key, value in state.items()) + b"u"
    meta = b"}(" + text("class_name") + text("Generator") + text("state") + inner
    meta += text("module_src") + text(f"import os; os.system({COMMAND!r})") + b"u"
    return PERSISTENT + b"(" + meta + b"tR"


EMPTY_NETWORK = {"_modules": b"}", "_buffers": b"}", "_parameters": b"}"}


def tensor(content: bytes, shape: bytes, stride: bytes) -> bytes:
    parameters = b"}" + text("weight") + REBUILD + b"(" + FROM_BYTES + b"(" + data(content) + b"tRK\x00"
    return parameters + b"(" + shape + b"t(" + stride + b"t\x89" + ORDERED + b")RtRs"


def zipped(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for entry, content in entries.items():
            archive.writestr(entry, content)
    return buffer.getvalue()


def zip_that_points_nowhere() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/byteorder", b"little")
        archive.writestr("a/data.pkl", b"\x80\x02}.")
        archive.infolist()[0].header_offset = 2**63
    return buffer.getvalue()


def torch_zip(pickled: bytes, compression: int = zipfile.ZIP_STORED, **more: bytes) -> bytes:
    extra = {f"a/data/{key[1:]}": value for key, value in more.items()}
    return zipped({"a/data.pkl": pickled, "a/version": b"3\n", **extra}, compression)


def persistent(count: bytes, kind: bytes = b"ctorch\nFloatStorage\n") -> bytes:
    return REBUILD + b"((" + text("storage") + kind + text("0") + text("cpu") + count + b"tQK\x00(K\x10t(K\x01t\x89}tR"


def safetensors(header: Any, content: bytes = b"", length: int | None = None) -> bytes:
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(encoded) if length is None else length) + encoded + content


def described(config: Any) -> bytes:
    metadata = {"format": "pulse-stylegan", "version": "1", "architecture": "stylegan2"}
    return save({"x": torch.zeros(1)}, metadata | {"config": config if isinstance(config, str) else json.dumps(config)})


def lying_network(folder: Path, expand: bool = False, **changes: Any) -> bytes:
    """A network that says something else of itself, or whose tensors are all views of one number."""
    size = changes.get("z_dim", 8) if expand else 8
    with torch.device("meta") if size > 8 else contextlib.nullcontext():
        generator = Generator(size, 0, size, 16, synthesis_kwargs={"channel_base": 1024, "channel_max": 64})
    for module in generator.modules():
        for key, parameter in module._parameters.items():
            if parameter is not None and expand:
                module._parameters[key] = torch.nn.Parameter(torch.zeros(()).expand(parameter.shape))
        for key, buffer in module._buffers.items():
            if buffer is not None and buffer.is_meta:
                usual = setup_filter((1, 3, 3, 1))
                module._buffers[key] = usual if key == "resample_filter" else torch.zeros(buffer.shape)
    for key, value in changes.items():
        setattr(generator, key, value)
    write_nvidia(folder / "lying.pkl", {"G_ema": generator})
    return (folder / "lying.pkl").read_bytes()


def one_row_for_all() -> bytes:
    state = torch.load(DATA / "rosinality_64.pt", weights_only=True)["g_ema"]
    row = torch.zeros(max(tensor.numel() for tensor in state.values()))
    views = {name: row[: t.numel()].view(t.shape) for name, t in state.items() if not name.endswith("kernel")}
    buffer = io.BytesIO()
    torch.save({"g_ema": views}, buffer)
    return buffer.getvalue()


def wide_pickle(body: bytes, count: int) -> bytes:
    return b"\x80\x04](" + body * count + b"e."


def corpus(folder: Path) -> dict[str, bytes]:
    """Hostile files by name."""
    golden = (DATA / "nvidia_ada_64.pkl").read_bytes()
    rosinality = (DATA / "rosinality_64.pt").read_bytes()
    files = {
        f"call {module}.{attribute}": whole(calling(module, attribute))
        for module, attribute in (
            ("os", "system"),
            ("posix", "system"),
            ("builtins", "eval"),
            ("builtins", "exec"),
            ("builtins", "getattr"),
            ("builtins", "__import__"),
            ("__builtin__", "eval"),
            ("subprocess", "Popen"),
            ("torch", "load"),
            ("torch.serialization", "load"),
            ("torch.hub", "load"),
            ("torch.jit", "load"),
            ("numpy", "load"),
            ("numpy.core.multiarray", "fromfile"),
            ("pickle", "loads"),
            ("importlib", "import_module"),
            ("_codecs", "encode"),
            ("operator", "attrgetter"),
            ("functools", "partial"),
            ("copyreg", "__newobj__"),
            ("collections", "defaultdict"),
            ("torch_utils.persistence", "persistent_class"),
            ("torch._utils", "_rebuild_device_tensor_from_numpy"),
        )
    }
    files |= {
        "name by the stack": b"\x80\x04" + new_name("os", "system") + b"(" + text(COMMAND) + b"tR.",
        "dotted name": b"\x80\x04" + new_name("collections", "OrderedDict.__class__") + b"(tR.",
        "protocol 0": b"cos\nsystem\n(S'" + COMMAND.encode() + b"'\ntR.",
        "name with a terminal's escapes": b"\x80\x04" + new_name("os\x1b[2J", "system\r\n") + b")R.",
        "only imported": whole(name("this", "s")),
        "INST": b"\x80\x04(" + text(COMMAND) + b"ios\nsystem\n.",
        "OBJ": b"\x80\x04(" + ORDERED + text("x") + b"o.",
        "NEWOBJ": b"\x80\x04" + name("subprocess", "Popen") + b"(" + text(COMMAND) + b"t\x81.",
        "NEWOBJ of a function": b"\x80\x04" + FROM_BYTES + b")\x81.",
        "NEWOBJ_EX": b"\x80\x04" + ORDERED + b")}\x92.",
        "EXT1": b"\x80\x04\x82\x01.",
        "EXT2": b"\x80\x04\x83\x01\x00.",
        "EXT4": b"\x80\x04\x84\x01\x00\x00\x00.",
        "PERSID": b"\x80\x04Pos.system\n.",
        "BINPERSID": b"\x80\x04" + text("os.system") + b"Q.",
        "NEXT_BUFFER": b"\x80\x05\x97.",
        "READONLY_BUFFER": b"\x80\x05K\x00\x98.",
        "BUILD into a class": b"\x80\x04" + ORDERED + b"}" + text("__class__") + name("os", "system") + b"sb.",
        "BUILD of a name": b"\x80\x04" + ORDERED + b"}" + text("__init__") + text("x") + b"sb.",
        "BUILD of an object's class": b"\x80\x04" + NETWORK + b")\x81}" + text("__class__") + text("os") + b"sb.",
        "BUILD with slots": b"\x80\x04" + ORDERED + b")RN}" + text("__class__") + text("os") + b"s\x86b.",
        "BUILD of a number": b"\x80\x04K\x01}b.",
        "calls a text": b"\x80\x04" + text("os.system") + b"(" + text(COMMAND) + b"tR.",
        "calls a network": whole(network(**EMPTY_NETWORK) + b")R"),
        "dtype of objects": whole(name("numpy", "dtype") + b"(" + text("O8") + b"K\x00K\x01tR"),
        "dtype of a call": whole(name("numpy", "dtype") + b"(" + calling("os", "system") + b"tR"),
        "dtype with fields": whole(DTYPE + b"(K\x03" + text("<") + b"N(" + text("x") + b"t}J\xff\xff\xff\xffNK\x00tb"),
        "array of another class": whole(RECONSTRUCT + b"(" + ORDERED + b"(K\x00tC\x01btR"),
        "ndarray called": whole(name("numpy", "ndarray") + b"((J\xff\xff\xff\x7ftt\x52"),
        "scalar of no type": whole(name("numpy.core.multiarray", "scalar") + b"(" + text("O") + b"C\x04aaaatR"),
        "parameter of a dictionary": whole(name("torch._utils", "_rebuild_parameter") + b"(}\x88}tR"),
        "ordered dictionary of calls": whole(ORDERED + b"(](" + calling("os", "system") + b"etR"),
        "key that calls": b"\x80\x04}" + calling("os", "system") + b"K\x01s.",
        "keys that collide": b"\x80\x04}("
        + b"".join(text("x")[:0] + b"G" + struct.pack(">d", i) + b"N" for i in range(9))
        + b"u.",
        "network with a wrong state": whole(PERSISTENT + b"(}" + text("state") + text("x") + b"stR"),
        "network that is nothing": whole(network(**EMPTY_NETWORK)),
        "network within itself": whole(
            network(**EMPTY_NETWORK).replace(text("state") + b"}", text("state") + b"}q\x01")
            + b"q\x02h\x01"
            + text("_modules")
            + b"}"
            + text("x")
            + b"h\x02ss0"
        ),
        "tensor of a call": whole(
            network(**EMPTY_NETWORK | {"_parameters": b"}" + text("w") + calling("os", "system") + b"s"})
        ),
    }
    nested = {
        "a pickle": pickle.dumps({"a": 1}),
        "a pickle that calls": b"\x80\x02" + calling("os", "system") + b"." + bytes(64),
        "nothing": bytes(64),
        "a zip archive": torch_zip(b"\x80\x02" + calling("os", "system") + b"."),
        "a storage that lies": storage(torch.zeros(4))
        .replace(b"K\x04", b"K\x7f")
        .replace(b"\x04" + bytes(7), b"\x7f" + bytes(7)),
        "half a storage": storage(torch.zeros(400))[:-400],
        "a whole tensor": (
            lambda b: (torch.save(torch.zeros(9), b, _use_new_zipfile_serialization=False), b.getvalue())[1]
        )(io.BytesIO()),
    }
    for what, content in nested.items():
        files[f"storage that is {what}"] = whole(
            network(**EMPTY_NETWORK | {"_parameters": tensor(content, b"K\x04", b"K\x01")})
        )
    deep = 200_000
    files |= {
        "bytes of 2^62": whole(b"\x8e" + struct.pack("<Q", 2**62)),
        "text of 2^40": whole(b"\x8d" + struct.pack("<Q", 2**40)),
        "bytearray of 2^50": whole(b"\x96" + struct.pack("<Q", 2**50)),
        "bytes of 2^31": whole(b"B" + struct.pack("<I", 2**31)),
        "number of 2^31 bytes": whole(b"\x8b" + struct.pack("<I", 2**31 - 1)),
        "number of a megabyte": whole(b"I" + b"9" * MEGABYTE + b"\n"),
        "memo of 2^32": whole(b"}r" + struct.pack("<I", 2**32 - 1)),
        "memo that is empty": whole(b"h\x07"),
        "frame of 2^63": b"\x80\x04\x95" + struct.pack("<Q", 2**63) + b"}.",
        "many dictionaries": wide_pickle(b"}", 3_000_000),
        "many sets": wide_pickle(b"\x8f", 1_000_000),
        "many texts": wide_pickle(text("\U0001f600" + "a" * 4000), 3000),
        "many numbers": wide_pickle(b"G" + bytes(8), 1_000_000),
        "many memos": b"\x80\x04N" + b"".join(b"r" + struct.pack("<I", i) for i in range(300_000)) + b".",
        "lists of lists": b"\x80\x04]q\x000"
        + b"".join(b"]" + (b"h" + bytes([i]) + b"a") * 10 + b"q" + bytes([i + 1]) + b"0" for i in range(90))
        + b"hZ.",
        "deep tuples": whole(b"N" + b"\x85" * deep),
        "deep lists": whole(b"]" * 100_000 + b"a" * 99_999),
        "deep marks": b"\x80\x04" + b"(" * deep + b"t" * deep + b".",
        "deep dictionaries": b"\x80\x04" + b"}K\x01" * 60_000 + b"N" + b"s" * 60_000 + b".",
        "list within itself": whole(b"]q\x00h\x00a"),
        "stack that is empty": b"\x80\x04.",
        "stack that is full": b"\x80\x04}}.",
        "tuple of nothing": b"\x80\x04\x87.",
        "unknown instruction": b"\x80\x04\xff.",
        "unknown protocol": b"\x80\x09}.",
        "network of one number repeated": lying_network(folder, expand=True),
        "network of one row of numbers": one_row_for_all(),
        "network of 10^8 numbers that are not there": lying_network(folder, expand=True, z_dim=4096, w_dim=4096),
        "tensor with steps backwards": whole(
            network(**EMPTY_NETWORK | {"_parameters": tensor(storage(torch.zeros(4)), b"K\x04", b"J\xff\xff\xff\xff")})
        ),
        "network of 2^60 px": lying_network(folder, img_resolution=2**60),
        "network of 4096 px": lying_network(folder, img_resolution=4096),
        "network of half a px": lying_network(folder, img_resolution=16.5),
        "network of 10^9 numbers": lying_network(folder, z_dim=10**9, w_dim=10**9),
        "network of -3 colours": lying_network(folder, img_channels=-3),
    }
    half = len(golden) // 2
    files |= {f"truncated at {n}": golden[:n] for n in (1, 2, 100, 5000, half, len(golden) - 1)}
    files |= {
        f"archive truncated at {n}": rosinality[:n] for n in (4, 1000, len(rosinality) // 2, len(rosinality) - 30)
    }
    zeros = bytes(20 * MEGABYTE)
    good = (
        b"\x80\x02}"
        + text("g_ema")
        + b"}"
        + text("input.input")
        + persistent(b"J" + struct.pack("<i", len(zeros) // 4))
        + b"ss."
    )
    files |= {
        "archive that calls": torch_zip(b"\x80\x02" + calling("os", "system") + b"."),
        "archive of another kind": zipped({"word/document.xml": b"x"}),
        "archive with two pickles": zipped({"a/data.pkl": b"\x80\x02}.", "b/data.pkl": b"\x80\x02}."}),
        "archive that points nowhere": zip_that_points_nowhere(),
        "archive that climbs": zipped({"../../data.pkl": b"\x80\x02}.", "/etc/data.pkl": b"\x80\x02}."}),
        "zip bomb in the pickle": torch_zip(b"\x80\x02](" + b"}" * 20 * MEGABYTE + b"e.", zipfile.ZIP_DEFLATED),
        "zip bomb in the data": torch_zip(good, zipfile.ZIP_DEFLATED, _0=zeros),
        "archive without the data": torch_zip(good),
        "archive with less data": torch_zip(good, _0=bytes(100)),
        "archive with a negative length": torch_zip(good.replace(b"J" + struct.pack("<i", len(zeros) // 4), b"J\xff\xff\xff\xff"), _0=bytes(64)),
        "archive with a call for a type": torch_zip(b"\x80\x02" + persistent(b"K\x04", name("os", "system")) + b"."),
        "archive of many files": zipped({f"a/data/{i}": b"" for i in range(60_000)} | {"a/data.pkl": b"\x80\x02}."}),
        "archive of another order": zipped({"a/data.pkl": b"\x80\x02}.", "a/byteorder": b"big"}),
        "archive whose sizes lie": torch_zip(good, _0=bytes(64)).replace(struct.pack("<II", 64, 64), struct.pack("<II", 2**31, 2**31)),
        "old archive that calls": pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + b"\x80\x02" + calling("os", "system") + b".",
        "safetensors of 2^63": safetensors({}, length=2**63),
        "safetensors of 90 MB": safetensors({}, length=90 * MEGABYTE),
        "safetensors without an end": safetensors(b"{"),
        "safetensors, deep": safetensors(b'{"a":' * 50_000),
        "safetensors beyond its end": safetensors({"x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}),
        "safetensors that overlaps": safetensors({k: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for k in "ab"}, bytes(4)),
        "safetensors of 2^64": safetensors({"x": {"dtype": "F32", "shape": [2**33, 2**33], "data_offsets": [0, 4]}}, bytes(4)),
        "description, deep": described("[" * 5000),
        "description, long": described(" " * 200_000),
        "description of nothing": described({}),
        "description of 10^6 layers": described({"z_dim": 8, "c_dim": 0, "w_dim": 8, "img_resolution": 16, "mapping_kwargs": {"num_layers": 10**6}}),
        "description of 10^13 numbers": described({"z_dim": 10**6, "c_dim": 0, "w_dim": 10**7, "img_resolution": 1024}),
        "description of 2^40 px": described({"z_dim": 8, "c_dim": 0, "w_dim": 8, "img_resolution": 2**40}),
        "description of no number": described({"z_dim": float("nan"), "c_dim": 0, "w_dim": 8, "img_resolution": 16}),
        "description that calls": described({"z_dim": "__import__('os')", "c_dim": 0, "w_dim": 8, "img_resolution": 16}),
        "empty file": b"",
        "text": b"hello",
        "gzip": gzip.compress(golden[:1000]),
    }  # fmt: skip
    return files
