"""Whether dlib, which learnt from photographs, finds faces in portraits and in a generator's samples.

Prints how many its frontal face detector finds, and how far its 68 landmarks lie from the portraits' true ones. The
detector is that of King 2009 (HOG), the landmarks are those of Kazemi and Sullivan 2014, trained on iBUG 300-W. Both
get the pictures at 384 px, which is 128 px enlarged three times.

    python -m benchmarks.faces --count 300
    python -m benchmarks.faces --count 300 --kind characters
"""

import argparse
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import stylegan
from benchmarks.environment import describe
from stylegan import portraits
from stylegan.common.pixels import to_pil

# Where Debian's package libdlib-data puts it; `make landmarks` installs the package.
PREDICTOR = Path("/usr/share/dlib/shape_predictor_68_face_landmarks.dat")

SIDE = 384

LEFT_EYE, RIGHT_EYE = slice(36, 42), slice(42, 48)
FEATURES = {
    "all 51": slice(17, 68),
    "brows": slice(17, 27),
    "nose": slice(27, 36),
    "eyes": slice(36, 48),
    "mouth": slice(48, 68),
}


@dataclass(frozen=True, eq=False)
class Face:
    """A face that was found, in pixels of the picture; (0, 0) is the centre of the top left pixel.

    Attributes:
        box: (4,) left, top, right and bottom.
        landmarks: (68, 2) in iBUG order, x to the right and y down; None without a predictor.
    """

    box: np.ndarray
    landmarks: np.ndarray | None


def find_faces(pictures: torch.Tensor, predictor: Path | None = None) -> list[list[Face]]:
    """The faces that dlib finds in each picture, none or several.

    Args:
        pictures: (N, 3, R, R) in [0, 1].
        predictor: dlib's shape predictor of 68 points; without it faces have no landmarks.

    Raises:
        RuntimeError: if the predictor's file cannot be read.
    """
    import dlib

    detector = dlib.get_frontal_face_detector()
    shape = _shape_predictor(predictor) if predictor is not None else None
    side = pictures.shape[-1]
    found = []
    for picture in pictures:
        large = _large(picture)
        faces = []
        for box in detector(large, 0):
            corners = _in_picture([(box.left(), box.top()), (box.right(), box.bottom())], side)
            landmarks = _in_picture([(p.x, p.y) for p in shape(large, box).parts()], side) if shape else None
            faces.append(Face(corners.reshape(4), landmarks))
        found.append(faces)
    return found


def landmarks_in(pictures: torch.Tensor, boxes: np.ndarray, predictor: Path = PREDICTOR) -> np.ndarray:
    """The landmarks (N, 68, 2) of faces whose boxes (N, 4) are known, also where the detector sees no face.

    Args:
        pictures: (N, 3, R, R) in [0, 1].
        boxes: left, top, right and bottom in pixels of the pictures, as the detector gives them.
        predictor: dlib's shape predictor of 68 points.

    Raises:
        RuntimeError: if the predictor's file cannot be read.
    """
    import dlib

    shape = _shape_predictor(predictor)
    side = pictures.shape[-1]
    found = []
    for picture, box in zip(pictures, boxes, strict=True):
        corners = np.rint((box + 0.5) * SIDE / side - 0.5).astype(int).tolist()
        found.append(_in_picture([(p.x, p.y) for p in shape(_large(picture), dlib.rectangle(*corners)).parts()], side))
    return np.stack(found)


@cache
def _shape_predictor(path: Path) -> Any:
    import dlib

    return dlib.shape_predictor(str(path))


