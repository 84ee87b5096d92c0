"""What `pulse.depixelize_frames` found: faces, one for each frame."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pulse.depixelizer.motion import Shift, moved
from pulse.operators import downsample
from pulse.pictures.film import FPS, write_film
from pulse.pictures.write import story
from pulse.result import Result


@dataclass(eq=False, repr=False)
class FilmResult:
    """The faces found for the frames of an animation.

    Its length is the number of frames; `film[i]` is frame i, (3, H, W) in [0, 1], and a loop gives all of them.

    Attributes:
        answers: the different faces, each a result of one image, in the order in which they first appear. Frames that
            are alike, or alike but for a move of the whole, share one.
        order: (frames,) which answer each frame shows.
        shifts: (frames,) by how many pixels to the right and down the answer is moved in each frame.
        seconds: (frames,) how long each is shown.
        targets: (frames, 3, s, s) in [0, 1], the small pictures; moved back unless the face moves.
        notes: plain sentences about the animation.
        interrupted: whether Ctrl-C or a callback ended it early; later frames then show the last answer.
    """

    answers: Sequence[Result]
    order: Sequence[int]
    shifts: Sequence[Shift]
    seconds: Sequence[float]
    targets: Tensor
    notes: Sequence[str] = field(default_factory=tuple)
    interrupted: bool = False

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, i: int) -> Tensor:
        if not -len(self) <= i < len(self):
            raise IndexError(f"The film has {len(self)} frames and none at {i}; give an index below {len(self)}.")
        return moved(self.answers[self.order[i]].images[0], self.shifts[i])

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        answer = self.answers[0].images
        return (
            f"FilmResult({len(self)} frames of {answer.shape[-2]} x {answer.shape[-1]}, {len(self.answers)} different "
            f"faces, {sum(self.seconds):.2g} s)"
        )

    @property
    def l2(self) -> Tensor:
        """(frames,) mean squared error between each frame made small and its small picture."""
        size = (self.targets.shape[2], self.targets.shape[3])
        pairs = zip(self, self.targets, strict=True)
        return torch.stack(
            [(downsample(frame[None], size=size)[0] - target).square().mean() for frame, target in pairs]
        )

    @property
    def change(self) -> float:
        """The mean absolute difference between neighbouring frames, in [0, 1]; 0 for one frame."""
        return frame_change(self)

    def save(self, path: str | os.PathLike[str], *, fps: float = FPS, text: Mapping[str, str] | None = None) -> None:
        """Writes the faces as a film, each frame as long as it was in the animation; see `pulse.pictures.write_film`.

        Args:
            path: the file to make or replace, ending in .mp4, .gif, .webp or .png.
            fps: of an MP4, frames a second at least.
            text: more for the film's own text, which says that it is synthetic and how to make it again.
        """
        generator = str(self.answers[0].settings.get("generator", "default"))
        told = {**story(self.answers[0], 0, generator), "frames": str(len(self))}
        told["again"] = (
            told["again"]
            .replace("pulse.draw(", "pulse.depixelize_frames(", 1)
            .replace("pulse.depixelize(", "pulse.depixelize_frames(", 1)
        )
        write_film(path, self, fps=fps, seconds=self.seconds, text={**told, **(text or {})})


def frame_change(frames: Iterator[Tensor] | FilmResult | Sequence[Tensor]) -> float:
    """The mean absolute difference between neighbouring frames (3, H, W); 0 for one frame."""
    total, count, before = 0.0, 0, None
    for frame in frames:
        if before is not None:
            total, count = total + float((frame - before).abs().mean()), count + 1
        before = frame
    return total / max(count, 1)
