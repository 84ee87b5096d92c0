"""The search: for each low-resolution target, walk a latent sphere until the generator's image, made small again,
is the target.

Source: S. Menon, A. Damian, S. Hu, N. Ravi, C. Rudin, PULSE: Self-Supervised Photo Upsampling via Latent Space
Exploration of Generative Models, CVPR 2020, section 3.
"""

from __future__ import annotations

import hashlib
import math
import operator
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pulse.latents import Space, latent_space
from pulse.losses import parse_loss
from pulse.noise import make_noise, parse_bad_noise_layers, trainable_layers
from pulse.operators import Downsampler
from pulse.optimizer import SphericalOptimizer, lr_factors
from pulse.options import SearchOptions, SearchOverrides, merge_options
from pulse.result import Result

if TYPE_CHECKING:
    from typing_extensions import Unpack

# Pixels of images that one batch has by default. A processor is quickest when a batch still fits its cache (measured:
# 128 px, one image 0.088 s a step, four 0.062 s each, sixteen 0.084 s each); a GPU wants to be filled.
_PIXELS_AT_ONCE = {"cpu": 2**16, "cuda": 2**20}


@dataclass(frozen=True)
class Best:
    """The best point so far of each of M starts.

    images, downsampled, latents, noise: rows as in `Result`.
    loss, l2: (M,), infinite where nothing was finite yet.
    at: (M,) the step that it was evaluated at.
    """

    images: Tensor
    downsampled: Tensor
    latents: Tensor
    noise: list[Tensor]
    loss: Tensor
    l2: Tensor
    at: Tensor


@dataclass(frozen=True)
class SearchState:
    """What a callback sees at each step of a batch of M starts; tensors live on the generator's device.

    step, steps: the point after `step` of `steps` moves has been evaluated.
    batch, batches: which batch this is, from 0, of how many.
    image, start: (M,) which image and which of its starts each row is.
    active: (M,) rows still searched; False once dropped for a value that is not finite, or ended by
    `stop_when_reached`.
    images, downsampled: (M, 3, H, W) and (M, 3, h, w), as in `Result`, of this step.
    loss, l2: (M,) of this step; NaN for rows that are not active.
    history: "loss" and "l2", (M, step + 1) each: these of all steps so far.
    best: the best so far.
    """

    step: int
    steps: int
    batch: int
    batches: int
    image: Tensor
    start: Tensor
    active: Tensor
    images: Tensor
    downsampled: Tensor
    loss: Tensor
    l2: Tensor
    history: dict[str, Tensor]
    best: Best


Callback = Callable[[int, SearchState], object]


