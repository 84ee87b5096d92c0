"""Any picture that Pillow reads becomes a tensor in [0, 1]; what cannot be used is refused in one sentence."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import pulse
from pulse.pictures import FITS, PictureError, fit_target, read_picture, read_text, write_picture

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
    torch.testing.assert_close(read_picture(floats)[0, 0, 0], torch.tensor([0, 0.25]))


def test_transparency_shows_the_background(tmp_path: Path) -> None:
    rgba = Image.new("RGBA", (2, 2), (255, 0, 0, 0))
    rgba.putpixel((1, 0), (255, 0, 0, 255))
    rgba.putpixel((0, 1), (255, 0, 0, 51))
    read = read_picture(_saved(rgba, tmp_path / "rgba.png"), background="#0000ff")[0]
    torch.testing.assert_close(read[:, 0, 0], torch.tensor([0.0, 0, 1]))
    torch.testing.assert_close(read[:, 0, 1], torch.tensor([1.0, 0, 0]))
    torch.testing.assert_close(read[:, 1, 0], torch.tensor([0.2, 0, 0.8]))
    grey = Image.new("LA", (2, 1), (255, 0))
    torch.testing.assert_close(read_picture(grey, (0.25, 0.5, 0.75))[0, :, 0, 0], torch.tensor([0.25, 0.5, 0.75]))
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


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read_picture(tmp_path / "a.gif")[0, :, 1, 1].tolist() == [1, 0, 0]


def test_arrays_and_tensors() -> None:
    torch.testing.assert_close(read_picture(_PIXELS), _EXPECTED)
    torch.testing.assert_close(read_picture(_PIXELS.astype(np.uint16) * 257), _EXPECTED)
    torch.testing.assert_close(read_picture(_PIXELS / 255.0), _EXPECTED)
    torch.testing.assert_close(read_picture(_PIXELS[..., 0]), _EXPECTED[:, :1].expand(-1, 3, -1, -1))
    torch.testing.assert_close(read_picture(_EXPECTED[0]), _EXPECTED)


def _header_only_png(path: Path, width: int, height: int) -> Path:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("side", [10_001, 16_000, 60_000])
def test_more_than_100_megapixels_are_refused_from_the_header(tmp_path: Path, side: int) -> None:
    # The file has no pixels at all, so only the header can have told.
    with pytest.raises(PictureError, match="more than 100 megapixels"):
        read_picture(_header_only_png(tmp_path / "huge.png", side, side))


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


def test_each_fit_makes_squares() -> None:
    # A ramp from left to right, twice as wide as high.
    image = torch.linspace(0, 1, 80).expand(1, 3, 40, 80)
    pad, crop, stretch = (fit_target(image, 128, 16, fit) for fit in FITS)
    assert pad.shape == crop.shape == stretch.shape == (1, 3, 16, 16)
    torch.testing.assert_close(pad[..., 0, :], pad[..., 8, :])
    assert crop.amin() > 0.2
    assert crop.amax() < 0.8
    assert stretch.amin() < 0.1
    assert fit_target(torch.rand(1, 3, 1, 30), 128, 16).shape[-2:] == (16, 16)
    with pytest.raises(PictureError, match="use pad"):
        fit_target(torch.rand(1, 3, 1, 30), 128, 16, "crop")


@pytest.mark.parametrize(("size", "fit"), [(129, "pad"), (1, "pad"), (-3, "pad"), (16, "squash")])
def test_targets_that_cannot_be_are_refused(size: int, fit: str) -> None:
    with pytest.raises(ValueError, match=r"; choose .*\.$"):
        fit_target(torch.rand(1, 3, 200, 200), 128, size, fit)


def test_a_written_picture_holds_its_pixels_and_text(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.png"
    write_picture(path, _EXPECTED[0], {"synthetic": "true", "note": "ä 猫"})
    torch.testing.assert_close(read_picture(path), _EXPECTED)
    assert read_text(path) == {"synthetic": "true", "note": "ä 猫"}
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    write_picture(path, _EXPECTED[0])
    before = path.read_bytes()

    def half(self: Image.Image, file: Path, **_: object) -> None:
        Path(file).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(OSError, match="disk full"):
        write_picture(path, torch.zeros(3, 2, 2))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
