"""The parts of the benchmark: each measures one thing, and gives the rows of one table."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import torch

import pulse
from benchmarks.drawn import measures
from benchmarks.drawn.measures import Row
from benchmarks.heldout import HELD_OUT_SEED
from pulse.app import sprites
from pulse.fit_portrait import to_unit
from stylegan import portraits
from stylegan.portraits import encoder
from stylegan.portraits.truth import Truth

RESOLUTION = 512
# How the two halves of a table are called, and the answers that are tried on each.
KINDS = {"people": "people", "characters": "any"}
# Sprites with a human face that nothing covers; the others are masks, animals, monsters and emoji.
HUMAN = (
    *("knight", "hero", "wizard", "pirate", "queen", "blockhead", "elf", "astronaut", "vampire", "princess"),
    *("viking", "king"),
)
_STAGES = ("best screened", "polished", "switches", "polished again", "drawn large")


@dataclass(frozen=True)
class HeldOut:
    """Portraits that nothing was taught on: `u` (N, K), drawn large (N, 3, 512, 512), and their truth."""

    u: torch.Tensor
    images: torch.Tensor
    truths: list[Truth]

    def targets(self, size: int) -> torch.Tensor:
        """The portraits made small, (N, 3, size, size)."""
        return pulse.downsample(self.images, size=size).clamp(0, 1)


@cache
def held_out(kind: str, count: int) -> HeldOut:
    """The first portraits of a kind of `portraits.sample` that nothing was taught on."""
    u = portraits.sample(count, torch.Generator().manual_seed(HELD_OUT_SEED), kind)
    images = torch.cat([portraits.render(one, RESOLUTION) for one in u.split(1)])
    return HeldOut(u, images, portraits.truth(u, measures.SIDE))


@cache
def answered(kind: str, count: int, size: int = 16, fidelity: float | None = None) -> tuple[pulse.Result, float]:
    """Drawn answers to held-out portraits, found in one call, and the CPU seconds that each took."""
    draw = pulse.draw if fidelity is None else partial(pulse.draw, fidelity=fidelity)
    targets = held_out(kind, count).targets(size)
    return timed(lambda: draw(targets, kind=KINDS[kind], resolution=RESOLUTION, seed=0), count)


def timed(call: Callable[[], pulse.Result], count: int) -> tuple[pulse.Result, float]:
    """The result of a call, and the CPU seconds that each of its answers took."""
    begun = time.process_time()
    result = call()
    return result, (time.process_time() - begun) / count


def people(count: int) -> list[Row]:
    """Drawn answers on held-out people."""
    truth = held_out("people", count)
    result, seconds = answered("people", count)
    found = measures.truths_of(result)
    return [
        {
            "answer": "drawn",
            **measures.distances(result.l2),
            **measures.recovered(found, truth.truths),
            **measures.faces(result.images, truth.truths),
            **measures.sharpness(result.images, truth.images),
            "CPU s": seconds,
        }
    ]


def characters(count: int) -> list[Row]:
    """Drawn answers on held-out characters, of which half are people; and in how many of the portraits themselves dlib
    finds a face."""
    truth = held_out("characters", count)
    result, seconds = answered("characters", count)
    found = measures.truths_of(result)
    rows: list[Row] = []
    for name, at in _halves(truth.truths):
        some, true = result[at], [truth.truths[i] for i in at]
        rows.append(
            {
                "of": f"{len(at)} {name}",
                **measures.distances(some.l2),
                **measures.recovered([found[i] for i in at], true),
                **measures.chosen([found[i] for i in at], true),
                **measures.faces(some.images),
                "faces of the portraits": measures.faces(truth.images[at])["faces"],
                **measures.sharpness(some.images, truth.images[at]),
                "CPU s": seconds,
            }
        )
    return rows


def misses(count: int) -> list[Row]:
    """Held-out characters that are not people, by what they have; those that are answered worst come first."""
    truths, l2 = held_out("characters", count).truths, answered("characters", count)[0].l2
    return measures.by_part(truths, l2)


def _halves(truths: Sequence[Truth]) -> list[tuple[str, list[int]]]:
    """All characters, the people among them, and the others: names, and numbers of the portraits; none without any."""
    human = [not one.attributes["character"] for one in truths]
    every = range(len(truths))
    halves = {
        "all": list(every),
        "people among them": [i for i in every if human[i]],
        "the others": [i for i in every if not human[i]],
    }
    return [(name, at) for name, at in halves.items() if at]


def network(count: int, kinds: Sequence[str] = tuple(KINDS)) -> list[Row]:
    """The network's search on the same portraits."""
    rows: list[Row] = []
    for kind in kinds:
        truth = held_out(kind, count)
        targets = truth.targets(16)
        result, seconds = timed(
            lambda t=targets: pulse.search("default", t, finish="network", seed=0),  # type: ignore[misc]
            count,
        )
        true = pulse.downsample(truth.images, size=result.images.shape[-1]).clamp(0, 1)
        groups = [("people", list(range(count)))] if kind == "people" else _halves(truth.truths)
        for name, at in groups:
            rows.append(
                {
                    "of": f"{len(at)} {name}",
                    **measures.distances(result.l2[at]),
                    **measures.faces(result.images[at], [truth.truths[i] for i in at]),
                    **measures.sharpness(result.images[at], true[at]),
                    "CPU s": seconds,
                }
            )
    return rows


