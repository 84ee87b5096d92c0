"""What a search found, and the one file that holds it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMAT = "pulse-result-1"
_TENSORS = (
    "images",
    "downsampled",
    "target",
    "loss",
    "l2",
    "reached",
    "reached_at",
    "best_at",
    "start",
    "latents",
    "ws",
)


@dataclass
class Result:
    """The best image found for each of N targets. All tensors are on the CPU.

    images: (N, 3, H, W) in [0, 1].
    downsampled: (N, 3, h, w), `images` reduced by the search's kernel; bicubic and Lanczos may overshoot [0, 1] a
    little.
    target: (N, 3, h, w) in [0, 1], what was searched for.
    loss: (N,) total loss of `images`, with the floor `eps` in it.
    l2: (N,) mean squared error between `downsampled` and `target`, no floor.
    reached: (N,) bool, whether l2 <= eps.
    reached_at: (N,) int64, the first step at which that was so for the start that won, -1 for never.
    best_at: (N,) int64, the step that `images` come from; step k is the point after k moves.
    start: (N,) int64, which of the starts won.
    latents: (N, vectors, dim), the search variable of `images`.
    ws: (N, num_ws, w_dim), their styles; `G.synthesis(ws, noise=noise)` draws them again.
    noise: one (N, 1, h, w) for each noise input of the generator.
    history: "loss" and "l2", each (N, steps + 1) of the start that won; NaN where nothing was evaluated.
    seed: image i was searched with the seed `seed + i`, and is found again when searched alone with that.
    settings: the search's options, and the generator's name and resolution.
    interrupted: whether the search was ended before its last step (by Ctrl-C or by its callback).
    all_starts: every start of every image as a result of N * starts rows, those of one image together; None unless
    asked for.
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

    def __len__(self) -> int:
        return self.images.shape[0]

    def to_pil(self, i: int) -> Image:
        """Image i as an 8-bit RGB picture (W, H)."""
        from PIL import Image

        pixels = (self.images[i].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0)
        return Image.fromarray(pixels.contiguous().numpy())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one safetensors file, whole or not at all; `Result.load` brings it back."""
        from stylegan.common.files import write_tensors

        tensors, facts = self._parts()
        write_tensors(Path(path), tensors, {"format": _FORMAT, "result": json.dumps(facts)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Result:
        """Read a file written by `save`.

        Raises FileNotFoundError if there is none, ValueError if it is not a result.
        """
        from safetensors import SafetensorError, safe_open

        if not Path(path).is_file():
            raise FileNotFoundError(
                f"There is no result file {str(path)!r}; give the path of a file written by Result.save."
            )
        try:
            with safe_open(str(path), framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != _FORMAT:
                    raise ValueError(f"the format is {metadata.get('format')!r}")
                names = file.keys()
                tensors = {name: file.get_tensor(name) for name in names}
            return cls._assemble(tensors, json.loads(metadata["result"]))
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"The file {str(path)!r} is not a search result ({error}); give a file written by Result.save."
            ) from None

    def _parts(self, prefix: str = "") -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors = {prefix + name: getattr(self, name) for name in _TENSORS}
        tensors |= {f"{prefix}noise.{i}": x for i, x in enumerate(self.noise)}
        tensors |= {f"{prefix}history.{name}": x for name, x in self.history.items()}
        # Rows that were expanded share memory, which the format refuses.
        tensors = {name: x.detach().cpu().clone(memory_format=torch.contiguous_format) for name, x in tensors.items()}
        facts: dict[str, Any] = {"seed": self.seed, "settings": self.settings, "interrupted": self.interrupted}
        facts |= {"noise": len(self.noise), "history": list(self.history), "all_starts": None}
        if self.all_starts is not None:
            more, facts["all_starts"] = self.all_starts._parts(prefix + "all_starts.")
            tensors |= more
        return tensors, facts

    @classmethod
    def _assemble(cls, tensors: dict[str, Tensor], facts: dict[str, Any], prefix: str = "") -> Result:
        inner = facts["all_starts"]
        return cls(
            **{name: tensors[prefix + name] for name in _TENSORS},
            noise=[tensors[f"{prefix}noise.{i}"] for i in range(facts["noise"])],
            history={name: tensors[f"{prefix}history.{name}"] for name in facts["history"]},
            seed=facts["seed"],
            settings=facts["settings"],
            interrupted=facts["interrupted"],
            all_starts=None if inner is None else cls._assemble(tensors, inner, prefix + "all_starts."),
        )
