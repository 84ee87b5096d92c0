"""What is measured on each answer, by itself and against the truth."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks.drawn.measures import OCTAVES, powers
from benchmarks.faces import FEATURES, PREDICTOR, find_faces, landmark_offsets, landmarks_in, true_face
from benchmarks.skin_places import all_colours_at
from benchmarks.super_resolution.reader import read
from benchmarks.super_resolution.weighted import Metric
from pulse.operators import Operator
from stylegan.portraits.skin_places import PLACES

# Grows when a number that is measured changes its meaning, so that none of before is taken from a folder.
VERSION = 3
# dlib's box of a face, beside the box of its 51 inner landmarks, in sides of the latter: left, top, right, bottom; the
# means over 24 held-out portraits.
_BOX = np.array([-0.23, -0.17, 0.20, 0.18])
_POWERS = ("power", "true power")
_INNER = FEATURES["all 51"]
Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of the true pictures.

    Args:
        images: (N, 3, R, R) in [0, 1].
        landmarks: (N, 68, 2), NaN where they are not known.
        boxes: (N, 4) of the faces as dlib gives them, NaN where not known.
        bare: (N, 4), whether they show skin at the places of `stylegan.portraits.skin_places`; taken for granted where
            nobody knows.
    """

    images: Tensor
    landmarks: np.ndarray
    boxes: np.ndarray
    bare: np.ndarray

    def rows(self, which: slice | list[int]) -> Known:
        """What is known of some of the pictures."""
        return Known(self.images[which], self.landmarks[which], self.boxes[which], self.bare[which])


def sees_faces() -> bool:
    """Whether dlib is installed."""
    return importlib.util.find_spec("dlib") is not None


def sees_landmarks() -> bool:
    """Whether dlib and its predictor of landmarks are installed."""
    return sees_faces() and PREDICTOR.exists()


def of_truths(images: Tensor, landmarks: np.ndarray | None, bare: np.ndarray | None = None) -> Known:
    """What is known of true pictures (N, 3, R, R) in [0, 1]; landmarks that nobody knows are those that dlib finds."""
    count = len(images)
    bare = np.ones((count, len(PLACES)), bool) if bare is None else bare
    known = np.full((count, 68, 2), np.nan) if landmarks is None else landmarks
    boxes = np.full((count, 4), np.nan)
    if landmarks is not None:
        inner = landmarks[:, _INNER]
        low, high = inner.min(1), inner.max(1)
        boxes = np.concatenate([low, high], 1) + _BOX * np.tile(high - low, 2)
    if not sees_faces():
        return Known(images, known, boxes, bare)
    predictor = PREDICTOR if sees_landmarks() and landmarks is None else None
    for i, faces in enumerate(find_faces(images, predictor)):
        if not faces:
            continue
        face = max(faces, key=lambda one: float(np.prod(one.box[2:] - one.box[:2])))
        if landmarks is not None:
            face = true_face(faces, landmarks[i])
        boxes[i] = face.box
        if landmarks is None and face.landmarks is not None:
            known[i] = face.landmarks
    return Known(images, known, boxes, bare)


def measure(
    answers: Tensor, questions: Tensor, known: Known, operator: Operator, eps: float, more: dict[str, Metric]
) -> list[Row]:
    """What is measured on answers (N, 3, R, R) in [0, 1], one row each; a number that cannot be measured is None.

    Args:
        answers: the large pictures.
        questions: the small ones, (N, 3, s, s).
        known: of their truths.
        operator: what methods were told makes large pictures small.
        eps: mean squared error at which an answer fits its question.
        more: metrics with weights from elsewhere.
    """
    columns: dict[str, Any] = dict(_distances(answers, known.images))
    down = (operator.A(answers) - questions).square().mean((1, 2, 3))
    columns["down"], columns["fits"] = down, (down <= eps).float()
    columns["power"], columns["true power"] = powers(answers), powers(known.images)
    columns["groups"] = read(answers)
    columns |= {name: metric(answers, known.images) for name, metric in more.items()}
    columns |= _faces(answers, known)
    columns |= _skin(answers, known, (operator.A(answers), questions))
    lists = {name: np.asarray(column).tolist() for name, column in columns.items()}
    return [{name: _plain(column[i]) for name, column in lists.items()} for i in range(len(answers))]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value