def game(count: int) -> list[Row]:
    """Drawn answers, and the network's, on the project's sprites, `count` of them at most.

    dlib, which learnt from photographs, is asked of all, and of those alone that have a human face (`HUMAN`).
    """
    names = sprites.names()[:count]
    human = [i for i, name in enumerate(names) if name in HUMAN]
    targets = torch.cat([sprites.load(one) for one in names])
    rows: list[Row] = []
    for answer in ("any", "people", "network"):
        if answer == "network":
            result, seconds = timed(lambda: pulse.search("default", targets, finish="network", seed=0), len(targets))
        else:
            result, seconds = timed(
                lambda kind=answer: pulse.draw(targets, kind=kind, seed=0),  # type: ignore[misc]
                len(targets),
            )
        row: Row = {"answer": answer, **measures.distances(result.l2), **measures.faces(result.images)}
        if human:
            row[f"faces of {len(human)} human"] = measures.faces(result.images[human])["faces"]
        rows.append(row | {"CPU s": seconds})
    return rows


def sizes(count: int, kinds: Sequence[str] = tuple(KINDS)) -> list[Row]:
    """Drawn answers to targets of several sizes."""
    rows: list[Row] = []
    for kind in kinds:
        for size in (8, 16, 24, 32, 64):
            result, seconds = answered(kind, count, size)
            found = measures.recovered(measures.truths_of(result), held_out(kind, count).truths)
            rows.append(
                {"of": f"{count} {kind}", "size": size, **measures.distances(result.l2), **found, "CPU s": seconds}
            )
    return rows


def stages(count: int, kinds: Sequence[str] = tuple(KINDS)) -> list[Row]:
    """What each stage of a fit leaves: the mean squared error of its best point, at 16 px."""
    rows: list[Row] = []
    for kind in kinds:
        targets = held_out(kind, count).targets(16)
        k = held_out(kind, count).u.shape[1]
        read = encoder.read(targets)[0][:, :k]
        for name, v in (("the mean face", torch.zeros_like(read)), ("what the encoder reads", read)):
            images = pulse.downsample(portraits.render(to_unit(v), 32), size=16)
            l2 = (images - targets).square().mean((1, 2, 3))
            rows.append({"of": f"{count} {kind}", "after": name, **measures.distances(l2)})
        history = answered(kind, count)[0].history["l2"]
        for name, l2 in zip(_STAGES, history.unbind(1), strict=True):
            rows.append({"of": f"{count} {kind}", "after": name, **measures.distances(l2)})
    return rows


def fidelity(count: int, kinds: Sequence[str] = tuple(KINDS)) -> list[Row]:
    """What the weight of the prior does."""
    rows: list[Row] = []
    for kind in kinds:
        for value in (0.0, 0.35, 0.7, 1.0):
            result, _ = answered(kind, count, fidelity=value)
            length = result.latents.square().mean((1, 2)).sqrt()
            found = measures.recovered(measures.truths_of(result), held_out(kind, count).truths)
            faces = measures.faces(result.images)
            mean = {"rms of v": float(length.mean())}
            rows.append(
                {"of": f"{count} {kind}", "fidelity": value, **measures.distances(result.l2), **mean, **found, **faces}
            )
    return rows


def speed(count: int, kinds: Sequence[str] = tuple(KINDS)) -> list[Row]:
    """Seconds of an answer at 512 px, alone and in a batch of 16, and of 1024 px. Neighbours slow the clock down."""
    rows: list[Row] = []
    for kind in kinds:
        targets = held_out(kind, min(count, 16)).targets(16)
        for name, some, resolution in (
            ("alone, 512 px", targets[:1], RESOLUTION),
            ("alone, 1024 px", targets[:1], 1024),
            (f"in a batch of {len(targets)}, 512 px", targets, RESOLUTION),
        ):
            wall, cpu = time.perf_counter(), time.process_time()
            pulse.draw(some, kind=KINDS[kind], resolution=resolution, seed=0)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            load = os.getloadavg()[0]
            rows.append({"of": kind, "what": name, "s each": wall / len(some), "CPU s": cpu / len(some), "load": load})
    return rows


# Those that are one of `KINDS`, or of no kind; those that measure either.
OF_ONE: dict[str, Callable[[int], list[Row]]] = {
    "people": people,
    "characters": characters,
    "misses": misses,
    "sprites": game,
}
OF_EITHER: dict[str, Callable[[int, Sequence[str]], list[Row]]] = {
    "network": network,
    "sizes": sizes,
    "stages": stages,
    "fidelity": fidelity,
    "speed": speed,
}
