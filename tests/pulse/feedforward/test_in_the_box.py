"""The upscaler in the box: it is trained, and everything that takes a network uses it."""

import json
from pathlib import Path

import pytest
import torch

import pulse
from pulse.app import sprites
from pulse.app.cli import main
from pulse.feedforward.landmarks import find_landmarks, normalised_error
from pulse.feedforward.network import reduced
from pulse.feedforward.training import enlarged, psnr
from pulse.feedforward.weights import load_upscaler
from pulse.pictures import read_picture, read_text, write_picture
from stylegan import portraits
from stylegan.portraits.held_out import held_out


def test_it_beats_bicubic_interpolation_on_held_out_people() -> None:
    u = held_out(8)
    truth = portraits.render(u, 128)
    small = reduced(truth)
    made, plain = pulse.upscale(small).images, enlarged(small, 128).clamp(0, 1)
    assert float(psnr(made, truth).mean()) > float(psnr(plain, truth).mean()) + 1.5
    landmarks = torch.stack([fact.landmarks for fact in portraits.truth(u, 128)])
    ours, theirs = (normalised_error(find_landmarks(faces), landmarks).mean() for faces in (made, plain))
    assert float(ours) < float(theirs) / 2


def test_it_is_whole() -> None:
    network = load_upscaler()
    assert (network.step, network.alpha) == (3, 1.0)


@pytest.fixture
def cat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sprite, in the folder where the command runs."""
    pytest.importorskip("typer")
    monkeypatch.chdir(tmp_path)
    write_picture(Path("cat.png"), sprites.load("cat")[0])
    return Path("cat.png")


def test_the_commands_need_no_file(cat: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upscale", str(cat), "-o", "up"]) == 0
    assert main(["depixelize", str(cat), "-o", "faces", "--engine", "feedforward", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.split("\n", 1)[1])
    assert told["pictures"][0]["network"] == "default"
    assert read_picture("faces/cat.png").shape == (1, 3, 128, 128)
    # The same network and picture: the same face, whichever command asks.
    torch.testing.assert_close(read_picture("faces/cat.png"), read_picture("up/cat.png"))
    assert read_text("faces/cat.png")["synthetic"] == "true"
