"""`pulse.upscale` and its command: any picture goes in, a face of 128 px that says what it is comes out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import pulse
from pulse.app.cli import main
from pulse.feedforward.network import Upscaler, reduced
from pulse.feedforward.upscale import prepared, read_small
from pulse.feedforward.weights import write_upscaler
from pulse.pictures import read_text


@pytest.fixture(scope="module")
def first(network: Upscaler) -> Upscaler:
    """The golden network up to its first step, which is fast, as it runs fastest."""
    made = Upscaler(step=1)
    made.load_state_dict(network.state_dict())
    return prepared(made.eval())


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, network: Upscaler) -> Path:
    """A file with it."""
    made = Upscaler(step=1)
    made.load_state_dict(network.state_dict())
    path = tmp_path_factory.mktemp("weights") / "up.safetensors"
    write_upscaler(made, path)
    return path


def test_a_face_goes_through_the_chain_and_the_network(network: Upscaler) -> None:
    face = torch.rand(1, 3, 128, 128)
    made = pulse.upscale(face, network=network, grid="off")
    torch.testing.assert_close(made.target, reduced(face))
    wanted = ((network(reduced(face) * 2 - 1) + 1) / 2).clamp(0, 1)
    assert made.images.shape == (1, 3, 128, 128)
    # bfloat16 has eight bits.
    assert float((made.images - wanted).abs().mean()) < 0.01
    torch.testing.assert_close(made.downsampled, reduced(made.images))
    torch.testing.assert_close(made.l2, (made.downsampled - made.target).square().mean((1, 2, 3)))
    assert made[0].to_pil().size == (128, 128)


@pytest.mark.parametrize(
    "source",
    [
        Image.new("RGBA", (40, 60), (200, 10, 10, 90)),
        Image.new("L", (7, 5), 90),
        Image.new("CMYK", (300, 20)),
        Image.new("P", (17, 17)),
        np.zeros((16, 16), np.uint16),
        torch.rand(3, 12, 12),
        Image.new("1", (1, 900)),
    ],
    ids=["RGBA", "L", "CMYK", "P", "16 bits", "tensor", "line"],
)
def test_pictures_of_any_kind_become_16_px(source: pulse.pictures.Source) -> None:
    small = read_small(source)
    assert small.shape == (1, 3, 16, 16)
    assert 0 <= float(small.min()) <= float(small.max()) <= 1


def test_it_is_framed_as_a_search_frames_it() -> None:
    wide = torch.rand(1, 3, 8, 16)
    for framing in ("pad", "crop", "stretch"):
        target = pulse.pictures.fit_target(wide, 128, 128, framing)
        small = read_small(wide, framing=framing, grid="off")
        if target.shape[-1] == 16:
            torch.testing.assert_close(small, target)
        else:
            assert framing != "pad"
    assert not torch.equal(read_small(wide, framing="crop"), read_small(wide, framing="stretch"))


def test_many_pictures_are_the_pictures_one_by_one(first: Upscaler) -> None:
    faces = torch.rand(3, 3, 16, 16)
    together = pulse.upscale(faces, network=first, grid="off", batch_size=2)
    assert len(together) == 3
    for i, one in enumerate(together):
        alone = pulse.upscale([faces[i]], network=first, grid="off")
        torch.testing.assert_close(one.images, alone.images, atol=0.02, rtol=0)
    with pytest.raises(ValueError, match="at least one"):
        pulse.upscale([], network=first)


def _two_colours(colour: str | tuple[int, int, int]) -> Image.Image:
    """A picture in which there is something to see."""
    made = Image.new("RGB", (20, 20), colour)
    made.paste((250, 220, 200), (4, 3, 13, 15))
    return made


def _files(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        _two_colours((number * 50, 100, 30)).save(path)
    return paths


def test_the_command_does_all_it_can_and_goes_on(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = _files(tmp_path / "in", 3)
    paths[1].write_bytes(b"no picture")
    command = ["upscale", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--network", str(weights)]
    assert main([*command, "--batch-size", "2"]) == 2
    out, err = capsys.readouterr()
    assert out.splitlines() == [str(tmp_path / "out" / name) for name in ("0.png", "2.png")]
    assert len(err.splitlines()) == 1
    assert "1.png" in err
    text = read_text(tmp_path / "out" / "0.png")
    assert text["synthetic"] == "true"
    assert text["network"] == "up.safetensors"
    assert str(tmp_path) not in " ".join(text.values())
    with Image.open(tmp_path / "out" / "0.png") as face:
        assert face.size == (32, 32)
    # What is done is left; a picture that has changed is done again.
    before = (tmp_path / "out" / "0.png").stat().st_mtime_ns
    _two_colours("red").save(paths[1])
    _two_colours("blue").save(paths[2])
    assert main(command) == 0
    assert [Path(line).name for line in capsys.readouterr().out.splitlines()[:2]] == ["1.png", "2.png"]
    assert (tmp_path / "out" / "0.png").stat().st_mtime_ns == before


def test_results_of_other_requests_and_of_others_are_kept(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (picture,) = _files(tmp_path / "in", 1)
    command = ["upscale", str(picture), "-o", str(tmp_path), "--network", str(weights)]
    assert main(command) == 0
    assert main([*command, "--framing", "crop"]) == 2
    assert "another request" in capsys.readouterr().err
    assert main([*command, "--framing", "crop", "--overwrite"]) == 0
    Image.new("RGB", (2, 2)).save(tmp_path / "0.png")
    assert main([*command, "--overwrite"]) == 2
    assert "not made by this program" in capsys.readouterr().err


def test_a_network_that_is_not_there_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (picture,) = _files(tmp_path / "in", 1)
    assert main(["upscale", str(picture), "-o", str(tmp_path / "out"), "--network", "gone.ckpt"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()
