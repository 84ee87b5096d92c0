"""The command `stylegan`."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import stylegan
from stylegan.cli import main
from stylegan.common.ownership import file_text
from stylegan.networks.stylegan2 import Generator
from tests.stylegan.checkpoints.nvidia_writer import write_nvidia

DATA = Path(__file__).parents[1] / "data"


@pytest.mark.parametrize("file", ["nvidia_ada_64.pkl", "stylegan2_tf_64.pkl", "rosinality_64.pt"])
def test_convert(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "net.safetensors"
    assert main(["convert", str(DATA / file), str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    z = torch.randn(1, 64)
    assert torch.equal(stylegan.load(out)(z), stylegan.load(DATA / file)(z))
    assert main(["convert", str(DATA / file), str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["convert", str(DATA / file), str(out), "--overwrite", "--half", "--which", "D"]) == 0
    assert stylegan.load(out, which="D").img_resolution == 64


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(DATA / "nvidia_ada_64.pkl")]) == 0
    told = capsys.readouterr().out
    for part in ("NVIDIA pickle (PyTorch)", "stylegan2", "64 px", "module_src", "training_set_kwargs"):
        assert part in told
    count = sum(p.numel() for p in stylegan.load(DATA / "nvidia_ada_64.pkl").parameters())
    assert f"{count:,}" in told
    assert main(["info", str(DATA / "pulse_synthesis_128.pt")]) == 0
    assert "no mapping network" in capsys.readouterr().out
    assert main(["info", str(DATA / "rosinality_64.pt"), "--which", "D"]) == 0
    assert "stylegan2-discriminator" in capsys.readouterr().out


def test_sample(tmp_path: Path) -> None:
    out = tmp_path / "grid.png"
    assert main(["sample", str(DATA / "rosinality_64.pt"), "-o", str(out), "--count", "5"]) == 0
    first = Image.open(out)
    assert first.size == (3 * 64, 2 * 64)
    assert first.mode == "RGB"
    assert main(["sample", str(DATA / "rosinality_64.pt"), "-o", str(out), "--count", "5", "--overwrite"]) == 0
    assert Image.open(out).tobytes() == first.tobytes()
    assert [p.name for p in tmp_path.iterdir()] == ["grid.png"]


@pytest.mark.parametrize(("colours", "mode"), [(1, "L"), (4, "RGBA")])
def test_sample_of_other_colours_and_classes(colours: int, mode: str, tmp_path: Path) -> None:
    generator = Generator(8, 3, 8, 8, colours, synthesis_kwargs={"channel_base": 64})
    write_nvidia(tmp_path / "n.pkl", {"G_ema": generator})
    assert (
        main(["sample", str(tmp_path / "n.pkl"), "-o", str(tmp_path / "g.png"), "--count", "4", "--columns", "4"]) == 0
    )
    assert (Image.open(tmp_path / "g.png").mode, Image.open(tmp_path / "g.png").size) == (mode, (32, 8))
    assert main(["sample", str(tmp_path / "n.pkl"), "-o", str(tmp_path / "h.png"), "--label", "3"]) == 2
    assert not (tmp_path / "h.png").exists()


def test_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PULSE_CACHE", str(tmp_path))
    assert main(["models"]) == 0
    rows = {row.split()[0]: row for row in capsys.readouterr().out.splitlines()}
    assert "box" in rows["default"]
    assert all(part in rows["ffhq"] for part in ("1024 px", "381 MB", "NVIDIA", "not here"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["info", "nosuch"], "There is no generator 'nosuch'"),
        (["fetch", "nosuch"], "no generator 'nosuch' to fetch"),
        (["fetch", "http://example.org/x.pkl"], "not https"),
        (["info", str(DATA / "bias_act.npz")], "torch.save"),
        (["info", str(DATA / "rosinality_64.pt"), "--which", "X"], "no network 'X'"),
        (["convert", str(DATA / "rosinality_64.pt"), "x.pkl"], ".safetensors"),
        (["sample", str(DATA / "rosinality_64.pt"), "-o", "nosuch/x.png"], "not a folder"),
        (["sample", str(DATA / "rosinality_64.pt"), "-o", "x.jpg"], ".png"),
        (["sample", str(DATA / "pulse_synthesis_128.pt"), "-o", "x.png"], "mapping"),
        (["sample", str(DATA / "rosinality_64.pt")], "output"),
        (["sample", str(DATA / "rosinality_64.pt"), "-o", "x.png", "--truncation", "nan"], "truncation_psi is nan"),
        (["nosuch"], "nosuch"),
    ],
)
def test_errors_are_one_sentence(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_sheet_says_how_it_was_made_and_replaces_nothing_of_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sample", str(DATA / "rosinality_64.pt"), "--count", "2", "--seed", "7", "-o", str(tmp_path / "s.png")]
    assert main(command) == 0
    text = file_text(tmp_path / "s.png")
    assert (text["synthetic"], text["seeds"], text["generator"]) == ("true", "7-8", "rosinality_64.pt")
    expected = stylegan.sample(stylegan.load(DATA / "rosinality_64.pt"), [7, 8], 0.7)
    shown = torch.from_numpy(np.array(Image.open(tmp_path / "s.png"))).permute(2, 0, 1) / 255
    torch.testing.assert_close(shown[:, :, 64:], expected[1], atol=0.51 / 255, rtol=0)
    Image.new("RGB", (2, 2)).save(tmp_path / "holiday.png")
    before = (tmp_path / "holiday.png").read_bytes()
    assert main([*command[:-1], str(tmp_path / "holiday.png"), "--overwrite"]) == 2
    assert "was not made by this program" in capsys.readouterr().err
    assert (tmp_path / "holiday.png").read_bytes() == before
