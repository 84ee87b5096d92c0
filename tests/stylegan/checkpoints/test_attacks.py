# ruff: noqa: E501
"""Attacks on what reading costs, each with relatives: none takes two seconds or 64 MB more than four times its size.

Each file is read in a process of its own, which is killed if it hangs.
"""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

import stylegan
from stylegan import CheckpointError
from stylegan.checkpoints.formats import budget
from tests.stylegan.checkpoints.hostile_files import (
    DATA,
    DTYPE,
    EMPTY_NETWORK,
    FROM_BYTES,
    NETWORK,
    ORDERED,
    RECONSTRUCT,
    data,
    name,
    network,
    storage,
    tensor,
    text,
    torch_zip,
    whole,
)

# Of wall clock, after which a file counts as a hang.
_PATIENCE = 60
LEAVES = b"K\x01" + b"2\x86" * 60


def memo(i: int) -> bytes:
    return b"r" + struct.pack("<I", i)


def recall(i: int) -> bytes:
    return b"j" + struct.pack("<I", i)


def shared_lists(depth: int = 60, width: int = 9, empty: bytes = b"]") -> bytes:
    """A list of the same list nine times, of the same list nine times, and so on."""
    levels = b"".join(memo(i) + b"0" + empty + (recall(i) + b"a") * width for i in range(depth))
    return empty + levels


def shared_dictionaries(depth: int = 60) -> bytes:
    return b"}" + b"".join(
        memo(i) + b"0}" + b"".join(b"K" + bytes([k]) + recall(i) + b"s" for k in range(9)) for i in range(depth)
    )


UNFOLDING = {
    "tuples": LEAVES,
    "tuples of 200 levels": b"K\x01" + b"2\x86" * 90,
    "triples": b"K\x01" + b"22\x87" * 60,
    "lists": shared_lists(),
    "dictionaries": shared_dictionaries(),
    "a list within itself": b"]" + memo(0) + recall(0) + b"a",
    "a dictionary within itself": b"}" + memo(0) + text("k") + recall(0) + b"s",
}


def tensorflow(static: bytes = b"}", variables: bytes = b"]", **more: bytes) -> bytes:
    """A pickle of a TensorFlow-era network three times."""
    state = {"version": b"K\x05", "static_kwargs": static, "variables": variables, "components": b"}"} | more
    body = b"}(" + b"".join(text(key) + value for key, value in state.items()) + b"u"
    return b"\x80\x04" + NETWORK + b")\x81" + body + b"b22\x87."


def array(shape: bytes, content: bytes) -> bytes:
    made = RECONSTRUCT + b"(" + name("numpy", "ndarray") + b"K\x00\x85C\x01btR"
    return made + b"(K\x01" + shape + DTYPE + b"\x89" + data(content) + b"tb"


def rosinality(changes: dict[str, torch.Tensor | None]) -> bytes:
    value = torch.load(DATA / "rosinality_64.pt", weights_only=True)
    value.pop("latent_avg", None)
    for key, new in changes.items():
        value["g_ema"].pop(key, None)
        if new is not None:
            value["g_ema"][key] = new
    buffer = io.BytesIO()
    torch.save({"g_ema": value["g_ema"]}, buffer)
    return buffer.getvalue()


def unfolding() -> dict[str, bytes]:
    """Kind 1: walks that unfold sharing, at every place of a description."""
    files = {}
    for form, value in UNFOLDING.items():
        files[f"alone, {form}"] = b"\x80\x04" + value + b"."
        for key in ("activation", "img_resolution", "z_dim", "_init_kwargs", "_modules", "_parameters", "architecture"):
            files[f"{key}, {form}"] = whole(network(**EMPTY_NETWORK | {key: value}))
        files[f"static_kwargs, {form}"] = tensorflow(value)
        for key in ("nonlinearity", "label_size", "resample_kernel", "structure", "conv_clamp"):
            files[f"{key}, {form}"] = tensorflow(b"}" + text(key) + value + b"s")
        files[f"pairs of static_kwargs, {form}"] = tensorflow(b"]" + value + b"K\x01\x86a")
        files[f"variables, {form}"] = tensorflow(variables=value)
        files[f"a variable's name, {form}"] = tensorflow(variables=b"]" + value + b"K\x01\x86a")
        files[f"components, {form}"] = tensorflow(components=value)
        files[f"version, {form}"] = tensorflow(version=value)
        files[f"a key, {form}"] = b"\x80\x04}" + value + b"K\x01s."
        files[f"arguments, {form}"] = b"\x80\x04" + DTYPE[:-2] + value + b"tR."
        files[f"state of a dtype, {form}"] = whole(
            DTYPE + b"(K\x03" + value + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        )
        files[f"state of an array, {form}"] = b"\x80\x04" + array(value, b"")[:-2] + b"tb."
        files[f"persistent id, {form}"] = torch_zip(b"\x80\x02" + value + b"Q.")
        files[f"value of torch.save, {form}"] = torch_zip(b"\x80\x02}" + text("g_ema") + value + b"s.")
    return files


