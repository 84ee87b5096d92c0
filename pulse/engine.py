"""search(): splits targets into batches of starts, walks each start to its end, and gathers the best of each image.

The walk itself, the published algorithm, is in `pulse.walk`.
"""

from __future__ import annotations

import math
import operator as operators
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pulse import methods, posterior
from pulse.best import Best, better, last, winners
from pulse.finishes import SHARED, choose_finish, given_drawn
from pulse.generators import device_of, load_generator
from pulse.inputs import check_labels, check_target, check_tensor
from pulse.latents import Space, latent_space
from pulse.losses import Losses, LossFunction, loss_name, weighted_losses
from pulse.operators import Downsampler, Operator
from pulse.options import SearchOptions, SearchOverrides, given_options, merge_options
from pulse.result import Result
from pulse.starts import Given, Init, chain_rngs, given_starts, starting_points, with_starts_of
from pulse.state import Callback, SearchState
from pulse.walk import Course
from stylegan.common.processes import usual_threads, with_threads

if TYPE_CHECKING:
    import os

    from typing_extensions import Unpack

    from pulse.fast import Prepared
    from stylegan import Generator

# How many such batches the method "fast" walks together.
_FAST_BATCHES = 4

# How many image pixels a batch has by default. A CPU is fastest when a batch fits its cache (measured at 128 px: one
# image 0.088 s a step, four 0.062 s each, sixteen 0.084 s each); a GPU needs large batches.
_PIXELS_AT_ONCE = {"cpu": 2**16, "cuda": 2**20}


def search(
    G: Generator | str | os.PathLike[str],
    target: Tensor,
    options: SearchOptions | None = None,
    *,
    finish: str | None = None,
    kind: str | None = None,
    resolution: int | None = None,
    fidelity: float | None = None,
    operator: Any = None,
    losses: Losses | None = None,
    init: Init | Sequence[Init] | None = None,
    labels: Tensor | None = None,
    device: torch.device | str | None = None,
    callback: Callback | None = None,
    return_all: bool = False,
    **overrides: Unpack[SearchOverrides],
) -> Result:
    """Finds, for each target, a large image that is the target when made small.

    For the generator in the box the answer is drawn by the renderer that taught it (`pulse.draw`), in seconds and at
    any size. For any other it is an image of the generator, found by PULSE's search: in the images that it can make,
    find one with ||A(image) - target||^2 <= eps (Menon et al., CVPR 2020, section 3).

        result = pulse.search("default", target, seed=1)                       # drawn, 512 px
        result = pulse.search("default", target, finish="network", seed=1)     # searched, as published
        result = pulse.search("ffhq", target, steps=200, seed=1)
        result = pulse.search("default", target, draw="posterior", samples=16, method="fast", seed=1)

    Args:
        G: a generator (`stylegan.Generator`), or the name or path of one.
        target: (N, 3, h, w) in [0, 1], h and w at most `G.img_resolution`, any aspect ratio; with an `operator`, a
            tensor of the shape that it makes of N images.
        options: how to search. Drawn answers have `seed`, `eps` and `starts` of these.
        finish: who makes the answer, "drawn" or "network". By default: "drawn" for the generator in the box, unless an
            argument is given that only the network's search has: `operator`, `losses`, `init`, `labels`, `device`,
            `return_all`, or any option but `seed`, `eps` and `starts`. An argument that the finish
            asked for does not have is an error.
        kind: of a drawn answer, "any", people and characters (the default), or "people".
        resolution: of a drawn answer, 16 to 1024 px, by default 512.
        fidelity: of a drawn answer, from 0, the most probable face, to 1, the closest pixels; by default 0.7.
        operator: what makes images small: anything with `A(x)` on images (M, 3, H, W) in [0, 1], differentiable, and
            its adjoint `A_adjoint(y)`; see `pulse.operators`. By default a `Downsampler` to the target's size with the
            option `kernel`.
        losses: losses of your own beside those of `loss_str`: f(images, downsampled, target, latents) -> (M,), or
            (weight, f), or several of them (`pulse.losses.LossFunction`). `loss_str="0*L2"` leaves only yours.
        init: where to begin instead of at random: a `Result`, or (latents, noise) with None for noise to be drawn, or
            a list of them, one for each start.
        labels: (N, c_dim), or (1, c_dim) for all, the classes that a conditional generator draws.
        device: where to search; `G` is moved there. By default it stays where it is.
        callback: called as callback(step, state) at every step with a `SearchState`; returning True ends the search.
        return_all: also return every start, in `Result.all_starts`.
        overrides: fields of `SearchOptions` by name, in place of those in `options`.

    Returns:
        Drawn answers as of `pulse.draw`; `settings["finish"]` says which it is. With `draw="posterior"` a row for each
        sample of each image, told apart by `start` (`pulse.posterior`). Else of the network's search the best point of
        each image, which need not be the last: one within `eps` before one that is not, then by lower total loss, then
        by lower L2. `l2`, `downsampled` and `reached` belong to the returned pixels; `loss` and
        `history` are what was minimised (for the method "bounded" both are the same). Each image and start has its own
        random numbers and its own loss, so a batch finds what each image alone would find, up to rounding, which a long
        search can amplify (`batch_size=1` repeats a search alone to the last bit). A start that meets a value that is
        not finite is dropped and keeps its best. Ctrl-C ends the search and returns the best so far (images not yet
        begun get their starting point); a second Ctrl-C stops at once.

    Raises:
        ValueError: in one sentence, for an argument that makes no sense, or when `G` gives nothing finite for an image.
    """
    chosen = merge_options(options, overrides)
    given = given_options(options, overrides)
    others = {"operator": operator, "losses": losses, "init": init, "labels": labels, "device": device}
    for_network = {*given - set(SHARED), *(name for name, value in others.items() if value is not None)}
    for_network |= {"return_all"} if return_all else set()
    for_drawn = given_drawn(kind, resolution, fidelity)
    chosen = posterior.settled(chosen, given | for_network)
    if choose_finish(finish, G, for_network=for_network, for_drawn=for_drawn) == "drawn":
        check_tensor(target)
        if "starts" in given:
            for_drawn["starts"] = chosen.starts
        # Here, because it loads the renderer.
        from pulse.drawn import draw

        return draw(target, **for_drawn, seed=chosen.seed, eps=chosen.eps, callback=callback)
    return _search_network(G, target, chosen, operator, losses, init, labels, device, callback, return_all)


