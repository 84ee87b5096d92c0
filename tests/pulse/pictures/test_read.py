"""Any picture that Pillow reads becomes a tensor in [0, 1]; what cannot be used is refused in one sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import pulse
from pulse.app import sprites
from pulse.pictures import FRAMINGS, PictureError, fit_target, open_picture, read_picture, read_target
from stylegan.common.framing import square_picture
from stylegan.common.pictures import read

# One red, green, blue and grey pixel each: wide enough to tell rows from columns.
_PIXELS = np.array(
    [[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[51, 51, 51], [102, 102, 102], [204, 204, 204]]], np.uint8
)
_EXPECTED = torch.from_numpy(_PIXELS).permute(2, 0, 1).unsqueeze(0) / 255


def _saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA", "RGBX", "HSV", "YCbCr", "CMYK", "LAB"])
def test_colour_modes_give_the_same_picture(mode: str) -> None:
    image = Image.fromarray(_PIXELS)
    if mode == "LAB":
        from PIL import ImageCms

        image = ImageCms.profileToProfile(
            image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    elif mode == "P":
        image = image.quantize(6)
    else:
        image = image.convert(mode)
    assert image.mode == mode
    read = read_picture(image)
    assert read.shape == (1, 3, 2, 3)
    assert read.dtype == torch.float32
    # Pure blue does not survive eight-bit Lab.
    torch.testing.assert_close(read, _EXPECTED, atol=0.1 if mode == "LAB" else 0.04, rtol=0)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp", "ppm", "tga"])
def test_lossless_files_come_back_exactly(tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True} if suffix == "webp" else {}
    path = _saved(Image.fromarray(_PIXELS), tmp_path / f"a.{suffix}", **options)
    torch.testing.assert_close(read_picture(path), _EXPECTED, atol=0, rtol=0)


def test_grey_of_one_eight_and_sixteen_bits(tmp_path: Path) -> None:
    bits = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    assert read_picture(_saved(bits, tmp_path / "1.png"))[0, :, 0].tolist() == [[0, 1]] * 3
    eight = Image.fromarray(np.array([[0, 51]], np.uint8))
    torch.testing.assert_close(read_picture(_saved(eight, tmp_path / "8.png"))[0, 0, 0], torch.tensor([0, 0.2]))
    values = np.array([[0, 13107, 65535]], np.uint16)
    for suffix in ("png", "tif"):
        path = _saved(Image.fromarray(values), tmp_path / f"16.{suffix}")
        torch.testing.assert_close(read_picture(path)[0, 2, 0], torch.tensor([0, 0.2, 1]))
    torch.testing.assert_close(
        read_picture(Image.fromarray(values.astype(np.int32)))[0, 1, 0], torch.tensor([0, 0.2, 1])
    )
    floats = Image.fromarray(np.array([[0, 0.25]], np.float32))
    torch.testing.assert_close(read_picture(floats)[0, 0, 0], torch.tensor([0, 0.25]), atol=0.5 / 255, rtol=0)


def test_transparency_shows_the_background(tmp_path: Path) -> None:
    rgba = Image.new("RGBA", (2, 2), (255, 0, 0, 0))
    rgba.putpixel((1, 0), (255, 0, 0, 255))
    rgba.putpixel((0, 1), (255, 0, 0, 51))
    read = read_picture(_saved(rgba, tmp_path / "rgba.png"), background="#0000ff")[0]
    torch.testing.assert_close(read[:, 0, 0], torch.tensor([0.0, 0, 1]))
    torch.testing.assert_close(read[:, 0, 1], torch.tensor([1.0, 0, 0]))
    torch.testing.assert_close(read[:, 1, 0], torch.tensor([0.2, 0, 0.8]))
    grey = Image.new("LA", (2, 1), (255, 0))
    grey.putpixel((1, 0), (255, 255))
    torch.testing.assert_close(read_picture(grey, (0.2, 0.4, 0.6))[0, :, 0, 0], torch.tensor([0.2, 0.4, 0.6]))
    palette = Image.fromarray(_PIXELS).quantize(6)
    path = _saved(palette, tmp_path / "p.png", transparency=palette.getpixel((0, 0)))
    torch.testing.assert_close(read_picture(path, "white")[0, :, 0, 0], torch.ones(3))
    path = _saved(Image.fromarray(_PIXELS), tmp_path / "key.png", transparency=(255, 0, 0))
    torch.testing.assert_close(read_picture(path, "white")[0, :, 0, 0], torch.ones(3))


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter to the right for viewing
    path = _saved(Image.fromarray(_PIXELS), tmp_path / "turned.png", exif=exif)
    torch.testing.assert_close(read_picture(path), torch.rot90(_EXPECTED, -1, (2, 3)))


def test_a_wrong_path_or_file_is_told_with_its_name(tmp_path: Path) -> None:
    for name, data in (("gone.png", None), ("words.png", b"words")):
        if data:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(PictureError, match=name):
            read_target(tmp_path / name, 32)


def test_arrays_and_tensors() -> None:
    torch.testing.assert_close(read_picture(_PIXELS), _EXPECTED)
    torch.testing.assert_close(read_picture(_PIXELS.astype(np.uint16) * 257), _EXPECTED)
    torch.testing.assert_close(read_picture(_PIXELS / 255.0), _EXPECTED)
    torch.testing.assert_close(read_picture(_PIXELS[..., 0]), _EXPECTED[:, :1].expand(-1, 3, -1, -1))
    torch.testing.assert_close(read_picture(_EXPECTED[0]), _EXPECTED)


def test_unusable_pictures_are_refused_in_one_sentence(tmp_path: Path) -> None:
    whole = _saved(Image.effect_noise((64, 64), 50), tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "script.eps")
    bad = ["cut.png", "text.png", "empty.png", "dot.png", "script.eps", "missing.png", "."]
    for source in [
        *(tmp_path / name for name in bad),
        np.zeros((0, 3, 3)),
        np.full((2, 2), 7.0),
        np.zeros(3),
        object(),
    ]:
        with pytest.raises(PictureError) as caught:
            read_picture(source)  # type: ignore[arg-type]
        message = str(caught.value)
        assert message.endswith(".")
        assert "\n" not in message
        if isinstance(source, Path):
            assert str(source) in message


def test_a_larger_picture_is_downsampled_and_a_smaller_one_kept() -> None:
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    target = fit_target(image, 128)
    torch.testing.assert_close(target, pulse.downsample(image, size=16).clamp(0, 1))
    torch.testing.assert_close(fit_target(image[..., :8, :8], 128), image[..., :8, :8])
    assert fit_target(image, 128, size=100).shape[-1] == 64


def test_each_framing_makes_squares() -> None:
    # A ramp from left to right, twice as wide as high.
    image = torch.linspace(0, 1, 80).expand(1, 3, 40, 80)
    pad, crop, stretch = (fit_target(image, 128, 16, framing) for framing in FRAMINGS)
    assert pad.shape == crop.shape == stretch.shape == (1, 3, 16, 16)
    torch.testing.assert_close(pad[..., 0, :], pad[..., 8, :])
    assert crop.amin() > 0.2
    assert crop.amax() < 0.8
    assert stretch.amin() < 0.1
    assert fit_target(torch.rand(1, 3, 1, 30), 128, 16).shape[-2:] == (16, 16)
    with pytest.raises(PictureError, match='use framing="pad"'):
        fit_target(torch.rand(1, 3, 1, 30), 128, 16, "crop")


@pytest.mark.parametrize(("size", "framing"), [(129, "pad"), (1, "pad"), (-3, "pad"), (16, "squash")])
def test_targets_that_cannot_be_are_refused(size: int, framing: str) -> None:
    with pytest.raises(ValueError, match=r"; choose .*\.$"):
        fit_target(torch.rand(1, 3, 200, 200), 128, size, framing)


def _head() -> Image.Image:
    """A head, 12x16, with transparent corners, whose ears touch the left and right border in rows 6 to 8."""
    head = Image.new("RGBA", (12, 16))
    head.paste((230, 180, 140, 255), (2, 0, 10, 16))
    head.paste((200, 120, 90, 255), (0, 6, 12, 9))
    return head


def test_padding_continues_the_background_and_not_the_ears() -> None:
    for source in (_head(), read_picture(_head())):
        target = fit_target(source if isinstance(source, torch.Tensor) else open_picture(source), 128)
        assert target.shape == (1, 3, 16, 16)
        torch.testing.assert_close(target[..., :2], torch.full((1, 3, 16, 2), 128 / 255))
        assert target[0, 0, 7, 2] > 0.7


def test_each_side_is_continued_by_what_it_is(tmp_path: Path) -> None:
    # Left: noise. Right: black with a dot. Nothing of it is transparent.
    image = torch.rand(1, 3, 16, 12, generator=torch.Generator().manual_seed(0))
    image[..., -1] = 0
    image[..., 5, -1] = 1
    target = fit_target(image, 128)
    torch.testing.assert_close(target[..., 0], image[..., 0])
    assert target[..., -1].max() == 0
    # One transparent pixel of a border tells that the picture stands on a background.
    rgba = Image.fromarray(np.full((12, 16, 4), 255, np.uint8))
    rgba.putpixel((0, 0), (0, 0, 0, 0))
    padded = fit_target(open_picture(rgba, "black"), 128)
    assert padded[..., 0, :].max() == 0
    assert padded[..., -1, :].min() == 1


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("size", [(12, 16), (300, 200), (40, 90)])
def test_training_and_searching_see_the_same_square(tmp_path: Path, framing: str, size: tuple[int, int]) -> None:
    picture = _head().resize(size, Image.Resampling.NEAREST)
    picture.save(tmp_path / "a.png")
    trained = square_picture(read(tmp_path / "a.png"), 64, framing).float().unsqueeze(0) / 255
    target = read_target(tmp_path / "a.png", 64, 16, framing=framing, grid="off")
    small = pulse.downsample(trained, size=target.shape[-1])
    # Two different kernels made the larger picture, nothing else may differ; eps is 0.002.
    assert (small - target).square().mean() < 5e-4


def test_training_at_the_pictures_own_size_is_the_target_exactly(tmp_path: Path) -> None:
    _head().save(tmp_path / "a.png")
    trained = square_picture(read(tmp_path / "a.png"), 16)
    torch.testing.assert_close(trained.unsqueeze(0) / 255, read_target(tmp_path / "a.png", 128))


def test_reducing_while_reading_hardly_changes_the_target(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:1100, :1500] / 70
    waves = np.stack([np.sin(rows + c) * np.cos(columns * (c + 1)) for c in range(3)], -1)
    Image.fromarray(((waves + 1) * 127.5).astype(np.uint8)).save(tmp_path / "a.png")
    exact = fit_target(open_picture(tmp_path / "a.png"), 128)
    difference = (read_target(tmp_path / "a.png", 128) - exact).abs() * 255
    assert difference.max() < 2
    assert difference.mean() < 0.3


def test_what_no_face_can_answer_is_told(stand_in: Callable[[], Any]) -> None:
    sheet = Image.new("RGBA", (384, 64))
    for x in range(12):
        for y in range(2):
            sheet.paste(_head(), (x * 32 + 8, y * 32 + 8))
    canvas = Image.new("RGBA", (512, 512))
    canvas.paste(_head().resize((192, 256), 0), (160, 128))
    on_white = Image.new("RGB", sheet.size, "white")
    on_white.paste(sheet, mask=sheet)
    for image, words in (
        (sheet, "a sheet of 24 sprites"),
        (on_white, "a sheet of 24 sprites"),
        (Image.new("RGB", (8, 8), "red"), "of one colour"),
        (Image.linear_gradient("L").rotate(90).resize((4000, 1)), "a line of 4000x1"),
        (Image.linear_gradient("L").rotate(90).resize((160, 10)), "16 times as long as it is wide"),
        (canvas, "margins are cut: of 512x512 pixels, 192x256 show something"),
    ):
        notes: list[str] = []
        read_picture(image, notes=notes)
        assert len(notes) == 1
        assert words in notes[0]
        with pytest.warns(UserWarning, match=words):
            pulse.depixelize(image, generator=stand_in(), steps=0, seed=0)


def test_what_a_face_can_answer_is_not_remarked_on() -> None:
    for name in sprites.names():
        assert open_picture(sprites.load(name)).notes == ()
    noise = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    assert open_picture(noise).notes == ()
    eyes = Image.new("RGB", (32, 32), "tan")
    for place in ((6, 8, 12, 14), (20, 8, 26, 14)):
        eyes.paste("black", place)
    assert open_picture(eyes).notes == ()


def test_a_sprite_lost_on_a_canvas_is_searched_as_large_as_it_can_be() -> None:
    canvas = Image.new("RGBA", (64, 64))
    canvas.paste(_head(), (30, 20))
    torch.testing.assert_close(open_picture(canvas).image, open_picture(_head()).image)
    # A figure with some room around it stays in its frame.
    framed = Image.new("RGBA", (24, 24))
    framed.paste(_head(), (6, 4))
    assert open_picture(framed).image.shape[-2:] == (24, 24)
    assert open_picture(framed).notes == ()
