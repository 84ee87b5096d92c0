"""The films that `pulse depixelize` makes of a picture and its answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from pulse.batch.faces_order import FacesOrder
from pulse.batch.here import Counter
from pulse.depixelizer.films import film_of_zoom
from pulse.feedforward.upscale import Upscaled
from pulse.films.answers import SIDE, Film, SearchRecord, film_of_morph, film_of_turn
from pulse.pictures.film import write_film
from pulse.pictures.gallery import with_caption
from pulse.result import Result
from pulse.state import Callback


@dataclass
class MadeFilm:
    """A film that is to be written.

    Attributes:
        name: "search", "morph", "turn" or "zoom".
        film: its frames are drawn while it is written.
        again: the Python call that makes it.
    """

    name: str
    film: Film
    again: str


class Filming:
    """What is filmed of one picture.

    Args:
        order: what is wanted.
        count: told of the share that is done, of the search and of the films.

    Attributes:
        callback: of the search.
    """

    def __init__(self, order: FacesOrder, count: Counter) -> None:
        self.order, self.count = order, count
        self.names, self.side = order.faces.films, order.faces.film_size
        self.part = 1 / (1 + len(self.names))
        self.callback: Callback = self._counter()
        self.record = SearchRecord(self.callback, self.side) if "search" in self.names else None
        self.callback = self.record or self.callback

    def films(
        self,
        stages: Sequence[Result | Upscaled],
        main: int,
        calls: Sequence[str],
        picture: Any,
        how: dict[str, Any],
        call: Callable[..., str],
    ) -> list[MadeFilm]:
        """The films of the answers `stages`, of which `main` is the picture's first face.

        Args:
            stages, calls: each answer, and the Python call that makes it.
            main: the place of that face among them.
            picture, how: arguments of the answers.
            call: makes the Python call of a function about the picture.
        """
        made = []
        side = "" if self.side == SIDE else f", side={self.side}"
        one = stages[main]
        sides = [side[2:]] if side else []
        for name in self.names:
            if name == "search" and self.record is not None:
                first = stages[0]
                assert isinstance(first, Result)
                film, again = self.record.film(first), call("pulse.film_of_search", *sides)
            elif name == "turn":
                assert isinstance(one, Result)
                film, again = film_of_turn(one, side=self.side), f"pulse.film_of_turn({calls[main]}{side})"
            elif name == "zoom":
                counter = self._counter(0.5)
                film = film_of_zoom(picture, side=self.side, callback=counter, **how)
                again = call("pulse.film_of_zoom", *sides)
            else:
                film, again = self._morph(stages, main, calls, side)
            made.append(MadeFilm(name, film, again))
        return made

    def write(self, path: Path, made: MadeFilm, text: dict[str, str]) -> None:
        """Writes a film; raises KeyboardInterrupt after a signal."""
        share = self.part * (0.5 if made.name == "zoom" else 1)

        def shown() -> Iterator[Tensor | Image.Image]:
            for frame in made.film:
                self.count.check()
                yield with_caption(frame) if self.order.faces.caption else frame
                self.count.move_to(self.count.done + share / len(made.film))

        told = {**text, "again": made.again, "interrupted": "false", "frames": str(len(made.film))}
        write_film(path, shown(), seconds=made.film.seconds, text=told)

    def _morph(
        self, stages: Sequence[Result | Upscaled], main: int, calls: Sequence[str], side: str
    ) -> tuple[Film, str]:
        joined = [one for one in stages if isinstance(one, Result)]
        # Stages of two engines have nothing between them.
        several = len(joined) > 1 and (self.order.faces.samples > 1 or len(joined) == len(stages))
        if not several:
            return film_of_morph(stages[main], side=self.side), f"pulse.film_of_morph({calls[main]}{side})"
        network = self.order.finish == "network"
        film = film_of_morph(joined, side=self.side, generator=self.order.G if network else None)
        generator = f", generator={Path(self.order.generator).name!r}" if network else ""
        return film, f"pulse.film_of_morph({re.sub(r'[[][0-9]+[]]$', '', calls[0])}{generator}{side})"

    def _counter(self, of_part: float = 1.0) -> Counter:
        """Counts the share of a search as a part of the whole."""
        share = of_part * self.part
        return Counter(lambda more: self.count.move_to(self.count.done + share * more), self.count.check)
