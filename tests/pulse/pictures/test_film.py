"""Films: what other programs read of them, that they stream, and that they say what they are."""

import sys
import weakref
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageSequence
from torch import Tensor

from pulse.pictures.film import ENDINGS, check_film, write_film
from stylegan.common.ownership import check_replaceable, file_text

av = pytest.importorskip("av", reason="MP4 needs the extra film")


def _frames(count: int, height: int = 24, width: int = 32) -> list[Tensor]:
    """Smooth frames in which each differs from all others."""
    x = torch.linspace(0, 1, width).expand(height, width)
    y = torch.linspace(0, 1, height)[:, None].expand(height, width)
    return [torch.stack([x, y, torch.full_like(x, i / count)]) for i in range(count)]


def _read(path: Path) -> tuple[list[Tensor], list[float]]:
    """The frames (3, H, W) and their durations in seconds, as PyAV or Pillow see them."""
    if path.suffix == ".mp4":
        with av.open(str(path)) as file:
            pictures = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
            rate = float(file.streams.video[0].average_rate)
        return [torch.from_numpy(each).permute(2, 0, 1) / 255 for each in pictures], [1 / rate] * len(pictures)
    frames, seconds = [], []
    with Image.open(path) as film:
        assert film.info.get("loop") == 0
        for frame in ImageSequence.Iterator(film):
            frame.load()
            seconds.append(frame.info["duration"] / 1000)
            picture = frame.convert("RGB")
            data = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
            frames.append(data.view(picture.height, picture.width, 3).permute(2, 0, 1) / 255)
    return frames, seconds


@pytest.mark.parametrize(("ending", "error"), [(".mp4", 0.02), (".gif", 0.015), (".webp", 0.02), (".png", 0.0021)])
def test_other_programs_read_the_frames(ending: str, error: float, tmp_path: Path) -> None:
    frames = _frames(7)
    path = tmp_path / "new" / f"film{ending}"
    assert write_film(path, iter(frames), fps=12.5) == 7
    read, seconds = _read(path)
    assert len(read) == 7
    assert sum(seconds) == pytest.approx(7 / 12.5, abs=1e-3)
    for found, wanted in zip(read, frames, strict=True):
        assert float((found - wanted).abs().mean()) < error


def test_the_delays_of_a_gif_keep_its_speed(tmp_path: Path) -> None:
    write_film(tmp_path / "film.gif", _frames(30), fps=30)
    assert sum(_read(tmp_path / "film.gif")[1]) == pytest.approx(1.0)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_film_says_that_it_is_synthetic_and_is_not_replaced_unasked(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"film{ending}"
    write_film(path, _frames(2), text={"request": "7", "Description": 'von <Köln> & "mehr"' + 400 * "x"})
    text = file_text(path)
    assert text["synthetic"] == "true"
    assert text["Software"].startswith("pulse")
    assert text["Description"].startswith(("von <K\\xf6ln>", "von <Köln>"))
    check_replaceable(path, request="7")
    check_replaceable(path, overwrite=True)
    with pytest.raises(ValueError, match="another request"):
        check_replaceable(path, request="8")
    # Damaged films are nobody's.
    for kept in (7, 20, 60):
        (tmp_path / "cut").write_bytes(path.read_bytes()[:kept])
        assert "Software" not in file_text(tmp_path / "cut")


@pytest.mark.parametrize("ending", ENDINGS)
def test_frames_are_streamed(ending: str, tmp_path: Path) -> None:
    alive: list[weakref.ref[Tensor]] = []

    def frames() -> object:
        for _ in range(40):
            frame = torch.rand(3, 16, 16)
            alive.append(weakref.ref(frame))
            assert sum(each() is not None for each in alive) <= 3
            yield frame

    assert write_film(tmp_path / f"film{ending}", frames()) == 40  # type: ignore[arg-type]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_film_that_breaks_off_leaves_the_old_one(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"film{ending}"
    write_film(path, _frames(2))
    before = path.read_bytes()

    def frames() -> object:
        yield from _frames(3)
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        write_film(path, frames())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"Frame 2 is 32x20 pixels and the first 32x24; give frames of one size\."):
        write_film(path, [*_frames(2), _frames(1, 20)[0]])
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_odd_sizes_of_an_mp4_are_made_even_by_doubling_the_edge(tmp_path: Path) -> None:
    frames = _frames(3, 23, 31)
    write_film(tmp_path / "film.mp4", frames)
    read, _ = _read(tmp_path / "film.mp4")
    assert read[0].shape == (3, 24, 32)
    assert float((read[0][:, :23, :31] - frames[0]).abs().mean()) < 0.02
    assert float((read[0][:, 23, 31] - frames[0][:, 22, 30]).abs().max()) < 0.1


def test_an_mp4_is_h264_with_its_colours_named(tmp_path: Path) -> None:
    if "libx264" not in av.codecs_available:
        pytest.skip("this PyAV has no libx264")
    write_film(tmp_path / "film.mp4", _frames(3))
    with av.open(str(tmp_path / "film.mp4")) as file:
        video = file.streams.video[0]
        assert (video.codec_context.name, video.pix_fmt) == ("h264", "yuv420p")
        assert (video.codec_context.colorspace, video.codec_context.color_range) == (1, 1)
    data = (tmp_path / "film.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_grey_and_bytes_are_frames_too(tmp_path: Path) -> None:
    grey = torch.full((1, 8, 8), 0.5)
    write_film(tmp_path / "film.png", [grey, torch.full((3, 8, 8), 128, dtype=torch.uint8)])
    read, _ = _read(tmp_path / "film.png")
    assert torch.equal(read[0], read[1])


def test_what_cannot_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"does not end in \.mp4, \.gif, \.webp or \.png; name the film so\."):
        check_film("film.avi")
    with pytest.raises(ValueError, match=r"A \.gif film cannot have 60 frames a second; give from 0\.1 to 50"):
        check_film("film.gif", 60)
    with pytest.raises(ValueError, match="cannot have nan"):
        check_film("film.mp4", float("nan"))
    with pytest.raises(ValueError, match="The film has no frames"):
        write_film(tmp_path / "film.gif", [])
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match=r'An MP4 film needs packages .* run pip install "pulse-latent\[film\]"'):
        check_film("film.mp4")
    check_film("film.webp")
    assert list(tmp_path.iterdir()) == []
