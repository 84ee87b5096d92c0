"""How near upscalers come to held-out portraits: pixels, and landmarks. Made for the ablation of the attention loss.

Portraits that no training may see (`stylegan.portraits.held_out`) are made small by way of 64 and 32 px and large by
bicubic interpolation and by each upscaler. Prints the mean PSNR, and landmark errors in % of the distance between the
outer eye corners: of the landmark network, which finds landmarks in any picture, and of dlib, beside the share of
pictures in which dlib finds a face. The same for the portraits themselves says what each of the two can tell at most.
dlib's predictor learnt from photographs and errs on portraits too, so the last column is how far its landmarks are
from those that it puts into the portrait itself; it is told where the face is.

    python -m benchmarks.upscalers --count 200 default
    python -m benchmarks.upscalers plain=without/upscaler.safetensors attention=with/upscaler.safetensors
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.environment import describe
from benchmarks.faces import PREDICTOR, find_faces, landmarks_in, outer_eye_distance, true_face
from benchmarks.super_resolution.measures import Known, of_truths
from pulse.feedforward.landmarks import find_landmarks, load_landmark_net, normalised_error
from pulse.feedforward.network import reduced
from pulse.feedforward.training import enlarged, psnr
from pulse.feedforward.upscale import upscale_small
from stylegan import portraits
from stylegan.common.grid import grid
from stylegan.common.pixels import to_bytes
from stylegan.common.png import write_png
from stylegan.portraits.held_out import held_out

_SHOWN = 8


def dlib_error(pictures: Tensor, true: Tensor) -> tuple[float, float]:
    """The share of pictures in which dlib finds a face, and the mean error of its landmarks there (NaN for none)."""
    errors = []
    for faces, landmarks in zip(find_faces(pictures, PREDICTOR), true.numpy(), strict=True):
        if faces:
            found = true_face(faces, landmarks).landmarks
            assert found is not None
            off = np.linalg.norm(found - landmarks, axis=-1).mean()
            errors.append(off / outer_eye_distance(landmarks))
    return len(errors) / len(pictures), float(np.mean(errors)) if errors else float("nan")


def moved_landmarks(pictures: Tensor, truth: Tensor, known: Known) -> np.ndarray:
    """How far dlib's landmarks (N,) of pictures lie from those in true ones, as a part of the eyes' distance."""
    found, true = (landmarks_in(images.clamp(0, 1), known.boxes) for images in (pictures, truth))
    eyes = np.array([outer_eye_distance(one) for one in known.landmarks])
    return np.linalg.norm(found - true, axis=-1).mean(1) / eyes


def main() -> None:
    """Prints the table and draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("upscalers", nargs="*", default=["default"], metavar="NAME=FILE")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--kind", choices=portraits.KINDS, default="people")
    parser.add_argument("--landmarks", default="default", help="the landmark network")
    parser.add_argument("-o", "--out", type=Path, default=Path("upscalers.png"))
    arguments = parser.parse_args()
    print(describe())
    u = held_out(arguments.count, arguments.kind)
    truth = portraits.render(u, 128)
    landmarks = torch.stack([fact.landmarks for fact in portraits.truth(u, 128)])
    network = load_landmark_net(arguments.landmarks)
    small = reduced(truth)
    made = {"bicubic": (enlarged(small * 2 - 1) + 1) / 2}
    for each in arguments.upscalers:
        name, _, file = each.rpartition("=")
        made[name or Path(file).stem] = upscale_small(small, file).images
    made["the portraits"] = truth
    print(f"{len(u)} held-out portraits of {arguments.kind}")
    known = of_truths(truth, landmarks.numpy()) if PREDICTOR.exists() else None
    print(f"{'':16s} {'PSNR':>7s} {'network':>8s} {'dlib':>7s} {'found':>7s} {'moved':>7s}")
    for name, images in made.items():
        error = 100 * float(normalised_error(find_landmarks(images, network), landmarks).mean())
        found, by_dlib = dlib_error(images, landmarks) if PREDICTOR.exists() else (float("nan"), float("nan"))
        moved = moved_landmarks(images, truth, known).mean() if known is not None else float("nan")
        decibels = float(psnr(images, truth).mean()) if images is not truth else float("inf")
        print(f"{name:16s} {decibels:7.2f} {error:7.1f}% {100 * by_dlib:6.1f}% {100 * found:6.1f}% {100 * moved:6.2f}%")
    shown = [torch.nn.functional.interpolate(small, scale_factor=8.0, mode="nearest"), *made.values()]
    sheet = grid(to_bytes(torch.cat([images[:_SHOWN] for images in shown])), columns=min(_SHOWN, len(u)))
    write_png(arguments.out, sheet)
    print(f"{arguments.out}: 16 px, {', '.join(made)}")


if __name__ == "__main__":
    main()
