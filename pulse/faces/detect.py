"""Where the faces of a photograph are: dlib's frontal detector (King 2009) and its 68 landmarks (Kazemi 2014)."""

import importlib.util
import math
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

FILE_NAME = "shape_predictor_68_face_landmarks.dat"
# Where Debian's and Ubuntu's package libdlib-data puts the file.
_DEBIAN = Path("/usr/share/dlib") / FILE_NAME
# The detector sees faces of 80 px and more, here of 40, because it gets the picture twice as large. In a picture with
# a longer side than this it may look at a smaller version; faces below 1/40 of the picture are then missed.
_LONGEST = 1600
# The detector takes heads that are tilted by up to 30 degrees or so. A picture without a face is turned and tried
# again: first as heads lean, then as cameras are held.
_TURNS = (0, 30, -30, 60, -60, 90, -90, 180)
# Turned pictures are eight chances to see a face where none is, so that the detector has to be surer of those.
_SURE = 0.3


class FaceError(ValueError):
    """Faces cannot be looked for; its message is one sentence that says what to do."""


def predictor_path(given: str | os.PathLike[str] | None = None) -> Path:
    """The file of dlib's landmark predictor: the given one, or that of Debian's package libdlib-data.

    Raises:
        FaceError: dlib or the file is missing; the sentence has the command that mends it.
    """
    if importlib.util.find_spec("dlib") is None:
        raise FaceError("Faces are found by dlib, which is not installed; pip install dlib-bin installs it.")
    path = _DEBIAN if given is None else Path(given)
    if path.is_file():
        return path
    if given is not None:
        raise FaceError(f"There is no file {path}; give the path of dlib's {FILE_NAME}.")
    raise FaceError(
        f"Faces need the file {FILE_NAME}, which is not at {_DEBIAN}; apt-get install libdlib-data installs it, or "
        "give its path as predictor."
    )


def find_landmarks(
    photograph: np.ndarray, predictor: str | os.PathLike[str] | None = None, *, turn: bool = True
) -> list[np.ndarray]:
    """The 68 landmarks of each face, the face that the detector is surest of first.

    Args:
        photograph: (h, w, 3) of uint8, RGB.
        predictor: the file of dlib's predictor; that of Debian's package by default.
        turn: whether a picture without a face is turned and tried again, for heads that are tilted by more than 30
            degrees, and for pictures on their side.

    Returns:
        For each face (68, 2) of floats in iBUG's order: x to the right, y down, in pixels; (0, 0) is the centre of the
        top left pixel.

    Raises:
        FaceError: dlib or the predictor is missing, or the file is no predictor of 68 points.
    """
    shape = _predictor(str(predictor_path(predictor)))
    picture = Image.fromarray(np.ascontiguousarray(photograph))
    for degrees in _TURNS if turn else _TURNS[:1]:
        turned = picture.rotate(degrees, Image.Resampling.BILINEAR, expand=True) if degrees else picture
        found = _upright_landmarks(np.asarray(turned), shape, _SURE if degrees else 0.0)
        if found:
            return [_turned_back(points, degrees, turned.size, picture.size) for points in found]
    return []


def _upright_landmarks(pixels: np.ndarray, shape: Any, sure: float) -> list[np.ndarray]:
    import dlib

    height, width = pixels.shape[:2]
    scale = min(1.0, _LONGEST / max(height, width))
    looked_at = pixels
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        looked_at = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
    found = []
    for box in _detector().run(looked_at, 1, sure)[0]:
        corners = (round(side / scale) for side in (box.left(), box.top(), box.right(), box.bottom()))
        parts = shape(pixels, dlib.rectangle(*corners)).parts()
        found.append(np.array([(p.x, p.y) for p in parts], np.float64))
    return found


def _turned_back(points: np.ndarray, degrees: int, turned: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Points of a picture that Pillow turned counter-clockwise about its centre, as points of the picture itself."""
    if degrees == 0:
        return points
    angle = math.radians(degrees)
    x, y = (points - (np.array(turned) - 1) / 2).T
    back = np.stack([x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)], axis=1)
    return back + (np.array(size) - 1) / 2


@lru_cache(maxsize=1)
def _detector() -> Any:
    import dlib

    return dlib.get_frontal_face_detector()


@lru_cache(maxsize=1)
def _predictor(path: str) -> Any:
    import dlib

    try:
        found = dlib.shape_predictor(path)
        points = found(np.zeros((8, 8, 3), np.uint8), dlib.rectangle(0, 0, 7, 7)).num_parts
    except RuntimeError as error:
        raise FaceError(f"{path} is no shape predictor of dlib's; give the path of its {FILE_NAME}.") from error
    if points != 68:
        raise FaceError(f"{path} finds {points} landmarks, not 68; give the path of dlib's {FILE_NAME}.")
    return found
