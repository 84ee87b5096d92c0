"""How many portraits and how many samples of a generator dlib's frontal face detector takes for faces.

The detector was trained on photographs (King 2009); pictures are shown to it at 128 px, enlarged three times.

    python -m benchmarks.faces --count 300
"""

import argparse

import numpy as np
import torch
from PIL import Image

import stylegan
from benchmarks.environment import describe
from stylegan import portraits
from stylegan.loading import Generator


def share_with_face(pictures: torch.Tensor) -> float:
    """The share of pictures (N, 3, 128, 128) in [0, 1] in which the detector finds a face."""
    import dlib

    detector = dlib.get_frontal_face_detector()
    found = 0
    for picture in pictures:
        data = picture.mul(255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        size = (3 * data.shape[1], 3 * data.shape[0])
        enlarged = Image.fromarray(data).resize(size, Image.Resampling.BICUBIC)
        found += len(detector(np.asarray(enlarged), 0)) > 0
    return found / max(len(pictures), 1)


def sample(generator: Generator, count: int, seed: int, truncation_psi: float) -> torch.Tensor:
    """Pictures (N, 3, R, R) in [0, 1] of `count` latents."""
    z = torch.randn(count, generator.z_dim, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        parts = [generator(part, truncation_psi=truncation_psi) for part in z.split(16)]
    return ((torch.cat(parts) + 1) / 2).clamp(0, 1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=12345)
    parser.add_argument("--generator", default="default")
    arguments = parser.parse_args()
    print(describe())
    drawn = portraits.sample(arguments.count, torch.Generator().manual_seed(arguments.seed))
    rows = [("portraits", portraits.render(drawn, 128))]
    generator = stylegan.load(arguments.generator)
    rows += [
        (f"{generator.name}, truncation_psi={psi}", sample(generator, arguments.count, arguments.seed, psi))
        for psi in (0.7, 1.0)
    ]
    for name, pictures in rows:
        print(f"{name:40s} {share_with_face(pictures):7.1%} of {len(pictures)}", flush=True)


if __name__ == "__main__":
    main()