def search(
    G: Any,
    target: Tensor,
    options: SearchOptions | None = None,
    *,
    callback: Callback | None = None,
    return_all: bool = False,
    **overrides: Unpack[SearchOverrides],
) -> Result:
    """Find, for each target, an image of the generator `G` that is the target when made small.

    target: (N, 3, h, w) in [0, 1], h and w at most `G.img_resolution`; any aspect.
    callback: called as callback(step, state) at every step with a `SearchState`; returning True ends the search.
    return_all: also return every start, in `Result.all_starts`.
    options, overrides: `SearchOptions`, and fields of it that are given by name instead.

    Returns the best point of each image: one within `eps` before one that is not, then by lower total loss, then by
    lower L2; never simply the last. Losses are those of the returned pixels: out-of-range values of the generator
    are clamped, with the gradient passing through. Each image and start has random numbers and a loss of its own,
    so a batch finds what each image alone would, up to rounding, which a long search can enlarge (`batch_size=1`
    repeats a search alone to the last bit). A start that meets a value that is not finite is dropped and keeps its
    best; Ctrl-C ends the search and returns the best so far (images not yet begun get their starting point), a
    second one breaks off.

    Raises ValueError for a target or an option that makes no sense, or when `G` gives nothing finite for an image.
    """
    chosen = merge_options(options, overrides)
    _check_target(G, target)
    seed = secrets.randbits(32) if chosen.seed is None else operator.index(chosen.seed)
    chosen = replace(chosen, seed=seed)
    count = target.shape[0] * chosen.starts
    pixels = _PIXELS_AT_ONCE.get(_device(G).type, _PIXELS_AT_ONCE["cuda"])
    size = chosen.batch_size or max(1, pixels // int(G.img_resolution) ** 2)
    batches = math.ceil(count / size)

    ends: list[tuple[SearchState, Tensor]] = []
    interrupted = False
    was_training = G.training
    G.eval()
    try:
        # Gradients are needed even if the caller has switched them off.
        with torch.inference_mode(False), torch.enable_grad():
            target = target.detach().to(_device(G), torch.float32, copy=True)
            space = latent_space(G, chosen.space, chosen.tile_latent)
            for batch in range(batches):
                rows = torch.arange(batch * size, min((batch + 1) * size, count))
                image, start = rows // chosen.starts, rows % chosen.starts
                part = _Batch(batch, batches, image, start)
                walk = partial(_walk, G, space, target[image.to(target.device)], part, chosen)
                state, interrupted = _last_state(walk, callback, interrupted)
                with torch.no_grad():
                    ws = space.to_ws(state.best.latents)
                ends.append((state, ws))
    finally:
        G.train(was_training)

    every = _gather(G, target, ends, chosen, seed, interrupted)
    won = _winners(every, chosen.starts)
    result = every[won]
    result.all_starts = every if return_all else None
    return result


def _last_state(
    walk: Callable[[], Iterator[SearchState]], callback: Callback | None, interrupted: bool
) -> tuple[SearchState, bool]:
    """Follow a walk to its end, or to its first point if the search is interrupted already; and whether it is now."""
    state: SearchState | None = None
    while state is None:
        try:
            for state in walk():
                stop = callback is not None and callback(state.step, state) is True
                interrupted |= stop and state.step < state.steps
                if interrupted:
                    break
        except KeyboardInterrupt:
            if interrupted:
                raise
            interrupted = True
    return state, interrupted


@dataclass(frozen=True)
class _Batch:
    number: int
    of: int
    image: Tensor
    start: Tensor


def _walk(G: Any, space: Space, target: Tensor, part: _Batch, options: SearchOptions) -> Iterator[SearchState]:
    """Search the starts of one batch, target (M, 3, h, w) having a row for each; yields after every evaluation."""
    device = target.device
    assert options.seed is not None
    generators = [
        _generator(options.seed + i, s) for i, s in zip(part.image.tolist(), part.start.tolist(), strict=True)
    ]
    bad = parse_bad_noise_layers(options.bad_noise_layers)
    latents = space.initial(generators).to(device).requires_grad_()
    noise = [x.to(device) for x in make_noise(G.noise_shapes, options.noise_type, bad, generators)]
    layers = trainable_layers(len(noise), options.noise_type, options.num_trainable_noise_layers, bad)
    variables = [latents, *(noise[i].requires_grad_() for i in layers)]

    optimizer = SphericalOptimizer(
        options.opt_name, variables, options.learning_rate, [space.spherical] + [True] * len(layers)
    )
    factors = lr_factors(options.lr_schedule, options.steps)
    shrink = Downsampler((int(G.img_resolution),) * 2, (target.shape[2], target.shape[3]), options.kernel)
    objective = parse_loss(options.loss_str)

    active = torch.ones(target.shape[0], dtype=torch.bool, device=device)
    good = [v.detach().clone() for v in variables]
    best: Best | None = None
    history: dict[str, list[Tensor]] = {"loss": [], "l2": []}

    for step in range(options.steps + 1):
        ws = space.to_ws(latents)
        images = (G.synthesis(ws, noise=noise).float() + 1) / 2
        if options.method == "bounded":
            images = _into_range(images)
        error, small = shrink.l2(images, target)
        loss = objective(small, target, latents if options.method == "bounded" else ws, options.eps)

        active = active & loss.isfinite() & error.isfinite()
        point = Best(
            images.detach().clamp(0, 1),
            small.detach(),
            latents.detach().clone(),
            [x.detach().clone() if x.requires_grad else x for x in noise],
            loss.detach().masked_fill(~active, math.inf),
            error.detach().masked_fill(~active, math.inf),
            torch.full_like(active, step, dtype=torch.int64),
        )
        best = point if best is None else _better(point, best, options.eps)
        for name, value in (("loss", loss), ("l2", error)):
            history[name].append(value.detach().masked_fill(~active, math.nan))
        yield SearchState(
            step,
            options.steps,
            part.number,
            part.of,
            part.image,
            part.start,
            active,
            point.images,
            point.downsampled,
            history["loss"][-1],
            history["l2"][-1],
            {name: torch.stack(values, 1) for name, values in history.items()},
            best,
        )

        if options.stop_when_reached:
            active = active & (error.detach() > options.eps)
        if step == options.steps or not active.any():
            return
        gradients = torch.autograd.grad(loss[active].sum(), variables, allow_unused=True, materialize_grads=True)
        for gradient in gradients:
            active = active & gradient.isfinite().flatten(1).all(1)
        # A start whose step led out of the finite goes back to where it was, and stays there.
        good = [_where(active, v.detach(), g) for v, g in zip(variables, good, strict=True)]
        with torch.no_grad():
            for variable, value, gradient in zip(variables, good, gradients, strict=True):
                variable.copy_(value)
                variable.grad = _where(active, gradient, torch.zeros_like(gradient))
        optimizer.step(factors[step])


def _better(new: Best, old: Best, eps: float) -> Best:
    """Row by row: within eps before not within, then the lower loss, then the lower L2 (for losses that the floor
    has made equal)."""
    near, was_near = new.l2 <= eps, old.l2 <= eps
    lower = (new.loss < old.loss) | ((new.loss == old.loss) & (new.l2 < old.l2))
    take = (near & ~was_near) | ((near == was_near) & lower)
    return Best(
        _where(take, new.images, old.images),
        _where(take, new.downsampled, old.downsampled),
        _where(take, new.latents, old.latents),
        # Noise that is not trained is the same tensor in all points.
        [o if n is o else _where(take, n, o) for n, o in zip(new.noise, old.noise, strict=True)],
        _where(take, new.loss, old.loss),
        _where(take, new.l2, old.l2),
        _where(take, new.at, old.at),
    )


def _gather(
    G: Any,
    target: Tensor,
    ends: Sequence[tuple[SearchState, Tensor]],
    options: SearchOptions,
    seed: int,
    interrupted: bool,
) -> Result:
    """The final states and styles of all batches as one result with a row for every start."""
    states = [state for state, _ in ends]
    bests = [state.best for state in states]
    history = {name: _join([state.history[name] for state in states]) for name in ("loss", "l2")}
    hits = history["l2"] <= options.eps
    error = torch.cat([b.l2 for b in bests]).cpu()
    return Result(
        images=torch.cat([b.images for b in bests]).cpu(),
        downsampled=torch.cat([b.downsampled for b in bests]).cpu(),
        target=target.cpu().repeat_interleave(options.starts, 0),
        loss=torch.cat([b.loss for b in bests]).cpu(),
        l2=error,
        reached=error <= options.eps,
        reached_at=torch.where(hits.any(1), hits.int().argmax(1), -1),
        best_at=torch.cat([b.at for b in bests]).cpu(),
        start=torch.cat([state.start for state in states]),
        latents=torch.cat([b.latents for b in bests]).cpu(),
        ws=torch.cat([ws for _, ws in ends]).cpu(),
        noise=[torch.cat(layer).cpu() for layer in zip(*(b.noise for b in bests), strict=True)],
        history=history,
        seed=seed,
        seeds=tuple(seed + i for state in states for i in state.image.tolist()),
        settings={
            **asdict(options),
            "generator": str(getattr(G, "name", None) or type(G).__name__),
            "img_resolution": int(G.img_resolution),
        },
        interrupted=interrupted,
    )


def _join(histories: Sequence[Tensor]) -> Tensor:
    """Stack histories that an interruption left unequally long."""
    steps = max(h.shape[1] for h in histories)
    return torch.cat([torch.nn.functional.pad(h, (0, steps - h.shape[1]), value=math.nan) for h in histories]).cpu()


def _winners(every: Result, starts: int) -> Tensor:
    """The row of the best start of each image (N,)."""
    keys = list(zip((~every.reached).tolist(), every.loss.tolist(), every.l2.tolist(), strict=True))
    won = [min(range(first, first + starts), key=keys.__getitem__) for first in range(0, len(keys), starts)]
    lost = [i for i, row in enumerate(won) if not math.isfinite(keys[row][1])]
    if lost:
        raise ValueError(
            f"The generator gives nothing finite for image {lost[0]} at any start; check its weights or the seed."
        )
    return torch.tensor(won)


def _into_range(images: Tensor) -> Tensor:
    # Clamping alone would leave pixels that are out of range without a gradient, with no way back.
    return images + (images.clamp(0, 1) - images).detach()


def _where(rows: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    return torch.where(rows.view(-1, *[1] * (yes.ndim - 1)), yes, no)


def _generator(seed: int, start: int) -> torch.Generator:
    # Hashed, so that the starts of one seed share nothing with those of its neighbours.
    digest = hashlib.sha256(f"{seed}/{start}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def _device(G: Any) -> torch.device:
    return next(G.parameters()).device


def _check_target(G: Any, target: Tensor) -> None:
    if not isinstance(target, Tensor) or target.ndim != 4 or not target.is_floating_point():
        what = f"{tuple(target.shape)} {target.dtype}" if isinstance(target, Tensor) else f"a {type(target).__name__}"
        raise ValueError(f"The target is {what}; give a floating-point tensor (N, 3, h, w).")
    if min(target.shape) < 1:
        raise ValueError(f"The target is empty, {tuple(target.shape)}; give at least one image of at least one pixel.")
    if target.shape[1] != int(G.img_channels):
        raise ValueError(f"The target has {target.shape[1]} channels; the generator makes {G.img_channels}, give that.")
    if max(target.shape[2:]) > int(G.img_resolution):
        raise ValueError(
            f"The target is {target.shape[3]}x{target.shape[2]} pixels, the generator makes only {G.img_resolution}; "
            "downsample the target first."
        )
    if not bool(((target >= 0) & (target <= 1)).all()):
        raise ValueError("The target has values outside [0, 1] or not finite; scale or clamp it to [0, 1].")
