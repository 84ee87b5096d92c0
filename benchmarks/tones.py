"""Shares of the ten Monk skin tones among portraits and among samples of a generator, estimated from pixels alone.

dlib's landmarks locate places of a face that are usually bare skin, and places that show the light: the whites of the
eyes and the surroundings. A linear discriminant (Fisher 1936), fitted to portraits whose tone is known, estimates the
tone from the colours there. Because the light varies, it sometimes confuses neighbouring tones. How often is measured
on other portraits, and the shares are corrected for it. The renderer's palette is not used.

    python -m benchmarks.tones --count 1000 --generator default
"""

import argparse
import importlib.util
from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import nnls

import stylegan
from benchmarks.environment import describe
from benchmarks.faces import LEFT_EYE, PREDICTOR, RIGHT_EYE, find_faces, true_face
from benchmarks.skin_places import colours_at, to_lab
from stylegan import portraits

TONES = 10


def _sees_landmarks() -> bool:
    return importlib.util.find_spec("dlib") is not None and PREDICTOR.exists()


def find_landmarks(pictures: torch.Tensor, average: np.ndarray) -> tuple[np.ndarray, int]:
    """Landmarks (N, 68, 2) of the pictures (N, 3, R, R), and in how many of them a face was found.

    Where none is found, or dlib or its predictor is not installed, the `average` landmarks (68, 2) of pictures cropped
    in the same way are used.
    """
    if not _sees_landmarks():
        return np.broadcast_to(average, (len(pictures), 68, 2)), 0
    faces = [true_face(found, average) if found else None for found in find_faces(pictures, PREDICTOR)]
    landmarks = [average if face is None or face.landmarks is None else face.landmarks for face in faces]
    return np.stack(landmarks), sum(face is not None for face in faces)


