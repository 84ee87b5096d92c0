from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from stylegan.common import tensors as module
from stylegan.common.tensors import MAX_HEADER, TensorFileError, read_tensors

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
DTYPES += [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool]


def raw(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(shape: object, begin: object, end: object, dtype: object = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_safetensors_writes_comes_back(tmp_path, dtype):
    path = tmp_path / "x.safetensors"
    # The byte before each tensor unaligns its offset.
    first = {"odd": torch.tensor([7], dtype=torch.uint8), "full": torch.arange(12).reshape(3, 4).to(dtype)}
    first |= {"scalar": torch.tensor(1).to(dtype), "none": torch.zeros(0, 5, dtype=dtype)}
    path.write_bytes(save(first, {"a": "b"}))
    found, metadata = read_tensors(path)
    assert metadata == {"a": "b"}
    assert found.keys() == first.keys()
    for name, tensor in first.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
    os.truncate(path, 0)
    assert torch.equal(found["full"], first["full"])


def test_tensors_keep_only_their_own_memory(tmp_path):
    (tmp_path / "x").write_bytes(save({"large": torch.zeros(10_000), "small": torch.zeros(2)}))
    found, _ = read_tensors(tmp_path / "x")
    assert found["small"].untyped_storage().nbytes() == 8


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "shorter than a header"),
        (b"<html><body>", "another kind of file"),
        ((2**63).to_bytes(8, "little"), "header is cut"),
        (raw(b"[" * 100_000), "not JSON"),
        (raw(b'{"a":' * 50_000), "not JSON"),
        (raw(b"\xff\xfe{}"), "not JSON"),
        (raw(b'{"__metadata__": ' + b"9" * 10_000 + b"}"), "not JSON"),
        (raw([]), "not a JSON object"),
        (raw(b"{}" + b" " * MAX_HEADER), "1,000,000 is the limit"),
        (raw(b'{"a": NaN}'), "contains NaN"),
        (raw(b'{"a": {}, "a": {}}'), "a name twice"),
        (raw({"__metadata__": {"a": 1}}), "object of strings"),
        (raw({"__metadata__": ["a"]}), "object of strings"),
        (raw({"a": [1]}), "lacks a type"),
        (raw({"a": {**entry([1], 0, 4), "more": 1}}, bytes(4)), "has more"),
        (raw({"\x1b[31m" + "a" * 5000: 1}), r"entry '\\x1b\[31ma{55}' of"),
        (raw({"a": entry([1], 0, 4, "C64")}, bytes(4)), "type of tensor 'a'"),
        (raw({"a": entry([1], 0, 4, ["F32"])}, bytes(4)), "type of tensor 'a'"),
        (raw({"a": entry([True], 0, 4)}, bytes(4)), "shape of tensor 'a'"),
        (raw({"a": entry([1.0], 0, 4)}, bytes(4)), "shape of tensor 'a'"),
        (raw({"a": entry([-1], 0, 4)}, bytes(4)), "shape of tensor 'a'"),
        (raw({"a": entry([0, 2**39], 0, 0)}), "shape of tensor 'a'"),
        (raw({"a": entry([1] * 9, 0, 4)}, bytes(4)), "shape of tensor 'a'"),
        (raw({"a": entry("1", 0, 4)}, bytes(4)), "shape of tensor 'a'"),
        (raw({"a": entry([1], 0, 8)}, bytes(4)), "bytes of tensor 'a' are not in the file"),
        (raw({"a": entry([2], 0, 4)}, bytes(8)), "does not fit"),
        (raw({"a": entry([0], 4, 0)}, bytes(4)), "does not fit"),
        (raw({"a": entry([1], 0, 4), "b": entry([1], 0, 4)}, bytes(4)), "overlap"),
        (raw({"a": entry([1], 4, 8)}, bytes(8)), "leave gaps"),
        (raw({"a": entry([1], 0, 4)}, bytes(9)), "5 of its bytes belong to no tensor"),
        (raw({"a": entry([2], 0, 2, "BOOL")}, b"\1\2"), "neither 0 nor 1"),
    ],
)
def test_damage_is_told_in_one_sentence(tmp_path, data, words):
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(TensorFileError, match=words) as caught:
        read_tensors(path)
    assert str(caught.value) == (
        f"{path} cannot be read as a safetensors file ({caught.value.reason}); fetch or write it again."
    )
    assert str(caught.value).isprintable()


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_mutations_are_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "mutated"
    good = bytearray(save({"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.bool)}, {"k": "v"}))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(good[: data.draw(st.integers(0, len(good)))] if data.draw(st.booleans()) else good)
    try:
        found, _ = read_tensors(path)
    except TensorFileError:
        return
    assert sum(t.nbytes for t in found.values()) <= len(good)


def test_a_file_that_is_cut_while_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(save({"a": torch.zeros(1000), "b": torch.zeros(1_000_000)}))
    inner = module._tensor

    def cut(*arguments):
        os.truncate(path, 3000)
        return inner(*arguments)

    monkeypatch.setattr(module, "_tensor", cut)
    with pytest.raises(TensorFileError, match="cut while it was read"):
        read_tensors(path)


def test_what_the_caller_refuses_is_not_read(tmp_path):
    path = tmp_path / "x"
    # Sparse: 1 TB on paper.
    length = 2**40
    path.write_bytes(raw({"a": entry([length // 4], 0, length)}))
    os.truncate(path, path.stat().st_size + length)
    with pytest.raises(TensorFileError, match="1,000 is the limit"):
        read_tensors(path, max_bytes=1000)

    def refuse(shapes, metadata):
        raise KeyError(shapes["a"])

    with pytest.raises(KeyError):
        read_tensors(path, refuse)


def test_what_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(TensorFileError, match="not a regular file"):
            read_tensors(path)
    with pytest.raises(FileNotFoundError):
        read_tensors(tmp_path / "nothing")


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss differs elsewhere")
def test_a_hostile_header_takes_little_memory(tmp_path):
    # The worst known: many small containers, just below the limit.
    (tmp_path / "x").write_bytes(raw(b'{"a":[' + b",".join([b"[]"] * 333_000) + b"]}"))
    (tmp_path / "y").write_bytes(raw({f"{i}": {} for i in range(1_300_000)}))
    code = """
import resource, sys
from stylegan.common.tensors import read_tensors
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        read_tensors(path)
    except ValueError:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "x"), str(tmp_path / "y")]
    grown = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert grown * 1024 < 40e6