def _search_network(
    G: Any,
    target: Tensor,
    chosen: SearchOptions,
    operator: Any,
    losses: Losses | None,
    init: Init | Sequence[Init] | None,
    labels: Tensor | None,
    device: torch.device | str | None,
    callback: Callback | None,
    return_all: bool,
) -> Result:
    """The images of a generator found by walking its latent sphere; arguments as of `search`."""
    more = weighted_losses(losses)
    generator = load_generator(G, device)
    check_target(generator, target, operator)
    labels = check_labels(generator, labels, target.shape[0])
    if chosen.draw == "posterior":
        posterior.check_generator(generator)
    seed = secrets.randbits(32) if chosen.seed is None else operators.index(chosen.seed)
    foreign = operator is not None
    chosen = methods.settled(replace(chosen, seed=seed), generator, foreign, bool(more))

    ends: list[tuple[SearchState, Tensor]] = []
    ended = _Ended()
    was_training = generator.training
    generator.eval()
    try:
        # Gradients are needed even if the caller has disabled them.
        # Another search may have torch compute with one thread just now, also in this thread if that is new.
        with torch.inference_mode(False), torch.enable_grad(), with_threads(usual_threads()):
            target = target.detach().to(device_of(generator), torch.float32, copy=True)
            space = latent_space(generator, chosen.space, chosen.tile_latent, labels)
            given = given_starts(init, generator, space, target.shape[0])
            chosen = with_starts_of(chosen, given)
            if operator is None:
                small = (target.shape[2], target.shape[3])
                operator = Downsampler((int(generator.img_resolution),) * 2, small, chosen.kernel)
            space, prepared = methods.prepare(generator, space, operator, labels, bool(more), chosen)
            problem = _Problem(generator, target, space, operator, more, given, chosen, prepared)
            for part in _batches(problem):
                state = _last_state(partial(_states, problem, part), callback, ended)
                with torch.no_grad():
                    ws = space.of(part.image.to(target.device)).to_ws(state.best.latents)
                ends.append((state, ws))
    finally:
        generator.train(was_training)

    settings = {
        "finish": "network",
        **asdict(chosen),
        "generator": str(getattr(generator, "name", None) or type(generator).__name__),
        "img_resolution": int(generator.img_resolution),
    }
    if more:
        settings["losses"] = [[weight, loss_name(function)] for weight, function in more]
    if foreign:
        settings["operator"] = repr(operator) if isinstance(operator, Operator) else type(operator).__name__
    if labels is not None:
        settings["labels"] = labels.tolist()
    every = _gather(target, ends, chosen, settings, ended.by_ctrl_c)
    if chosen.draw == "posterior":
        settings["starts"] = 1
        return every[(every.start < chosen.samples).nonzero()[:, 0]]
    result = every[winners(every, chosen.starts)]
    result.all_starts = every if return_all else None
    return result


@dataclass(frozen=True)
class _Problem:
    """What all batches share; `more` and `given` are the caller's losses and starts, `prepared` is of "fast"."""

    G: Any
    target: Tensor
    space: Space
    operator: Any
    more: list[tuple[float, LossFunction]]
    given: list[Given]
    options: SearchOptions
    prepared: Prepared | None


@dataclass
class _Ended:
    """Whether the search is to end, and whether Ctrl-C ended it."""

    by_callback: bool = False
    by_ctrl_c: bool = False


