"""What is measured on answers: distance, landmarks, tone, attributes, sharpness, faces that dlib finds."""

from collections.abc import Sequence

import numpy as np
import torch

import pulse
from benchmarks.faces import FEATURES, PREDICTOR, find_faces, true_face
from pulse.fit_portrait import to_unit
from stylegan import portraits
from stylegan.portraits.truth import Truth

Row = dict[str, float | int | str]

# Landmarks are counted in pixels of pictures of this side.
SIDE = 128
_INNER = FEATURES["all 51"]
# Octaves of the power spectrum, as shares of the Nyquist frequency.
OCTAVES = ((1 / 8, 1 / 4), (1 / 4, 1 / 2), (1 / 2, 1))
_USUAL = ("none", "human", "skin", "plain")
_OF_CHARACTERS = ("character", "headgear", "ears", "horns", "teeth", "eye_style", "eyewear", "skin_finish", "body")


def distances(l2: torch.Tensor, eps: float = pulse.SearchOptions.eps) -> Row:
    """Median and 95 % quantile of mean squared errors (N,), and the share of at most `eps`."""
    middle, high = l2.quantile(torch.tensor([0.5, 0.95])).tolist()
    return {"median L2": middle, "95 % L2": high, "within eps": float((l2 <= eps).float().mean())}


def truths_of(result: pulse.Result) -> list[Truth]:
    """What is true about the portraits that drawn answers are."""
    return portraits.truth(to_unit(result.latents[:, 0]), SIDE)


def recovered(found: Sequence[Truth], true: Sequence[Truth]) -> Row:
    """How well the truth about people is found again: inner landmarks in pixels of 128, tones, attributes."""
    away = [float((a.landmarks - b.landmarks)[_INNER].norm(dim=1).mean()) for a, b in zip(found, true, strict=True)]
    pairs = list(zip(found, true, strict=True))
    row: Row = {
        "landmarks": float(np.mean(away)),
        "tone +-1": float(np.mean([abs(a.tone - b.tone) <= 1 for a, b in pairs])),
    }
    for name in ("glasses", "hat", "beard"):
        row[name] = float(np.mean([_has(a, name) == _has(b, name) for a, b in pairs]))
    return row


def _has(truth: Truth, name: str) -> bool:
    return float(truth.attributes[name]) > 0.5


def chosen(found: Sequence[Truth], true: Sequence[Truth]) -> Row:
    """How often the parts of characters are found again, each the share of portraits in which it is right."""
    pairs = list(zip(found, true, strict=True))
    return {
        name: float(np.mean([a.attributes[name] == b.attributes[name] for a, b in pairs])) for name in _OF_CHARACTERS
    }


def by_part(true: Sequence[Truth], l2: torch.Tensor, eps: float = pulse.SearchOptions.eps) -> list[Row]:
    """For each thing that characters have or wear, how many of them, the median of l2 (N,), and the share within `eps`.

    People count for nothing here. Of what is always one of several things, the usual one is left out.
    """
    groups: dict[str, list[int]] = {}
    for i, one in enumerate(true):
        if one.attributes["character"]:
            for name in _OF_CHARACTERS[1:]:
                value = str(one.attributes[name])
                if value not in _USUAL:
                    groups.setdefault(f"{name}: {value}", []).append(i)
    rows: list[Row] = [{"of": f"{len(at)} {name}", **distances(l2[at], eps)} for name, at in groups.items()]
    return sorted(rows, key=lambda row: (row["within eps"], -float(row["median L2"])))


def faces(images: torch.Tensor, true: Sequence[Truth] | None = None) -> Row:
    """The share of the images (N, 3, R, R) in which dlib finds a face, and how far its inner landmarks are from `true`.

    The second is in pixels of 128, over those with a face; NaN where dlib's predictor is not installed.
    """
    found = find_faces(images, PREDICTOR if PREDICTOR.exists() else None)
    row: Row = {"faces": float(np.mean([len(one) > 0 for one in found]))}
    if true is not None:
        scale, away = SIDE / images.shape[-1], []
        for several, truth in zip(found, true, strict=True):
            landmarks = truth.landmarks.numpy()
            one = true_face(several, (landmarks + 0.5) / scale - 0.5).landmarks if several else None
            if one is not None:
                seen = (one + 0.5) * scale - 0.5
                away.append(float(np.linalg.norm((seen - landmarks)[_INNER], axis=1).mean()))
        row["landmarks by dlib"] = float(np.mean(away)) if away else float("nan")
    return row


def powers(images: torch.Tensor) -> torch.Tensor:
    """(N, 3), the mean power of the luma of images (N, 3, R, R) in three octaves up to the Nyquist frequency.

    A Hann window keeps the borders, where a picture does not go on at the other side, from counting as edges.
    """
    side = images.shape[-1]
    window = torch.hann_window(side, periodic=False)
    frequency = torch.fft.fftfreq(side) * 2
    radius = (frequency[:, None].square() + frequency.square()).sqrt()
    rows = []
    for image in images:
        luma = torch.tensor([0.299, 0.587, 0.114]) @ image.flatten(1)
        flat = (luma - luma.mean()).view(side, side) * window * window[:, None]
        power = torch.fft.fft2(flat).abs().square()
        rows.append(torch.stack([power[(radius > low) & (radius <= high)].mean() for low, high in OCTAVES]))
    return torch.stack(rows)


def sharpness(images: torch.Tensor, true: torch.Tensor) -> Row:
    """How much more power than the `true` portraits the images have above 1/8 of the Nyquist frequency, in decibels.

    Both are (N, 3, R, R); the mean over all, and of each octave.
    """
    mine, theirs = powers(images).mean(0), powers(true).mean(0)
    # The octaves' rings have areas of 3 : 12 : 48.
    area = torch.tensor([high**2 - low**2 for low, high in OCTAVES])
    octaves = (10 * (mine / theirs).log10()).tolist()
    whole = float(10 * ((mine @ area) / (theirs @ area)).log10())
    names = (f"{low:.3g} to {high:.3g}" for low, high in OCTAVES)
    return {"above 1/8, dB": whole, **{f"{name}, dB": x for name, x in zip(names, octaves, strict=True)}}
