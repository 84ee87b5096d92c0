from __future__ import annotations

import copy
import io
import json
import math
import os
import pickle
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from pulse import Result, search
from pulse.pictures import story


@pytest.fixture
def result(stand_in) -> Result:
    target = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return search(stand_in(), target, seed=7, steps=3, starts=2, return_all=True)


def same(a, b) -> bool:
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a.nan_to_num(-1), b.nan_to_num(-1))
    if isinstance(a, Result):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(Result))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b and type(a) is type(b)


@pytest.mark.parametrize("keep", [True, False])
def test_a_result_comes_back_as_it_was(result, tmp_path, keep):
    result.history["loss"][0, 2] = math.nan
    result.interrupted = True
    if not keep:
        result.all_starts = None
    result.save(tmp_path / "found.safetensors")
    assert [p.name for p in tmp_path.iterdir()] == ["found.safetensors"]
    assert same(result, Result.load(tmp_path / "found.safetensors"))


def test_a_failed_save_leaves_the_old_file_and_nothing_else(result, tmp_path, monkeypatch):
    path = tmp_path / "found.safetensors"
    path.write_bytes(b"old")

    def fail(name, data):
        with name.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="disk full"):
        result.save(path)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_files_that_are_no_results_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    with pytest.raises(FileNotFoundError, match="There is no result file"):
        Result.load(path)
    path.write_bytes(b"not a tensor file")
    with pytest.raises(ValueError, match="is not a search result"):
        Result.load(path)
    save_file({"images": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="is not a search result"):
        Result.load(path)
    save_file({"images": torch.zeros(1)}, path, {"format": "pulse-result-1", "result": "{}"})
    with pytest.raises(ValueError, match="is not a search result"):
        Result.load(path)


def saved(result, tmp_path, change):
    """The file of a result with its tensors and facts changed."""
    path = tmp_path / "changed.safetensors"
    result.save(path)
    tensors = load_file(path)
    facts = json.loads(result_file_text(path))
    change(tensors, facts)
    save_file(tensors, path, {"format": "pulse-result-1", "result": json.dumps(facts)})
    return path


def result_file_text(path):
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return header["__metadata__"]["result"]


def put(name, value):
    return lambda tensors, facts: tensors.__setitem__(name, value)


def state(name, value):
    return lambda tensors, facts: facts.__setitem__(name, value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensors, facts: tensors.pop("loss"), "tensor loss is missing"),
        (lambda tensors, facts: tensors.pop("noise.1"), r"tensor noise\.1 is missing"),
        (lambda tensors, facts: tensors.pop("all_starts.ws"), r"tensor all_starts\.ws is missing"),
        (put("more", torch.zeros(1)), "unknown tensor 'more'"),
        (put("images", torch.zeros(2, 1, 32, 32)), "shapes that do not fit"),
        (put("images", torch.zeros(2, 3, 32)), "tensor images is"),
        (put("images", torch.zeros(3, 3, 32, 32)), r"tensor downsampled is \(2"),
        (put("target", torch.zeros(2, 3, 9, 8)), "shapes that do not fit"),
        (put("reached", torch.zeros(2)), r"tensor reached is \(2,\), torch.float32"),
        (put("l2", torch.tensor(0.0)), r"tensor l2 is \(\)"),
        (put("l2", torch.zeros(2, dtype=torch.float16)), "tensor l2 is"),
        (put("history.l2", torch.zeros(3, 4)), r"tensor history\.l2 is"),
        (state("seed", True), "its seed"),
        (state("seed", 10**100), "its seed"),
        (state("seeds", [1]), "1 seeds for 2 images"),
        (state("seeds", ["a", "b"]), "its seeds"),
        (state("settings", [1]), "its settings"),
        (state("settings", {"eps": "a"}), "its setting eps"),
        (state("settings", {"space": []}), "its setting space"),
        (put("images", torch.zeros(2, 3, 0, 32)), "shapes that do not fit"),
        (state("interrupted", 1), "its interrupted"),
        (state("noise", 10**18), "is missing"),
        (state("noise", "3"), "its noise"),
        (state("history", ["loss", "loss"]), "its history"),
        (state("history", [["loss"]]), "its history"),
        (state("all_starts", 1), "its all_starts"),
        (lambda tensors, facts: facts["all_starts"].__setitem__("all_starts", {}), "all_starts do not fit"),
        (lambda tensors, facts: facts.clear(), "its seed is missing"),
    ],
)
def test_changed_files_are_refused_in_a_sentence(result, tmp_path, change, words):
    path = saved(result, tmp_path, change)
    with pytest.raises(ValueError, match=words) as caught:
        Result.load(path)
    assert re.fullmatch(
        r"The file '.*' is not a search result \(.*\); give a file written by Result.save\.", str(caught.value)
    )


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "[]", "1", '{"seed": ' + "9" * 10_000 + "}", "\ud800"]
)
def test_metadata_that_is_no_description(tmp_path, text):
    header = json.dumps({"__metadata__": {"format": "pulse-result-1", "result": text}}).encode()
    (tmp_path / "x").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ValueError, match="is not a search result"):
        Result.load(tmp_path / "x")