def multiplying() -> dict[str, bytes]:
    """Kind 2: one long thing that is used again and again."""
    pairs = b"](" + b"".join(b"(" + text(f"k{i}") + b"K\x01t" for i in range(8000)) + b"e" + memo(0) + b"0"
    calls = b"](" + (ORDERED + recall(0) + b"\x85R") * 8000 + b"e"
    long = b"(" + b"K\x01" * 100_000 + b"t" + memo(0) + b"0"
    span = data(storage(torch.zeros(64))) + memo(0) + b"0"
    tensors = b"}(" + b"".join(text(f"t{i}") + b"N" for i in range(40_000)) + b"u" + memo(0) + b"0"
    modules = b"}(" + b"".join(
        text(f"m{i}") + network(_parameters=recall(0), _buffers=recall(0), _modules=b"}") for i in range(1500)
    )
    one = b"}" + memo(1) + b"0"
    return {
        "a list of pairs": b"\x80\x04" + pairs + calls + b".",
        "a list of pairs within a network": whole(network(**EMPTY_NETWORK | {"x": pairs + calls})),
        "one storage": b"\x80\x04" + span + b"](" + (FROM_BYTES + recall(0) + b"\x85R") * 60_000 + b"e.",
        "one storage within a network": whole(
            network(**EMPTY_NETWORK | {"x": span + b"](" + (FROM_BYTES + recall(0) + b"\x85R") * 60_000 + b"e"})
        ),
        "arguments": b"\x80\x04" + long + b"](" + (name("numpy", "dtype") + recall(0) + b"R") * 36_000 + b"e.",
        "arguments of an object": b"\x80\x04" + long + b"](" + (NETWORK + recall(0) + b"\x81") * 30_000 + b"e.",
        "a persistent id": torch_zip(b"\x80\x02" + long + (recall(0) + b"Q0") * 30_000 + b"N."),
        "parameters of every module": whole(tensors + network(**EMPTY_NETWORK | {"_modules": modules + b"u"})),
        "modules of every module": whole(
            one + network(**EMPTY_NETWORK | {"_modules": b"}" + text("a") + network(_modules=recall(1), **dict.fromkeys(("_parameters", "_buffers"), b"}")) + b"s"})
        ),
        "variables": tensorflow(variables=b"](" + (text("x" * 90) + memo(3) + b"G" + bytes(8) + b"\x86") + (recall(3) + b"K\x01\x86") * 60_000 + b"e"),
        "a list appended to itself": b"\x80\x04]" + memo(0) + b"(" + recall(0) * 200_000 + b"e.",
        "a text": b"\x80\x04" + text("w" * 4096) + memo(0) + b"0}(" + (recall(0) + b"N") * 100_000 + b"u.",
        "keys of a legacy file": b"".join(pickle.dumps(v, 2) for v in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
        + b"\x80\x02}.\x80\x02" + text("k" * 4000) + memo(0) + b"0](" + recall(0) * 200_000 + b"e.",
    }  # fmt: skip


def claiming() -> dict[str, bytes]:
    """Kind 3: shapes and numbers that a file only claims."""
    wide, empty = torch.zeros(1, 2_000_000), torch.empty(0, 2**39)
    files = {
        "a wide mapping layer": rosinality({"style.1.weight": wide}),
        "a wide mapping layer and z": rosinality({"style.1.weight": wide.reshape(2_000_000, 1)}),
        "an empty kernel": rosinality({"convs.0.conv.blur.kernel": empty}),
        "an empty weight": rosinality({"style.1.weight": empty}),
        "an empty input": rosinality({"input.input": torch.empty(0, 2**20, 4, 4)}),
        "no noise at all": rosinality({f"noises.noise_{i}": None for i in range(20)} | {"noises.noise_40": torch.zeros(1, 1, 4, 4)}),
        "a thousand resolutions": rosinality({"convs.99.conv.weight": torch.zeros(1, 1, 1, 3, 3)}),
        "complex weights": rosinality({"style.1.weight": torch.zeros(8, 8, dtype=torch.complex64)}),
        "integer weights": rosinality({"style.1.weight": torch.zeros(32, 32, dtype=torch.int32)}),
        "tensor of (0, 2^39)": whole(network(**EMPTY_NETWORK | {"_parameters": tensor(storage(torch.zeros(4)), b"K\x00\x8a\x06" + bytes(4) + b"\x80\x00", b"K\x01K\x01")})),
    }  # fmt: skip
    for shape in (b"K\x00\x8a\x06" + bytes(4) + b"\x80\x00\x86", b"(K\x00J\xff\xff\xff\x7ft", b"(K\x02K\x02K\x02t"):
        content = b"" if shape[:2] == b"K\x00" or shape[1:3] == b"K\x00" else bytes(32)
        for variable in ("4x4/Conv/weight", "Dense0/weight", "4x4/Const/const", "noise0"):
            pair = text(variable) + array(shape, content) + b"\x86"
            files[f"{variable} of {shape!r}"] = tensorflow(variables=b"]" + pair + b"a")
    numbers = [b"G" + struct.pack(">d", v) for v in (float("inf"), float("nan"), 1e300, -1.0)] + [
        b"\x88",
        text("abc"),
        b"]",
    ]
    for key in ("label_size", "mapping_lrmul", "num_fp16_res", "conv_clamp", "resample_kernel"):
        for i, number in enumerate(numbers):
            files[f"{key} of kind {i}"] = tensorflow(b"}" + text(key) + number + b"s")
    size = {"z_dim": 8, "c_dim": 0, "w_dim": 8, "img_resolution": 16}
    for key, value in {"z_dim": 2**40, "c_dim": 10**9, "img_channels": 10**9, "img_resolution": 2**30}.items():
        config = json.dumps(size | {key: value})
        metadata = {"format": "pulse-stylegan", "version": "1", "architecture": "stylegan2", "config": config}
        files[f"{key} in JSON"] = save({"x": torch.zeros(1)}, metadata)
    files["complex safetensors"] = save({"x": torch.zeros(1, dtype=torch.complex64)}, {"format": "pulse-stylegan"})
    return files


def archives() -> dict[str, bytes]:
    """Archives whose end leads two readers to different places."""
    good = torch_zip(b"\x80\x02}.")
    end = good[-22:]
    record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, 60, 0)
    far = struct.pack("<Q", 2**63)
    other = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 2**40, 2**40, 2**40, 0)
    files = {}
    for i, position in enumerate((struct.pack("<Q", 0), far, struct.pack("<Q", len(good) - 22))):
        locator = b"PK\x06\x07" + bytes(4) + position + struct.pack("<I", 1)
        files[f"zip64, place {i}"] = good[:-22] + record + locator + end
        files[f"zip64, other record, place {i}"] = b"PK\x03\x04" + other + good[:-22] + record + locator + end
    files["far directory"] = good[:-6] + b"\xff\xff\xff\xff\x00\x00"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i in range(8000):
            archive.writestr(f"a/data/{i}" + "x" * 20, b"")
    files["many members"] = buffer.getvalue()
    return files