def colours(picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """18 numbers that depend on the skin's tone, from a picture (R, R, 3) of sRGB in [0, 1] with landmarks (68, 2).

    L*a*b* of the darker cheek, the lighter cheek, the forehead, the bridge of the nose, the whites of the eyes and the
    upper corners of the picture. The first four are those of `skin_places`.
    """
    lab = to_lab(picture)
    height, width = lab.shape[:2]
    *cheeks, forehead, bridge = colours_at(lab, landmarks)
    cheeks.sort(key=lambda colour: colour[0])
    corner = height // 3, width // 12
    corners = np.concatenate([lab[: corner[0], : corner[1]], lab[: corner[0], -corner[1] :]], axis=1)
    around = np.median(corners.reshape(-1, 3), axis=0)
    return np.concatenate([*cheeks, forehead, bridge, _whites(lab, landmarks), around])


def _whites(lab: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The 90th percentile (3,) of each channel within the boxes around the eyes."""
    inside = landmarks.clip(0, (lab.shape[1] - 1, lab.shape[0] - 1))
    pixels = []
    for eye in (LEFT_EYE, RIGHT_EYE):
        left, top = np.floor(inside[eye].min(0)).astype(int)
        right, bottom = np.ceil(inside[eye].max(0)).astype(int)
        pixels.append(lab[top : bottom + 1, left : right + 1].reshape(-1, 3))
    return np.percentile(np.concatenate(pixels), 90, axis=0)


def all_colours(pictures: torch.Tensor, landmarks: np.ndarray) -> np.ndarray:
    """`colours` of each of the pictures (N, 3, R, R) in [0, 1] with landmarks (N, 68, 2): (N, 18)."""
    data = pictures.permute(0, 2, 3, 1).cpu().numpy().astype(np.float64)
    return np.stack([colours(picture, points) for picture, points in zip(data, landmarks, strict=True)])


def fit_discriminant(features: np.ndarray, tones: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A function that estimates the tone (M,), 0 to 9, from features (M, F), fitted to features (N, F) of known tones.

    Fisher's linear discriminant: each tone is a Gaussian with its own mean, all share one covariance, and all are
    equally likely beforehand.

    Raises:
        ValueError: if one of the ten tones is missing.
    """
    missing = sorted(set(range(TONES)) - set(tones.tolist()))
    if missing:
        raise ValueError(f"The pictures to fit to have none of tone {missing[0] + 1}; give pictures of all ten.")
    means = np.stack([features[tones == tone].mean(0) for tone in range(TONES)])
    within = features - means[tones]
    # The pseudo-inverse ignores features that do not vary, such as the surroundings of cut-out faces.
    weights = np.linalg.pinv(within.T @ within / len(features), hermitian=True) @ means.T
    offsets = (means.T * weights).sum(0) / 2
    return lambda features: (features @ weights - offsets).argmax(1)


def confusion(true: np.ndarray, estimated: np.ndarray, kinds: int = TONES) -> np.ndarray:
    """Of the pictures of each true tone (rows), the share estimated as each tone (columns): (10, 10), rows sum to 1.

    Of other things that are confused, `kinds` says how many there are.
    """
    counts = np.zeros((kinds, kinds))
    np.add.at(counts, (true, estimated), 1)
    return counts / counts.sum(1, keepdims=True).clip(min=1)


def raw_shares(estimated: np.ndarray) -> np.ndarray:
    """The share (10,) of each tone among the estimates (N,)."""
    return np.bincount(estimated, minlength=TONES) / len(estimated)


def corrected_shares(observed: np.ndarray, confused: np.ndarray) -> np.ndarray:
    """The true shares p (10,) that best explain the observed ones, when tones are confused as `confused` says.

    The adjusted count of quantification (Saerens et al. 2002; Forman 2008), for ten classes: the p >= 0 of sum 1 with
    the least |confused^T p - observed|.
    """
    # The sum is one more equation, with so large a weight that it holds.
    heavy = 1e4
    p, _ = nnls(np.vstack([confused.T, np.full(len(observed), heavy)]), np.append(observed, heavy))
    return p / p.sum()


def standard_errors(
    true: np.ndarray, estimated: np.ndarray, observed: np.ndarray, rng: np.random.Generator, rounds: int = 200
) -> np.ndarray:
    """Standard errors (10,) of the corrected shares of the estimates `observed` (M,), by the bootstrap (Efron 1979).

    Both the estimates and the pairs (N,) of true and estimated tones, from which the confusion is counted, are drawn
    again. The error of a share that is corrected to 0 is too small, because the share stays 0.
    """
    again = []
    for _ in range(rounds):
        pairs, others = rng.integers(len(true), size=len(true)), rng.integers(len(observed), size=len(observed))
        again.append(corrected_shares(raw_shares(observed[others]), confusion(true[pairs], estimated[pairs])))
    return np.std(again, axis=0)


def portraits_of_every_tone(count: int, seed: int) -> torch.Tensor:
    """Portraits (count, K) of equally many of each tone, with everything else random."""
    u = portraits.sample(count, torch.Generator().manual_seed(seed))
    tone = portraits.COORDINATES.index("tone")
    u[:, tone] = (torch.arange(count) % TONES + u[:, tone]) / TONES
    return u


def true_tones(u: torch.Tensor) -> np.ndarray:
    """Tones (N,), 0 to 9, of the portraits u (N, K)."""
    return np.array([fact.tone for fact in portraits.truth(u)]) - 1


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="portraits and samples whose tones are estimated")
    parser.add_argument("--fit", type=int, default=1000, help="portraits that the discriminant is fitted to")
    parser.add_argument("--test", type=int, default=500, help="portraits that its confusion is measured on")
    parser.add_argument("--seed", type=int, default=20_221)
    parser.add_argument("--generator", default="default")
    parser.add_argument("--truncation-psi", type=float, default=0.7)
    arguments = parser.parse_args()
    if arguments.count < 1 or min(arguments.fit, arguments.test) < 20 * TONES:
        parser.error("give at least one picture for --count, and 200 each for --fit and --test (20 of each tone).")
    print(describe())
    if not _sees_landmarks():
        print("dlib or its landmarks are not installed; `pip install dlib-bin` and `make landmarks` install them.")
    generator = stylegan.load(arguments.generator)
    seed, resolution = arguments.seed, generator.img_resolution
    fitted_to = portraits_of_every_tone(arguments.fit, seed)
    tested_on = portraits_of_every_tone(arguments.test, seed + 1)
    held_out = portraits.sample(arguments.count, torch.Generator().manual_seed(seed + 2))
    average = np.mean([fact.landmarks.numpy() for fact in portraits.truth(fitted_to, resolution)], axis=0)

    def features(name: str, pictures: torch.Tensor) -> np.ndarray:
        landmarks, found = find_landmarks(pictures, average)
        print(f"{name}: landmarks from dlib in {found} of {len(pictures)}, average ones in the others", flush=True)
        return all_colours(pictures, landmarks)

    estimate = fit_discriminant(
        features("portraits to fit to", portraits.render(fitted_to, resolution)), true_tones(fitted_to)
    )
    true = true_tones(tested_on)
    estimated = estimate(features("portraits to test on", portraits.render(tested_on, resolution)))
    _print_confusion(true, estimated)
    of_portraits = estimate(features("held-out portraits", portraits.render(held_out, resolution)))
    name = f"{generator.name}, truncation_psi={arguments.truncation_psi}"
    pictures = stylegan.sample(generator, range(seed, seed + arguments.count), arguments.truncation_psi)
    of_samples = estimate(features(name, pictures))
    print("Shares of the tones in %: as counted, and corrected for the confusion, with its standard error")
    print(f"{'':46s}" + "".join(f"{tone:>6d}" for tone in range(1, TONES + 1)) + "  smallest")
    _print_shares("held-out portraits, true", raw_shares(true_tones(held_out)))
    for whose, tones in (("held-out portraits", of_portraits), (name, of_samples)):
        _print_shares(f"{whose}, counted", raw_shares(tones))
        _print_shares(f"{whose}, corrected", corrected_shares(raw_shares(tones), confusion(true, estimated)))
        _print_shares("+-", standard_errors(true, estimated, tones, np.random.default_rng(seed)), smallest=False)


def _print_confusion(true: np.ndarray, estimated: np.ndarray) -> None:
    away = np.abs(true - estimated)
    print(f"estimated exactly {(away == 0).mean():.1%}, within one tone {(away <= 1).mean():.1%}")
    print("Of each true tone (row), estimated as tone (column), in %")
    print("     " + "".join(f"{tone:>5d}" for tone in range(1, TONES + 1)))
    for tone, row in enumerate(confusion(true, estimated), start=1):
        print(f"{tone:>5d}" + "".join(f"{100 * share:5.0f}" for share in row))


def _print_shares(name: str, shares: np.ndarray, smallest: bool = True) -> None:
    numbers = "".join(f"{100 * share:6.1f}" for share in shares)
    print(f"{name:>46s}{numbers}" + (f"{100 * shares.min():10.1f}" if smallest else ""), flush=True)


if __name__ == "__main__":
    main()
