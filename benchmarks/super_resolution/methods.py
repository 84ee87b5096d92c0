"""The methods that are compared, and any other by the name of a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

import pulse
from benchmarks.super_resolution.degradations import Degradation
from pulse import methods
from pulse.batch.plan import renderer_digest, weights_digest
from pulse.feedforward.weights import load_upscaler
from pulse.operators import Operator
from pulse.pictures import to_pil
from stylegan.common.pixels import to_bytes

# Starts of "best of 8" and "mean of 8".
EIGHT = 8


@dataclass(frozen=True)
class Task:
    """What a method is told beside the small pictures.

    Args:
        resolution: pixels along a side that answers shall have; others are brought to it.
        degradation: how the small pictures were made, as far as methods may know.
        seeds: of each picture.
        generator: the network whose images are searched.
        steps: of a search.
        eps: mean squared error at which an answer fits its question.
        checkpoint: a file of a feed-forward network, such as the authors', or None.
    """

    resolution: int
    degradation: Degradation
    seeds: tuple[int, ...]
    generator: Any
    steps: int
    eps: float = pulse.SearchOptions.eps
    checkpoint: Path | None = None

    def operator(self, size: int, resolution: int | None = None) -> Operator:
        """What made the pictures small, from `resolution` (by default the task's) to `size` pixels along a side."""
        return self.degradation.operator(resolution or self.resolution, size)


# From small pictures (N, 3, s, s) in [0, 1] to large ones (N, 3, R, R) in [0, 1], of each of the method's answers.
Function = Callable[[Tensor, Task], Tensor | Sequence[Tensor]]


def _nothing(task: Task) -> str:
    return ""


@dataclass(frozen=True)
class Method:
    """One method.

    Args:
        key: its name on the command line.
        answers: the names of what its function returns, as tables show them.
        function: from the small pictures and their task to the answers.
        about: one sentence.
        at_once: how many pictures it gets in a call.
        random: whether another seed gives another answer.
        smallest: the fewest pixels along a side that it takes.
        told: whether it asks `Task.operator` how the pictures were made, so that they can be others than small ones.
        weights: says which weights it uses, as a digest, so that answers of other weights are not taken for its own.
    """

    key: str
    answers: tuple[str, ...]
    function: Function
    about: str
    at_once: int = 16
    random: bool = False
    smallest: int = 1
    told: bool = False
    weights: Callable[[Task], str] = _nothing

    def __call__(self, questions: Tensor, task: Task) -> list[Tensor]:
        """Its answers, each (N, 3, R, R) uint8 of the task's resolution.

        Raises:
            ValueError: if what it returns has another shape, or is not finite.
        """
        returned = self.function(questions, task)
        images = [returned] if isinstance(returned, Tensor) else list(returned)
        expected = (len(questions), 3)
        if len(images) != len(self.answers) or any(one.ndim != 4 or one.shape[:2] != expected for one in images):
            shapes = ", ".join(str(tuple(one.shape)) for one in images)
            raise ValueError(
                f"The method {self.key} returned {shapes} for {len(questions)} pictures; a method returns floats "
                f"({len(questions)}, 3, R, R) in [0, 1]."
            )
        if not all(bool(one.isfinite().all()) for one in images):
            raise ValueError(f"The method {self.key} returned values that are not finite; mend it or leave it out.")
        return [to_bytes(_of_side(one.detach().float().cpu(), task.resolution)) for one in images]


def _of_side(images: Tensor, side: int) -> Tensor:
    if images.shape[-1] > side:
        return pulse.downsample(images, size=side)
    return images if images.shape[-1] == side else interpolate(images, size=(side, side), mode="bicubic")


def _interpolated(questions: Tensor, task: Task, mode: str) -> Tensor:
    return interpolate(questions, size=(task.resolution,) * 2, mode=mode)


def _lanczos(questions: Tensor, task: Task) -> Tensor:
    import numpy as np
    from PIL import Image

    side = task.resolution
    large = [to_pil(one).resize((side, side), Image.Resampling.LANCZOS) for one in questions]
    return torch.stack([torch.from_numpy(np.array(one)).permute(2, 0, 1).float() / 255 for one in large])


def _searched(questions: Tensor, task: Task, method: str | None = None) -> Tensor:
    return _search(questions, task, method).images


def _to_eps(questions: Tensor, task: Task) -> Tensor:
    return _search(questions, task, "bounded", floor=task.eps).images


def _search(
    questions: Tensor, task: Task, method: str | None = None, floor: float | None = None, **more: Any
) -> pulse.Result:
    side = int(task.generator.img_resolution)
    operator = task.operator(questions.shape[-1], side)
    options = pulse.SearchOptions(method=method, steps=task.steps, seed=task.seeds[0], eps=task.eps, floor=floor)
    # The question carries no noise, so all is as for a search without an operator.
    options = methods.settled(options, task.generator, own_operator=False, own_losses=False)
    return pulse.search(task.generator, questions, options, finish="network", operator=operator, **more)


def _published(questions: Tensor, task: Task) -> Tensor:
    """PULSE's search with PULSE's choice: all steps are taken, and the image of the lowest loss is the answer."""
    lowest = torch.full((len(questions),), float("inf"))
    side = int(task.generator.img_resolution)
    images = torch.zeros(len(questions), 3, side, side)

    def keep(step: int, state: pulse.SearchState) -> None:
        rows, loss = state.image.cpu(), state.loss.cpu()
        lower = loss < lowest[rows]
        lowest[rows[lower]] = loss[lower]
        images[rows[lower]] = state.images.cpu()[lower]

    result = _search(questions, task, "pulse", callback=keep)
    never = lowest.isinf()
    images[never] = result.images[never]
    return images


def _of_eight(questions: Tensor, task: Task) -> list[Tensor]:
    """The best of eight starts, and the mean of their images."""
    result = _search(questions, task, starts=EIGHT, return_all=True)
    assert result.all_starts is not None
    return [result.images, result.all_starts.images.unflatten(0, (-1, EIGHT)).mean(1)]


def _sampled(questions: Tensor, task: Task) -> Tensor:
    """A sample of the posterior for each picture; pictures that are the same share their chains."""
    distinct, which = questions.flatten(1).unique(dim=0, return_inverse=True)
    images: list[Tensor | None] = [None] * len(questions)
    for one in range(len(distinct)):
        rows = (which == one).nonzero()[:, 0].tolist()
        side = int(task.generator.img_resolution)
        result = pulse.search(
            task.generator,
            questions[rows[:1]],
            finish="network",
            draw="posterior",
            method="fast",
            samples=len(rows),
            operator=task.operator(questions.shape[-1], side),
            steps=task.steps,
            seed=task.seeds[rows[0]],
            eps=task.eps,
        )
        for row, image in zip(rows, result.images, strict=True):
            images[row] = image
    return torch.stack([image for image in images if image is not None])


def _drawn(questions: Tensor, task: Task) -> Tensor:
    return pulse.draw(questions, kind="people", resolution=task.resolution, seed=task.seeds[0], eps=task.eps).images


def _fed_forward(questions: Tensor, task: Task, given: bool = False) -> Tensor:
    network = task.checkpoint if given and task.checkpoint is not None else "default"
    return pulse.upscale(questions, network=network, framing="stretch", grid="off", notes=[]).images


def _of_generator(task: Task) -> str:
    return weights_digest(task.generator)


def _of_upscaler(task: Task, given: bool = False) -> str:
    network = load_upscaler(task.checkpoint if given and task.checkpoint is not None else "default")
    return weights_digest(network)


def _of_renderer(task: Task) -> str:
    return renderer_digest()


METHODS = {
    one.key: one
    for one in (
        Method("nearest", ("nearest",), partial(_interpolated, mode="nearest"), "Each pixel becomes a block."),
        Method("bicubic", ("bicubic",), partial(_interpolated, mode="bicubic"), "Cubic interpolation."),
        Method("lanczos", ("Lanczos",), _lanczos, "Lanczos interpolation with three lobes, by Pillow."),
        Method(
            "feedforward",
            ("feed-forward",),
            _fed_forward,
            "The network of Kim et al. (BMVC 2019) with the weights in the box.",
            weights=_of_upscaler,
        ),
        Method(
            "checkpoint",
            ("feed-forward, given",),
            partial(_fed_forward, given=True),
            "The same network with the weights of the file given by --checkpoint.",
            weights=partial(_of_upscaler, given=True),
        ),
        Method(
            "pulse",
            ("PULSE",),
            _published,
            "PULSE as published (Menon et al., CVPR 2020): its options, all its steps, the image of the lowest loss.",
            at_once=4,
            random=True,
            told=True,
            weights=_of_generator,
        ),
        Method(
            "search",
            ("search",),
            _searched,
            "Our search with default options: by the method `fast`, on a StyleGAN.",
            at_once=16,
            random=True,
            told=True,
            weights=_of_generator,
        ),
        Method(
            "bounded",
            ("search, bounded",),
            partial(_searched, method="bounded"),
            "Our search by the method `bounded`.",
            at_once=4,
            random=True,
            told=True,
            weights=_of_generator,
        ),
        Method(
            "to-eps",
            ("bounded, to eps",),
            _to_eps,
            "The same with its floor at eps, where PULSE has it: it stops on its way from a middle tone.",
            at_once=4,
            random=True,
            told=True,
            weights=_of_generator,
        ),
        Method(
            "eight",
            ("best of 8", "mean of 8"),
            _of_eight,
            "Our search from eight starts: the best one, and the mean of all eight images.",
            at_once=4,
            random=True,
            told=True,
            weights=_of_generator,
        ),
        Method(
            "posterior",
            ("posterior",),
            _sampled,
            "One sample of the posterior: a face drawn as often as it is probable (`draw='posterior'`, `fast`).",
            at_once=40,
            random=True,
            told=True,
            weights=_of_generator,
        ),
        Method(
            "drawn",
            ("drawn",),
            _drawn,
            "The portrait that the renderer draws for it (`pulse.draw`, people only); it believes in bicubic.",
            at_once=8,
            smallest=8,
            weights=_of_renderer,
        ),
    )
}


def own(name: str) -> Method:
    """A method of the user's, named as "module:function".

    The function takes small pictures (N, 3, s, s) in [0, 1], and the `Task` if it takes two arguments; it returns large
    ones (N, 3, R, R) in [0, 1].

    Raises:
        ValueError: if there is no such function.
    """
    module, _, attribute = name.partition(":")
    try:
        function = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"There is no function {name!r} ({error}); name it as package.module:function.") from error
    if not callable(function):
        raise ValueError(f"{name!r} is not a function; name one from small pictures to large ones.")
    alone = len(inspect.signature(function).parameters) == 1

    @wraps(function)
    def call(questions: Tensor, task: Task) -> Tensor:
        return function(questions) if alone else function(questions, task)

    about = (inspect.getdoc(function) or f"The function {name}.").splitlines()[0]
    return Method(name, (attribute,), call, about, at_once=4, random=True, told=not alone)