_READ = """
import json, re, resource, sys, time
from pathlib import Path
import torch
import stylegan

# A file that takes what it likes fails here before it takes the machine.
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, resource.RLIM_INFINITY))

status = Path("/proc/self/status")
def peak():
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", status.read_text())[1]) if status.exists() else 0

for sample in ("nvidia_ada_64.pkl", "rosinality_64.pt", "stylegan2_tf_64.pkl"):
    stylegan.load(Path(sys.argv[1]) / sample)
for line in sys.stdin:
    path = Path(line.rstrip("\\n"))
    if status.exists():
        Path("/proc/self/clear_refs").write_text("5")
    before, begun, outcome = peak(), time.process_time(), "loaded"
    try:
        stylegan.load(path)
    except BaseException as error:
        outcome = type(error).__name__ + ": " + str(error)
    print(json.dumps([outcome, time.process_time() - begun, peak() - before]), flush=True)
"""


class Reader:
    """A process that reads files; a file over which it hangs or dies is told, and costs it its life."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _READ, str(DATA)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __call__(self, path: Path) -> tuple[str, float, int]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        watch = threading.Timer(_PATIENCE, self.process.kill)
        watch.start()
        line = self.process.stdout.readline()
        watch.cancel()
        assert line, "the file hung or ended the process that read it"
        outcome, seconds, grown = json.loads(line)
        return outcome, seconds, grown

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.mark.parametrize("kind", [unfolding, multiplying, claiming, archives])
def test_no_file_takes_time_or_memory(kind: Callable[[], dict[str, bytes]], tmp_path: Path) -> None:
    reader = Reader()
    path = tmp_path / "x.pkl"
    try:
        for what, content in kind().items():
            path.write_bytes(content)
            outcome, seconds, grown = reader(path)
            assert outcome.startswith("CheckpointError: "), (what, outcome[:300])
            assert "makes no sense (" not in outcome, (what, outcome)
            assert outcome.isprintable(), (what, outcome)
            assert len(outcome) < 700, (what, outcome)
            assert seconds < 2, (what, seconds)
            assert grown < 4 * len(content) + 64_000_000, (what, grown)
    finally:
        reader.close()


def test_a_limit_can_be_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = (DATA / "nvidia_ada_64.pkl").read_bytes()
    (tmp_path / "x.pkl").write_bytes(good[:-1] + text("more") + b"](" + b"N" * 400_000 + b"es.")
    with pytest.raises(CheckpointError, match=r"more work than .* SECURITY\.md"):
        stylegan.load(tmp_path / "x.pkl")
    monkeypatch.setattr(budget, "WORK", 10_000_000)
    assert stylegan.load(tmp_path / "x.pkl").img_resolution == 64


def test_a_long_file_is_not_refused_for_its_length(tmp_path: Path) -> None:
    """The budget grows with the file: what a network holds beside its tensors may be long."""
    good = (DATA / "nvidia_ada_64.pkl").read_bytes()
    more = b"](" + b"".join(b"}(" + text("a") + b"K\x01u" for _ in range(20_000)) + b"e"
    (tmp_path / "x.pkl").write_bytes(good[:-1] + text("more") + more + b"s.")
    assert stylegan.load(tmp_path / "x.pkl").img_resolution == 64
