"""The reader of animations: what a frame leaves behind for the next is seen to."""

import io
import struct
import zlib

import numpy as np
import pytest

from stylegan.common.animations import read_frames

_KEEP, _CLEAR, _BEFORE = 0, 1, 2
# Frames are drawn over what is there, and do not replace it.
_OVER = 1
_SIDE = 4


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _squeezed(pixels: np.ndarray) -> bytes:
    """Rows of RGBA as PNG keeps them, without a filter."""
    return zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))


def _apng(frames: list[tuple[np.ndarray, int, int, int]]) -> io.BytesIO:
    """An animated PNG of frames: pixels (h, w, 4), left, top, and how each is disposed of.

    The file is made here because Pillow writes what it reads, with the same faults.
    """
    file = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 6, 0, 0, 0))
    file += _chunk(b"acTL", struct.pack(">II", len(frames), 0))
    number = 0
    for i, (pixels, left, top, dispose) in enumerate(frames):
        height, width = pixels.shape[:2]
        place = struct.pack(">IIIIIHHBB", number, width, height, left, top, 1, 10, dispose, _OVER)
        file += _chunk(b"fcTL", place)
        number += 1
        if i == 0:
            file += _chunk(b"IDAT", _squeezed(pixels))
        else:
            file += _chunk(b"fdAT", struct.pack(">I", number) + _squeezed(pixels))
            number += 1
    return io.BytesIO(file + _chunk(b"IEND", b""))


def _even(side: int, *colour: int) -> np.ndarray:
    return np.full((side, side, 4), (*colour, 255), np.uint8)


@pytest.mark.parametrize("dispose", [_KEEP, _CLEAR, _BEFORE])
def test_a_frame_leaves_behind_what_its_file_says(dispose: int) -> None:
    red, green, blue = _even(_SIDE, 255, 0, 0), _even(2, 0, 255, 0), _even(1, 0, 0, 255)
    file = _apng([(red, 0, 0, _KEEP), (green, 1, 1, dispose), (blue, 3, 3, _KEEP)])
    kept = read_frames(file, most=10)
    second = red.copy()
    second[1:3, 1:3] = green
    third = {_KEEP: second, _BEFORE: red}.get(dispose, red).copy()
    if dispose == _CLEAR:
        third[1:3, 1:3] = 0
    third[3, 3] = blue[0, 0]
    assert len(kept.frames) == 3
    for frame, wanted in zip(kept.frames, (red, second, third), strict=True):
        assert np.array_equal(np.array(frame.convert("RGBA")), wanted)
    assert kept.seconds == pytest.approx([0.1] * 3)


def test_several_frames_in_a_row_that_are_disposed_of_leave_the_one_before() -> None:
    red, green, blue = _even(_SIDE, 255, 0, 0), _even(2, 0, 255, 0), _even(2, 0, 0, 255)
    file = _apng([(red, 0, 0, _KEEP), (green, 0, 0, _BEFORE), (blue, 2, 2, _BEFORE), (blue[:1, :1], 0, 3, _KEEP)])
    last = np.array(read_frames(file, most=10).frames[-1].convert("RGBA"))
    wanted = red.copy()
    wanted[3, 0] = blue[0, 0]
    assert np.array_equal(last, wanted)