@dataclass(frozen=True)
class _Batch:
    """Batch `number` of `of`: which image (M,) and which of its starts (M,) each row is."""

    number: int
    of: int
    image: Tensor
    start: Tensor


def _batches(problem: _Problem) -> Iterator[_Batch]:
    options = problem.options
    count = problem.target.shape[0] * options.starts
    size = options.batch_size or _at_once(problem.G, problem.target)
    if options.draw == "posterior":
        # The chains of a picture learn from each other.
        size = options.starts
    elif options.batch_size is None and problem.prepared is not None:
        # Most steps of the method "fast" have small pictures.
        size *= _FAST_BATCHES
    batches = math.ceil(count / size)
    for batch in range(batches):
        rows = torch.arange(batch * size, min((batch + 1) * size, count))
        yield _Batch(batch, batches, rows // options.starts, rows % options.starts)


def _at_once(G: Any, target: Tensor) -> int:
    pixels = _PIXELS_AT_ONCE.get(target.device.type, _PIXELS_AT_ONCE["cuda"])
    return max(1, pixels // int(G.img_resolution) ** 2)


def _last_state(begin: Callable[[], Iterator[SearchState]], callback: Callback | None, ended: _Ended) -> SearchState:
    """Follows a walk to its end, or to its first point if the search has ended already."""
    state: SearchState | None = None
    while state is None:
        try:
            for state in begin():
                ended.by_callback |= callback is not None and callback(state.step, state) is True
                if ended.by_callback or ended.by_ctrl_c:
                    break
        except KeyboardInterrupt:
            if ended.by_ctrl_c:
                raise
            ended.by_ctrl_c = True
    return state


def _states(problem: _Problem, part: _Batch) -> Iterator[SearchState]:
    """Walks the starts of one batch and yields a state after every evaluation."""
    G, options = problem.G, problem.options
    image = part.image.to(problem.target.device)
    target = problem.target[image]
    space = problem.space.of(image)
    latents, noise = starting_points(G, space, options, problem.given, part.image, part.start)
    latents, noise = latents.to(target.device), [x.to(target.device) for x in noise]
    history: dict[str, list[Tensor]] = {"loss": [], "l2": []}
    best: Best | None = None
    course = Course(
        G,
        target,
        latents,
        noise,
        space,
        problem.operator,
        problem.more,
        options,
        drawn=not problem.given,
        at_once=options.batch_size or _at_once(G, target),
    )
    chosen = last if options.draw == "posterior" else better
    for point in methods.points(course, problem.prepared, chain_rngs(options, part.image, part.start)):
        best = chosen(point, best, options.eps)
        for name, value in (("loss", point.loss), ("l2", point.error)):
            history[name].append(value.masked_fill(~point.active, math.nan))
        if point.accepted is not None:
            history.setdefault("accepted", []).append(point.accepted)
        yield SearchState(
            step=point.step,
            steps=options.steps,
            batch=part.number,
            batches=part.of,
            image=part.image,
            start=part.start,
            active=point.active,
            images=point.images,
            downsampled=point.downsampled,
            loss=history["loss"][-1],
            l2=history["l2"][-1],
            history={name: torch.stack(values, 1) for name, values in history.items()},
            best=best,
        )


def _gather(
    target: Tensor,
    ends: Sequence[tuple[SearchState, Tensor]],
    options: SearchOptions,
    settings: dict[str, Any],
    interrupted: bool,
) -> Result:
    """The final states and styles of all batches as one result with a row for every start."""
    assert options.seed is not None
    states = [state for state, _ in ends]
    bests = [state.best for state in states]
    error = torch.cat([b.l2 for b in bests]).cpu()
    return Result(
        images=torch.cat([b.images for b in bests]).cpu(),
        downsampled=torch.cat([b.downsampled for b in bests]).cpu(),
        target=target.cpu().repeat_interleave(options.starts, 0),
        loss=torch.cat([b.loss for b in bests]).cpu(),
        l2=error,
        reached=error <= options.eps,
        reached_at=torch.cat([b.reached_at for b in bests]).cpu(),
        best_at=torch.cat([b.at for b in bests]).cpu(),
        start=torch.cat([state.start for state in states]),
        latents=torch.cat([b.latents for b in bests]).cpu(),
        ws=torch.cat([ws for _, ws in ends]).cpu(),
        noise=[torch.cat(layer).cpu() for layer in zip(*(b.noise for b in bests), strict=True)],
        history={name: _join([state.history[name] for state in states]) for name in states[0].history},
        seed=options.seed,
        seeds=tuple(options.seed + i for state in states for i in state.image.tolist()),
        settings=settings,
        interrupted=interrupted,
    )


def _join(histories: Sequence[Tensor]) -> Tensor:
    """Stacks histories that an early end left unequally long."""
    steps = max(h.shape[1] for h in histories)
    return torch.cat([torch.nn.functional.pad(h, (0, steps - h.shape[1]), value=math.nan) for h in histories]).cpu()