def test_random_damage_is_refused_or_shown(result, tmp_path):
    path = tmp_path / "found"
    result.settings["generator"] = ["anything"]
    result.save(path)
    good = path.read_bytes()
    header = int.from_bytes(good[:8], "little")
    rng = np.random.default_rng(0)
    read, refusals = 0, []
    for _ in range(300):
        bad = bytearray(good)
        for _ in range(rng.integers(1, 4)):
            # Mostly in the header; what is changed elsewhere are numbers.
            bad[rng.integers(0, 8 + header if rng.random() < 0.8 else len(bad))] = rng.integers(32, 127)
        path.write_bytes(bad[: rng.integers(0, len(bad))] if rng.random() < 0.1 else bad)
        try:
            found = Result.load(path)
        except ValueError as error:
            refusals.append(str(error))
        else:
            read += 1
            assert "of 255 grey levels" in found.verdict() + repr(found) + found._repr_html_()
    assert read
    assert refusals
    assert all(text.isprintable() for text in refusals)


def test_a_header_of_a_million_tensors_is_refused_unread(tmp_path):
    entry = b'{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    header = b"{" + b",".join(b'"%d":%b' % (i, entry) for i in range(1_300_000)) + b"}"
    (tmp_path / "x").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ValueError, match="is the limit"):
        Result.load(tmp_path / "x")


