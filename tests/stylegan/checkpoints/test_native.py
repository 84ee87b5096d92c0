"""Our own file format: a round trip, and a sentence for every damaged file."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import stylegan
from stylegan import CheckpointError, Discriminator
from stylegan.checkpoints.formats import native
from stylegan.common import files
from stylegan.networks import stylegan1
from stylegan.networks.stylegan2 import Generator

SMALL = {"channel_base": 128, "channel_max": 8}


def _generator(c_dim: int = 0) -> Generator:
    torch.manual_seed(1)
    return Generator(8, c_dim, 8, 16, synthesis_kwargs=SMALL).eval()


@pytest.mark.parametrize(
    "network",
    [_generator(), _generator(3), stylegan1.Generator(8, 8, 16, synthesis_kwargs=SMALL), Discriminator(0, 16, **SMALL)],
    ids=["stylegan2", "conditional", "stylegan1", "discriminator"],
)
def test_round_trip(network: native.Network, tmp_path: Path) -> None:
    stylegan.save(network, tmp_path / "net.safetensors")
    again = native.load(tmp_path / "net.safetensors")
    assert type(again) is type(network)
    assert again.config == network.config
    assert again.name == "net"
    for (name, ours), (_, theirs) in zip(network.state_dict().items(), again.state_dict().items(), strict=True):
        assert torch.equal(ours, theirs), name
    assert [p.name for p in tmp_path.iterdir()] == ["net.safetensors"]


def test_gaussian_fit_travels_with_the_generator(tmp_path: Path) -> None:
    generator = _generator()
    generator.gaussian_fit = {"mean": torch.arange(8.0), "std": torch.ones(8)}
    stylegan.save(generator, tmp_path / "net.safetensors", dtype=torch.float16)
    again = stylegan.load(tmp_path / "net.safetensors")
    assert again.gaussian_fit is not None
    assert torch.equal(again.gaussian_fit["mean"], torch.arange(8.0))
    z = torch.randn(1, 8)
    assert torch.allclose(again(z), generator(z), atol=0.02)
    assert next(again.parameters()).dtype == torch.float32


def _damage(tmp_path: Path, what: str) -> Path:
    path = tmp_path / "net.safetensors"
    generator = _generator()
    stylegan.save(generator, path)
    tensors = {k: v for k, v in generator.state_dict().items() if not k.endswith("resample_filter")}
    metadata = {"format": "pulse-stylegan", "version": "1", "architecture": "stylegan2"}
    metadata["config"] = json.dumps(generator.config)
    if what == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif what == "lying header":
        path.write_bytes((2**26).to_bytes(8, "little") + path.read_bytes()[8:])
    elif what == "not ours":
        save_file({"x": torch.zeros(1)}, path)
    elif what == "missing tensor":
        save_file({k: v for k, v in tensors.items() if k != "mapping.fc0.bias"}, path, metadata)
    elif what == "extra tensor":
        save_file(tensors | {"surprise": torch.zeros(1)}, path, metadata)
    elif what == "wrong shape":
        save_file(tensors | {"mapping.fc0.bias": torch.zeros(9)}, path, metadata)
    elif what == "unknown architecture":
        save_file(tensors, path, metadata | {"architecture": "stylegan9"})
    elif what == "bad config":
        save_file(tensors, path, metadata | {"config": '{"z_dim": 8, "os": "system"}'})
    elif what == "another version":
        save_file(tensors, path, metadata | {"version": "7"})
    return path


@pytest.mark.parametrize(
    "what",
    [
        "truncated",
        "lying header",
        "not ours",
        "missing tensor",
        "extra tensor",
        "wrong shape",
        "unknown architecture",
        "bad config",
        "another version",
    ],
)
def test_damaged_files_end_in_one_sentence(what: str, tmp_path: Path) -> None:
    path = _damage(tmp_path, what)
    with pytest.raises(CheckpointError) as caught:
        stylegan.load(path)
    assert "net.safetensors" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_sources_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no generator 'nosuch'"):
        stylegan.load("nosuch")
    (tmp_path / "text.txt").write_text("hello")
    with pytest.raises(CheckpointError, match="no checkpoint format"):
        stylegan.load(tmp_path / "text.txt")
    stylegan.save(Discriminator(0, 16, **SMALL), tmp_path / "d.safetensors")
    with pytest.raises(CheckpointError, match="discriminator"):
        stylegan.load(tmp_path / "d.safetensors")


def test_a_pickle_in_pulse_s_clothes_runs_nothing(tmp_path: Path) -> None:
    class Gadget:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (tmp_path / "touched",)

    torch.save({"blocks.4x4.const": Gadget()}, tmp_path / "synthesis.pt")
    with pytest.raises(CheckpointError, match="not a file of plain tensors"):
        stylegan.load(tmp_path)
    assert not (tmp_path / "touched").exists()


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.safetensors"
    stylegan.save(_generator(), path)
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        stylegan.save(_generator(), path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_saved_file_is_as_open_as_any_other_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"")
    stylegan.save(_generator(), tmp_path / "net.safetensors")
    assert (tmp_path / "net.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode
