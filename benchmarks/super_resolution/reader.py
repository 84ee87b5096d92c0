"""A small network that reads the groups of the person in a picture, taught on portraits whose groups are known.

The reader of `stylegan.portraits.encoder` sees 16 px, as many as the question has, so every answer that fits the
question would read as the question does. This one sees 32 px of the answer. How often it is right about true portraits
stands beside all that it says of answers.

    python -m benchmarks.super_resolution.reader DIR     # a folder of `stylegan render-pairs --kind characters`
"""

from __future__ import annotations

import argparse
from functools import cache
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.super_resolution.groups import GROUPINGS, MIRRORED, groups_of
from stylegan.common.files import write_tensors
from stylegan.common.tensors import Shapes, read_tensors
from stylegan.portraits.coordinates import as_characters, decode
from stylegan.training.muon import Muon
from stylegan.training.pairs import coordinates_of, read_shards

SIDE = 32
FILE = Path(__file__).with_name("reader.safetensors")
_FORMAT = "pulse-groups-1"
_SIZES = [len(groups) for groups in GROUPINGS.values()]


class Reader(nn.Module):
    """Convolutions on 32, 16, 8 and 4 px and two linear layers."""

    def __init__(self, channels: int = 24) -> None:
        super().__init__()
        widths = [channels * n for n in (1, 2, 3, 4)]
        self.first = nn.Conv2d(3, channels, 3, padding=1)
        self.same = nn.ModuleList(nn.Conv2d(c, c, 3, padding=1) for c in widths)
        self.halve = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(widths))
        self.hidden = nn.Linear(16 * widths[-1], widths[-1])
        self.last = nn.Linear(widths[-1], sum(_SIZES))

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Logits (N, groups) of each grouping, from pictures (N, 3, 32, 32) in [0, 1]."""
        x = F.gelu(self.first(pictures * 2 - 1))
        for i, same in enumerate(self.same):
            x = F.gelu(same(x)) + x
            if i < len(self.halve):
                x = F.gelu(self.halve[i](x))
        return self.last(F.gelu(self.hidden(x.flatten(1)))).split(_SIZES, 1)


def read(pictures: Tensor) -> Tensor:
    """The groups (N, 5) that the network sees in pictures (N, 3, R, R) in [0, 1] of at least 32 px."""
    return _read(_in_the_folder(), pictures)


@torch.no_grad()
def _read(reader: Reader, pictures: Tensor) -> Tensor:
    small = [F.interpolate(some, size=(SIDE, SIDE), mode="area") for some in pictures.float().split(256)]
    return torch.cat([torch.stack([one.argmax(1) for one in reader(some)], 1) for some in small])


@cache
def _in_the_folder() -> Reader:
    reader = Reader()
    expected = {name: tuple(value.shape) for name, value in reader.state_dict().items()}

    def check(shapes: Shapes, metadata: dict[str, str]) -> None:
        if metadata.get("format") != _FORMAT or shapes != expected:
            raise ValueError(f"{FILE} holds no reader of groups; teach one with benchmarks.super_resolution.reader.")

    tensors, _ = read_tensors(FILE, check)
    reader.load_state_dict({name: value.float() for name, value in tensors.items()})
    return reader.eval().requires_grad_(False)


def seen(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Pictures (N, 3, 32, 32) in [0, 1] as answers may look: some blurred, some noisy."""
    side = int(torch.randint(12, SIDE + 1, (), generator=rng))
    blurred = F.interpolate(pictures, size=(side, side), mode="bilinear", antialias=True)
    blurred = F.interpolate(blurred, size=(SIDE, SIDE), mode="bicubic")
    chosen = torch.rand(len(pictures), 1, 1, 1, generator=rng)
    strength = 0.03 * torch.rand(len(pictures), 1, 1, 1, generator=rng)
    noise = strength * torch.randn(pictures.shape, generator=rng)
    return (torch.where(chosen < 0.3, blurred, pictures) + noise).clamp(0, 1)


def taught(pictures: Tensor, groups: Tensor, steps: int, rng: torch.Generator, batch: int = 128) -> Reader:
    """A network that sees `groups` (N, 5) in pictures (N, 3, 32, 32) of uint8; mirrored pictures teach it too."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        reader = Reader()
    mirror = [torch.tensor(MIRRORED.get(name, range(len(names)))) for name, names in GROUPINGS.items()]
    mirrored_groups = torch.stack([to[column] for to, column in zip(mirror, groups.unbind(1), strict=True)], 1)
    optimizer = Muon(reader.parameters(), lr=0.0)
    warm_up = min(100, max(1, steps // 10))
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 3e-3 * min(1, step / warm_up) * (1 - step / steps)
        rows = torch.randint(len(pictures), (batch,), generator=rng)
        flipped = torch.rand(batch, generator=rng) < 0.5
        some = pictures[rows].float() / 255
        some = seen(torch.where(flipped[:, None, None, None], some.flip(3), some), rng)
        true = torch.where(flipped[:, None], mirrored_groups[rows], groups[rows])
        loss = torch.stack([F.cross_entropy(a, b) for a, b in zip(reader(some), true.unbind(1), strict=True)]).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % 100 == 0 or step == steps - 1:
            print(f"step {step + 1} of {steps}: loss {loss.item():.3f}", flush=True)
    return reader.eval()


def main() -> None:
    """Teaches the reader, prints how often it is right, and writes it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="rendered pairs of 32 px or more; the people among them teach")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--held-out", type=int, default=1024, help="people who do not teach but test")
    parser.add_argument("-o", "--out", type=Path, default=FILE)
    arguments = parser.parse_args()
    z, pictures = read_shards(arguments.folder, SIDE)
    u = as_characters(coordinates_of(z))
    people = torch.cat([decode(some)["character"][:, 0] == 0 for some in u.split(4096)])
    u, pictures = u[people], pictures[people]
    groups = torch.cat([groups_of(some) for some in u.split(4096)])
    held_out = arguments.held_out
    rng = torch.Generator().manual_seed(0)
    reader = taught(pictures[held_out:], groups[held_out:], arguments.steps, rng)
    right = (_read(reader, pictures[:held_out].float() / 255) == groups[:held_out]).float().mean(0)
    for name, share in zip(GROUPINGS, right.tolist(), strict=True):
        print(f"{name}: right about {share:.1%} of {held_out} people who did not teach it")
    write_tensors(arguments.out, {k: v.half() for k, v in reader.state_dict().items()}, {"format": _FORMAT})


if __name__ == "__main__":
    main()