def test_cut_large_and_unreadable_files(result, tmp_path, monkeypatch):
    path = tmp_path / "found"
    result.save(path)
    with pytest.raises(ValueError, match="1,000 is the limit"):
        Result.load(path, max_bytes=1000)
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(ValueError, match="is not a search result"):
        Result.load(path)
    with pytest.raises(ValueError, match="not a regular file"):
        Result.load(tmp_path)

    def refuse(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(PermissionError, match=r"^The result file '.*' cannot be read \(Permission denied\); check"):
        Result.load(path)


def test_a_file_of_before_seeds_were_kept(result, tmp_path):
    path = saved(result, tmp_path, lambda tensors, facts: facts.pop("seeds"))
    assert Result.load(path).seeds == (7, 8)


def test_one_image_of_a_result_is_what_a_search_alone_finds(result, stand_in):
    assert result.seeds == (7, 8)
    second = result[1]
    alone = search(stand_in(), result.target[1:], seed=8, steps=3, starts=2, return_all=True)
    assert len(second) == 1
    assert second.seed == second.settings["seed"] == 8
    torch.testing.assert_close(second.images, alone.images)
    assert torch.equal(second.start, alone.start)
    assert second.settings == alone.settings
    assert second.all_starts.seeds == alone.all_starts.seeds == (8, 8)
    torch.testing.assert_close(second.all_starts.loss, alone.all_starts.loss)
    # A row of all_starts knows its image's seed.
    assert result.all_starts[3].seed == 8
    assert same(result.all_starts[3].images, result.all_starts.images[3:])


def test_indexing_and_iteration(result):
    assert same(result[-1], result[1])
    assert same(result[0:1], result[0])
    assert result[::-1].seeds == (8, 7)
    assert result[torch.tensor([1, 1])].seeds == (8, 8)
    assert len(result[2:]) == 0
    assert repr(result[2:]) == "Result(no images)"
    assert [one.seed for one in result] == [7, 8]
    assert same(result[:], result)
    for key in (2, -3, [0, 2]):
        with pytest.raises(IndexError, match="has 2 images and none at"):
            result[key]
    with pytest.raises(TypeError):
        result["images"]
    # What a picture says of itself follows.
    assert [story(result[::-1], i, "default")["seed"] for i in (0, 1)] == ["8", "7"]
    assert "seed=7" in story(result[::-1], 1, "default")["again"]
    # A copy: neither changes with the other, nor drags the other's memory along.
    one = result[0]
    one.images.zero_()
    assert result.images[0].any()
    assert one.images.untyped_storage().nbytes() == 4 * one.images.numel()


def test_results_are_compared_copied_and_pickled(result):
    assert result == result
    assert result != result[:]
    assert len({result, result}) == 1
    assert same(copy.deepcopy(result), result)
    assert same(pickle.loads(pickle.dumps(result)), result)
    with pytest.raises(ValueError, match="2 images and 1 seeds"):
        Result(**{**vars(result), "seeds": (1,)})


def test_the_repr_is_one_line(result):
    result.l2 = torch.tensor([0.00123, 0.04])
    result.reached = torch.tensor([True, False])
    assert (
        repr(result)
        == "Result(2 images of 32 x 32, l2 0.0012 to 0.04, 1 of 2 reached eps 0.002, by the network, seed 7)"
    )
    one = result[1]
    one.interrupted = True
    assert (
        repr(one)
        == "Result(1 image of 32 x 32, l2 0.04, 0 of 1 reached eps 0.002, by the network, seed 8, interrupted)"
    )


def test_the_verdict_says_the_numbers_in_words(result):
    result.l2 = torch.tensor([0.0016, 0.04])
    result.reached = torch.tensor([True, False])
    good, bad = result.verdict(0), result.verdict(1)
    assert good.startswith("Made small, the image typically differs from the target by 10.2 of 255 grey levels; ")
    assert "11.4 are allowed: it fits." in good
    assert "by 51.0 of 255 grey levels; 11.4 are allowed: it does not fit." in bad
    result.l2[1] = 0.00201
    assert "by 11.432 of 255 grey levels; 11.404 are allowed: it does not fit." in result.verdict(1)
    assert f"{float(result.spread[1]):.2f} deviations apart" in bad
    assert "one colour" not in good + bad
    result.target = torch.full_like(result.target, 0.3)
    result.target[1] += 0.05 * torch.arange(8).fmod(2)
    assert result.one_colour.tolist() == [True, True]
    result.target[1] += 0.1 * torch.arange(8).fmod(2)
    assert result.one_colour.tolist() == [True, False]
    assert "nearly one colour" in result.verdict()
    result.target = result.downsampled = result.images
    assert result.verdict().startswith("Measured like its target")


def test_spread_and_radius_are_those_of_the_generators_deviations(result):
    rng = torch.Generator().manual_seed(0)
    own = torch.randn(2, 1, 10_000, generator=rng)
    result.latents = own.expand(-1, 4, -1)
    torch.testing.assert_close(result.spread, torch.zeros(2))
    torch.testing.assert_close(result.radius, torch.ones(2), atol=0.05, rtol=0)
    result.latents = torch.randn(2, 18, 10_000, generator=rng)
    torch.testing.assert_close(result.spread, torch.full((2,), (17 / 18) ** 0.5), atol=0.02, rtol=0)
    result.settings["space"] = "w+"
    torch.testing.assert_close(result.radius, torch.full((2,), 0.1), atol=0.01, rtol=0)


def test_a_notebook_shows_pictures_and_words(result):
    result.settings["generator"] = "<script>alert(1)</script>"
    result.history["l2"][0, 1] = math.nan
    page = result._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "http" not in page
    assert page.count("<img") == 6
    assert page.count("<polyline") == 2
    assert "nan" not in page.split("<polyline")[1]
    assert all(one.verdict().split(":")[0] in page for one in result)
    many = result[[0] * 9]
    assert "and 3 more" in many._repr_html_()
    assert len(many._repr_html_()) < 300_000
    assert Image.open(io.BytesIO(many._repr_png_())).format == "PNG"
    assert result[2:]._repr_png_() is None
    assert "no images" in result[2:]._repr_html_()


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (2, 2, 8, 8), (2, 4, 8, 8), (2, 5)])
def test_a_notebook_shows_measurements_of_any_shape(result, shape):
    result.target = result.downsampled = torch.rand(shape)
    result.history = {}
    assert "<img" in result._repr_html_()
    assert "svg" not in result._repr_html_()


def test_the_picture_is_the_image_in_8_bits(result):
    assert result.to_pil() == result.to_pil(0) == result[0].to_pil()
    assert result.to_pil(-1) == result.to_pil(1)
    picture = result.to_pil(1)
    assert picture.mode == "RGB"
    assert picture.size == (32, 32)
    expected = result.images[1].permute(1, 2, 0).numpy() * 255
    assert np.abs(np.asarray(picture) - expected).max() <= 0.5 + 1e-4


def test_importing_pulse_loads_nothing_heavy():
    code = (
        "import torch, time, sys; before = set(sys.modules); t = time.process_time(); import pulse; "
        "print(time.process_time() - t); "
        "heavy = ('typer', 'rich', 'dlib', 'scipy', 'PIL', 'stylegan.networks'); "
        "print(*(m for m in heavy if m in set(sys.modules) - before))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert float(out[0]) < 0.2
    assert out[1] == ""