def _large(picture: torch.Tensor) -> np.ndarray:
    return np.array(to_pil(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _in_picture(points: list[tuple[int, int]], side: int) -> np.ndarray:
    """Points of the enlarged picture in pixels of the one of `side` pixels."""
    return (np.array(points) + 0.5) * side / SIDE - 0.5


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes (4,): left, top, right, bottom."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = sides.clip(min=0).prod()
    return float(shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared))


def true_face(faces: list[Face], landmarks: np.ndarray) -> Face:
    """The one of a picture's faces (at least one) that overlaps the box of its true landmarks (68, 2) most."""
    box = np.concatenate([landmarks.min(0), landmarks.max(0)])
    return max(faces, key=lambda face: overlap(face.box, box))


def eye_distance(landmarks: np.ndarray) -> np.ndarray:
    """Distance (...) between the centres of the eyes of landmarks (..., 68, 2), each the mean of its six points."""
    apart = landmarks[..., RIGHT_EYE, :].mean(-2) - landmarks[..., LEFT_EYE, :].mean(-2)
    return np.linalg.norm(apart, axis=-1)


def outer_eye_distance(landmarks: np.ndarray) -> np.ndarray:
    """Distance (...) between the outer corners of the eyes of landmarks (..., 68, 2), the unit of errors in 300-W."""
    return np.linalg.norm(landmarks[..., 45, :] - landmarks[..., 36, :], axis=-1)


def landmark_offsets(seen: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Offsets (N, 68, 2) of the seen landmarks from the true ones, positive to the right and down.

    They are in per cent of the true distance between the eyes.
    """
    return 100 * (seen - true) / eye_distance(true)[:, None, None]


def _print_offsets(offsets: np.ndarray, every_point: bool) -> None:
    print(f"dlib's landmarks against the true ones in {len(offsets)} portraits, in % of the distance between the eyes;")
    print("mean and median over portraits of the mean distance; mean offset to the right and down")
    rows = dict(FEATURES)
    if every_point:
        rows |= {f"point {i}": slice(i, i + 1) for i in range(17, 68)}
    print(f"{'':10s} {'mean':>7s} {'median':>7s} {'right':>7s} {'down':>7s}")
    for name, points in rows.items():
        distance = np.linalg.norm(offsets[:, points], axis=2).mean(1)
        right, down = offsets[:, points].mean((0, 1))
        print(f"{name:10s} {distance.mean():7.2f} {np.median(distance):7.2f} {right:+7.2f} {down:+7.2f}")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=12345)
    parser.add_argument("--generator", default="default")
    parser.add_argument("--kind", choices=portraits.KINDS, default="people", help="of the portraits (default: people)")
    parser.add_argument("--points", action="store_true", help="also print the offset of every landmark")
    arguments = parser.parse_args()
    if arguments.count < 1:
        parser.error(f"the number of pictures is {arguments.count}; give one or more.")
    print(describe())

    def print_share(name: str, found: list[list[Face]]) -> None:
        share = np.mean([len(faces) > 0 for faces in found])
        print(f"{name:40s} {share:7.1%} of {len(found)}", flush=True)

    drawn = portraits.sample(arguments.count, torch.Generator().manual_seed(arguments.seed), arguments.kind)
    found = find_faces(portraits.render(drawn, 128), PREDICTOR if PREDICTOR.exists() else None)
    print_share(f"portraits, {arguments.kind}", found)
    if arguments.kind == "characters":
        human = [not fact.attributes["character"] for fact in portraits.truth(drawn, 128)]
        for name, chosen in (("of these the people", True), ("of these the others", False)):
            print_share(name, [faces for faces, person in zip(found, human, strict=True) if person == chosen])
    generator = stylegan.load(arguments.generator)
    for psi in (0.7, 1.0):
        pictures = stylegan.sample(generator, range(arguments.seed, arguments.seed + arguments.count), psi)
        print_share(f"{generator.name}, truncation_psi={psi}", find_faces(pictures))

    truths = [fact.landmarks.numpy() for fact in portraits.truth(drawn, 128)]
    pairs = [(true_face(faces, true).landmarks, true) for faces, true in zip(found, truths, strict=True) if faces]
    if not PREDICTOR.exists():
        print(f"Landmarks were not compared because {PREDICTOR} is missing; `make landmarks` installs it.")
    elif pairs:
        seen, true = (np.stack(side) for side in zip(*pairs, strict=True))
        offsets = landmark_offsets(seen, true)
        _print_offsets(offsets, arguments.points)
        inner = np.linalg.norm(offsets[:, FEATURES["all 51"]], axis=2).mean(1)
        by_corners = inner * eye_distance(true) / outer_eye_distance(true)
        print(
            f"all 51, in % of the distance between the outer eye corners, as in 300-W: mean {by_corners.mean():.2f},",
            end="",
        )
        print(f" median {np.median(by_corners):.2f}")


if __name__ == "__main__":
    main()