def _distances(answers: Tensor, truths: Tensor) -> dict[str, Tensor]:
    """PSNR in decibels, SSIM (Wang et al. 2004) and MS-SSIM (Wang et al. 2003) of RGB, and the root mean square error.

    MS-SSIM halves a picture four times. Its window of 11 px does not fit the smallest of pictures of up to 160 px;
    those get a window of 7 px.
    """
    from pytorch_msssim import ms_ssim, ssim

    error = (answers - truths).square().mean((1, 2, 3))
    window = 11 if answers.shape[-1] > 160 else 7
    return {
        "rmse": error.sqrt(),
        # An answer that is the truth would have an infinite one, of which no mean can be taken.
        "psnr": -10 * error.clamp(min=1e-10).log10(),
        "ssim": ssim(answers, truths, data_range=1, size_average=False),
        "ms_ssim": ms_ssim(answers, truths, data_range=1, size_average=False, win_size=window),
    }


def _faces(answers: Tensor, known: Known) -> dict[str, np.ndarray]:
    """Whether dlib finds a face, and how far its landmarks are from the true ones, in % of the distance of the eyes.

    The landmarks are looked for where the true face is, so that a face that is not found has an error too.
    """
    count = len(answers)
    away, found = np.full(count, np.nan), np.full(count, np.nan)
    if sees_faces():
        found = np.array([float(len(faces) > 0) for faces in find_faces(answers)])
    can = ~np.isnan(known.landmarks).any((1, 2)) & ~np.isnan(known.boxes).any(1)
    if sees_landmarks() and can.any():
        seen = landmarks_in(answers[torch.from_numpy(can)], known.boxes[can])
        offsets = landmark_offsets(seen, known.landmarks[can])[:, _INNER]
        away[can] = np.linalg.norm(offsets, axis=2).mean(1)
    return {"face": found, "landmarks": away}


def _skin(answers: Tensor, known: Known, small: tuple[Tensor, Tensor]) -> dict[str, np.ndarray]:
    """L* and hue of the skin, answer minus truth, at the cheeks, the forehead and the nose's bridge.

    The places are those of the true landmarks in both pictures (`benchmarks.skin_places`); those that the truth shows
    covered are left out. "L small" is L* of what both show when they are made small, and enlarged again: what the
    answer makes of the tone that it was shown, without the light and shade that it had to guess.

    Args:
        answers: (N, 3, R, R) in [0, 1].
        known: of their truths.
        small: (N, 3, s, s) of the answers, and of the truths.
    """
    columns = {name: np.full(len(answers), np.nan) for name in ("L", "L small", "hue")}
    can = ~np.isnan(known.landmarks).any((1, 2)) & known.bare.any(1)
    if can.any():
        rows = torch.from_numpy(can)
        shares = known.bare[can] / known.bare[can].sum(1, keepdims=True)
        enlarged = (interpolate(one, size=answers.shape[-2:], mode="bicubic").clamp(0, 1) for one in small)
        found, true, found_small, true_small = (
            (all_colours_at(images[rows], known.landmarks[can]) * shares[:, :, None]).sum(1)
            for images in (answers, known.images, *enlarged)
        )
        hues = [np.degrees(np.arctan2(lab[:, 2], lab[:, 1])) for lab in (found, true)]
        columns["L"][can] = found[:, 0] - true[:, 0]
        columns["L small"][can] = found_small[:, 0] - true_small[:, 0]
        columns["hue"][can] = (hues[0] - hues[1] + 180) % 360 - 180
    return columns


def sharp_powers(rows: list[Row]) -> tuple[np.ndarray, np.ndarray]:
    """The power of answers and of their truths (N,) above 1/8 of the Nyquist frequency, from rows of `measure`."""
    area = np.array([high**2 - low**2 for low, high in OCTAVES])
    mine, true = (np.array([row[name] for row in rows]).reshape(-1, len(area)) @ area for name in _POWERS)
    return mine, true
