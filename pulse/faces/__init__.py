"""Faces in photographs: where they are, and each of them upright in a square of its own, as FFHQ has them."""

from pulse.faces.alignment import Alignment, align
from pulse.faces.detect import FaceError, find_landmarks, predictor_path

__all__ = ["Alignment", "FaceError", "align", "find_landmarks", "predictor_path"]
