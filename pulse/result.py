"""What a search found."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

# Of a portrait: a number, a name or colour, whether it is there, or the three parts of a colour.
Attribute = float | str | bool | tuple[float, float, float]

# Spaces whose variable is in standard deviations of the generator's own styles; see
# `pulse.latents.latent_space`.
_DEVIATIONS = {"w": 0.1, "w+": 0.1}


@dataclass(eq=False, repr=False)
class Result:
    """The best image found for each of N targets. All tensors are on the CPU.

    It is indexed and walked through as a list of results of one image each::

        result[0].to_pil().save("face.png")
        for one in result:
            print(one.verdict())

    Its length is N; a slice or a list of indices gives the result of several images.

    Attributes:
        images: (N, 3, H, W) in [0, 1].
        downsampled: (N, 3, h, w), `images` made small (or measured by the search's operator, in the target's shape);
            bicubic and Lanczos may overshoot [0, 1] a little.
        target: what was searched for, shaped like `downsampled`, in [0, 1].
        loss: (N,) total loss of `images`, with the floor `eps` in it.
        l2: (N,) mean squared error between `downsampled` and `target`, no floor.
        reached: (N,) bool, whether l2 <= eps. It says that the image fits, not that it is a likely face; see `verdict`.
        reached_at: (N,) int64, the first step at which the winning start reached it, -1 for never.
        best_at: (N,) int64, the step that `images` come from; step k is the point after k moves.
        start: (N,) int64, which of the starts won.
        latents: (N, vectors, dim), the search variable of `images`.
        ws: (N, num_ws, w_dim), their styles; `G.synthesis(ws, noise=noise)` draws them again.
        noise: one (N, 1, h, w) for each noise input of the generator.
        history: "loss" and "l2", each (N, steps + 1) of the start that won; NaN where nothing was evaluated. Of samples
            of a posterior at every quarter of the steps, with "accepted", the share of proposals that were taken.
        seed: that of the first image.
        settings: the options, and the generator's name and resolution; `finish` says who made the images.
        interrupted: whether Ctrl-C ended the search before its last step.
        all_starts: every start of every image as a result of N * starts rows, those of one image together; None unless
            asked for.
        seeds: one for each image, `seed + i` unless given; an image searched alone with its seed is found again.
        paint: of drawn answers, soft fields of colour (N, 7, 3, 16, 16) on what `stylegan.portraits.tint.TINTED` names,
            0 for an image without; None if nothing may be painted.
        painted_at: (N, K), the `latents` that `paint` was made for.

    Of drawn answers (`made_by`), `latents` (N, 1, K) are numbers of a portrait, whose meaning `describe` and `redraw`
    know; `ws` and `noise` are empty, and steps are the stages of the fit.
    """

    images: Tensor
    downsampled: Tensor
    target: Tensor
    loss: Tensor
    l2: Tensor
    reached: Tensor
    reached_at: Tensor
    best_at: Tensor
    start: Tensor
    latents: Tensor
    ws: Tensor
    noise: list[Tensor]
    history: dict[str, Tensor]
    seed: int
    settings: dict[str, Any] = field(default_factory=dict)
    interrupted: bool = False
    all_starts: Result | None = None
    seeds: tuple[int, ...] = ()
    paint: Tensor | None = None
    painted_at: Tensor | None = None

    def __post_init__(self) -> None:
        self.seeds = tuple(self.seeds) or tuple(self.seed + i for i in range(len(self)))
        if len(self.seeds) != len(self):
            raise ValueError(f"The result has {len(self)} images and {len(self.seeds)} seeds; give one for each image.")

    def __len__(self) -> int:
        return self.images.shape[0]

    def __getitem__(self, key: int | slice | Sequence[int] | Tensor) -> Result:
        """The result of one image, or of several; a copy.

        Args:
            key: an index, a slice, or a list or tensor (n,) of indices; negative ones count from the end.

        Raises:
            IndexError: if there is no such image.
        """
        if isinstance(key, slice):
            rows = list(range(len(self)))[key]
        elif isinstance(key, (Tensor, Sequence)):
            rows = [self._row(i) for i in key]
        else:
            rows = [self._row(key)]
        index = torch.tensor(rows, dtype=torch.int64)
        picked: dict[str, Any] = {name: x[index] for name, x in vars(self).items() if isinstance(x, Tensor)}
        more = self.all_starts
        if more is not None:
            starts = len(more) // len(self)
            more = more[[row * starts + s for row in rows for s in range(starts)]]
        seeds = tuple(self.seeds[row] for row in rows)
        seed = seeds[0] if seeds else self.seed
        return Result(
            **picked,
            noise=[x[index] for x in self.noise],
            history={name: x[index] for name, x in self.history.items()},
            seed=seed,
            settings={**self.settings, "seed": seed},
            interrupted=self.interrupted,
            all_starts=more,
            seeds=seeds,
        )

    def __iter__(self) -> Iterator[Result]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        count, _, height, width = self.images.shape
        if count == 0:
            return "Result(no images)"
        low, high = float(self.l2.min()), float(self.l2.max())
        errors = f"{low:.2g}" if count == 1 else f"{low:.2g} to {high:.2g}"
        eps = f" eps {self.settings['eps']:g}" if isinstance(self.settings.get("eps"), float) else " eps"
        ended = ", interrupted" if self.interrupted else ""
        by = "drawn" if self.made_by == "drawn" else "by the network"
        return (
            f"Result({count} {'image' if count == 1 else 'images'} of {height} x {width}, l2 {errors}, "
            f"{int(self.reached.sum())} of {count} reached{eps}, {by}, seed {self.seed}{ended})"
        )

    def to_pil(self, i: int = 0) -> Image:
        """Image i as an 8-bit RGB picture (W, H)."""
        from stylegan.common.pixels import to_pil

        return to_pil(self.images[self._row(i)])

    @property
    def made_by(self) -> str:
        """Who made the images: "drawn", the renderer, or "network"."""
        return "drawn" if self.settings.get("finish") == "drawn" else "network"

    @property
    def radius(self) -> Tensor:
        """How far the styles lie from the generator's mean, (N,), in deviations of its own styles.

        The root mean square of the gaussianised styles (of z in the space "z"). The generator's own images have about
        1. A search on a sphere starts there and stays; the spaces "w" and "w+" can leave it.
        """
        return self._deviations().square().mean((1, 2)).sqrt()

    @property
    def spread(self) -> Tensor:
        """How far the styles of one image lie apart, (N,), in deviations of the generator's own styles.

        The root mean square distance from their mean: 0 in what the generator draws itself, where all styles are one,
        and nearly 1 for unrelated styles. GEOCROSS keeps it small.
        """
        v = self._deviations()
        return (v - v.mean(1, keepdim=True)).square().mean((1, 2)).sqrt()

    @property
    def one_colour(self) -> Tensor:
        """(N,) bool, whether a target is so plain that a picture of one colour would also be within `eps` of it."""
        eps = self.settings.get("eps", 0.0)
        pixels = self.target.flatten(2) if self.target.ndim > 2 else self.target.unsqueeze(1)
        return (pixels - pixels.mean(-1, keepdim=True)).square().mean((1, 2)) <= eps

    def verdict(self, i: int = 0) -> str:
        """How well image i fits its target, and how near it is to the generator's own images, in plain words.

        The typical difference is 255 * sqrt(l2) grey levels. `spread` and `radius` are the numbers beside it.
        """
        i = self._row(i)
        small = self.target.ndim == 4 and self.target[0, 0].numel() < self.images[0, 0].numel()
        made = "Made small" if small else "Measured like its target"
        levels = 255 * float(self.l2[i].clamp(min=0)) ** 0.5
        allowed = 255 * float(self.settings["eps"]) ** 0.5 if "eps" in self.settings else None
        # If both round to the same number, the sentence would contradict itself.
        digits = 1 if allowed is None or f"{levels:.1f}" != f"{allowed:.1f}" else 3
        asked = "" if allowed is None else f"; {allowed:.{digits}f} are allowed"
        fits = "it fits" if bool(self.reached[i]) else "it does not fit"
        words = [
            f"{made}, the image typically differs from the target by {levels:.{digits}f} of 255 grey levels"
            f"{asked}: {fits}."
        ]
        if bool(self.one_colour[i]):
            words.append("The target is nearly one colour, which almost any image fits, so that says little.")
        if self.made_by == "drawn":
            words.append(
                f"It was drawn by the renderer, not by a network; its numbers lie {float(self.radius[i]):.2f} "
                "deviations from the most common ones (usually 1)."
            )
            if self._painted(i):
                words.append("Soft paint on skin, hair, clothes and background brings it nearer than its shapes alone.")
            return " ".join(words)
        words.append(
            f"Whether it is a likely image is another matter: its styles lie {float(self.spread[i]):.2f} deviations "
            f"apart (0 in the generator's own images, 1 if unrelated) and {float(self.radius[i]):.2f} from its mean "
            "(usually 1)."
        )
        return " ".join(words)

    def describe(self, i: int = 0) -> str:
        """What a drawn answer shows, in words: "a man of about 60, bald, white beard, glasses, smiling".

        The last word is "painted" where soft colours were laid on it.

        Raises:
            ValueError: the image was not drawn (`pulse.draw`), so nobody knows.
        """
        from pulse import redraw

        return redraw.describe(self._drawn(i)) + (", painted" if self._painted(i) else "")

    def redraw(self, i: int = 0, *, resolution: int | None = None, **attributes: Attribute) -> Result:
        """Draws a drawn answer again, of another size or with other attributes.

            result.redraw(yaw=20, smile=0.8).to_pil().save("turned.png")
            result.redraw(age=70).redraw(hair="white", resolution=1024)
            result.redraw(headgear="crown", skin="green", glasses=True)

        Args:
            i: which image.
            resolution: 8 to 1024 px; by default that of the answer.
            attributes: coordinates of `stylegan.portraits` by name (`COORDINATES`, `EXTRAS`). Angles are in degrees:
                `yaw` from -25 to 25 (positive turns the face to the right of the picture), `pitch` (positive looks
                down) and `roll` from -11 to 11. `age` is in years, 4 to 80. What is there or not, such as `glasses`,
                `hat` and `bald`, is True or False; choices of `TABLE` have names, such as headgear="crown". Colours of
                parts (`skin`, `hair`, `whisker`, `iris`, `cloth`, `hat`, `trim`, `bone`, `ground`) are names or
                "#rrggbb". All others are numbers from 0 to 1.

        Paint turns with the head, and that of the background stays. What gets another colour or shape loses its paint:
        the skin with `skin`, what is worn with `headgear`, and so on.

        Returns:
            A result of the one image. Its `l2`, `reached` and `verdict` still compare it with the target.

        Raises:
            ValueError: in one sentence, for an unknown attribute or value, or an image that was not drawn.
        """
        from pulse import redraw

        self._drawn(i)
        facts = _facts(self[i])
        return _result(redraw.redraw(facts, self.images.shape[-1] if resolution is None else resolution, attributes))

    def save(self, path: str | os.PathLike[str], text: Mapping[str, str] | None = None) -> None:
        """Writes everything to one safetensors file, whole or not at all; `Result.load` brings it back.

        Args:
            path: the file to make or replace.
            text: more for the file's metadata; `stylegan.common.ownership.file_text` brings it back.

        Raises:
            OSError: if the file cannot be written.
        """
        from pulse import result_file

        result_file.write(path, _facts(self), text or {})

    @classmethod
    def load(cls, path: str | os.PathLike[str], max_bytes: int | None = None) -> Result:
        """Reads a file written by `save`. The file need not be trusted: it costs no more memory than its size.

        Args:
            path: the file.
            max_bytes: refuses larger files; by default `pulse.result_file.MAX_BYTES`.

        Raises:
            FileNotFoundError: if there is none.
            OSError: if it cannot be read.
            ValueError: in one sentence, if it is not a whole result.
        """
        from pulse import result_file

        return _result(result_file.read(path, max_bytes))

    def _repr_html_(self) -> str:
        from pulse.result_page import html_page

        return html_page(self)

    def _repr_png_(self) -> bytes | None:
        from pulse.result_page import png_sheet

        return png_sheet(self) if len(self) else None

    def _row(self, i: Any) -> int:
        i = operator.index(i)
        if not -len(self) <= i < len(self):
            raise IndexError(f"The result has {len(self)} images and none at {i}; give an index below {len(self)}.")
        return i % len(self)

    def _painted(self, i: int) -> bool:
        return self.paint is not None and bool(self.paint[self._row(i)].any())

    def _drawn(self, i: Any) -> Tensor:
        """The latents (1, K) of a drawn answer."""
        if self.made_by != "drawn":
            raise ValueError("The images come from a network and have no attributes in words; use pulse.draw for that.")
        return self.latents[self._row(i)]

    def _deviations(self) -> Tensor:
        return self.latents * _DEVIATIONS.get(self.settings.get("space", ""), 1.0)


def joined(results: Sequence[Result]) -> Result:
    """Results of one kind as one: their images in order, with the settings of the first; at least one.

    Histories of fewer steps are filled up with NaN.
    """
    first = results[0]
    names = [name for name, x in vars(first).items() if isinstance(x, Tensor)]
    tensors: dict[str, Any] = {name: torch.cat([getattr(result, name) for result in results]) for name in names}
    steps = max(x.shape[1] for result in results for x in result.history.values())

    def filled(x: Tensor) -> Tensor:
        return torch.nn.functional.pad(x, (0, steps - x.shape[1]), value=torch.nan)

    return replace(
        first,
        **tensors,
        noise=[torch.cat(layer) for layer in zip(*(result.noise for result in results), strict=True)],
        history={name: torch.cat([filled(result.history[name]) for result in results]) for name in first.history},
        settings=dict(first.settings),
        interrupted=any(result.interrupted for result in results),
        all_starts=None,
        seeds=tuple(seed for result in results for seed in result.seeds),
    )


def _facts(result: Result) -> dict[str, Any]:
    """The fields of a result by name, a result inside it in the same form."""
    more = result.all_starts
    return {**vars(result), "all_starts": None if more is None else _facts(more)}


def _result(facts: dict[str, Any]) -> Result:
    more = facts["all_starts"]
    return Result(**{**facts, "all_starts": None if more is None else _result(more)})
