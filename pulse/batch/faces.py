"""Small pictures and all the files that `pulse depixelize` makes of each: faces, sheets of them, films."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from pulse import pictures
from pulse.batch.faces_films import Filming, MadeFilm
from pulse.batch.faces_order import FORMATS, FacesOrder, Part, parts_of
from pulse.batch.here import Counter
from pulse.batch.order import EXPECTED, Found, Report, lines_of, sentence
from pulse.batch.plan import Job, Request, file_digest, fingerprint
from pulse.depixelizer import FilmResult, depixelize, depixelize_frames
from pulse.depixelizer.samples import samples
from pulse.depixelizer.tricks import explore, iterate, read_whole, soften
from pulse.depixelizer.variety import disagreement
from pulse.feedforward.upscale import Upscaled
from pulse.finishes import in_the_box
from pulse.operators import downsample
from pulse.options import SearchOptions
from pulse.pictures.film import write_film
from pulse.pictures.frames import Frames, open_frames
from pulse.pictures.gallery import Shown, disagreement_map, gallery, with_caption
from pulse.pictures.sheet import Beside, SheetRow, row_of_picture, rows_of
from pulse.result import Result
from stylegan.common import console
from stylegan.common.files import is_full

_SYNTHETIC = "Synthetic faces; they show no real person."


@dataclass
class Made:
    """What was made of a part.

    Attributes:
        faces: each with its place behind the stem, its text, and what describes it; the first one's place is "".
        sheets: pictures of several faces, with their places behind the stem.
        films: what is filmed; none where a signal ended it.
        row: of a contact sheet.
        lines: what to say of the first face.
        facts: the same for a program.
        interrupted: whether a signal ended it.
    """

    faces: list[tuple[str, Tensor, dict[str, str]]]
    sheets: list[tuple[str, Image.Image]]
    films: list[MadeFilm]
    row: SheetRow
    lines: list[str]
    facts: dict[str, Any]
    interrupted: bool


class FacesRun:
    """One call of the command: what is asked of every picture, and what became of them.

    Args:
        order: what is wanted.
        report: gets what becomes of each picture.
        sources: all inputs, as real paths; none of them is replaced.
        on_share: called with the share done since the last call, 1 for each job in all.

    Attributes:
        done: for a program: what was found for each picture, in the order in which they were done.
    """

    def __init__(
        self, order: FacesOrder, report: Report, sources: set[str], on_share: Callable[[float], object]
    ) -> None:
        self.order, self.report, self.sources, self.on_share = order, report, sources, on_share
        self.done: list[dict[str, Any]] = []

    def do(self, job: Job, check: Callable[[], None]) -> None:
        """Answers a picture, or each sprite of a sheet, and writes its files."""
        parts, notes = parts_of(job, self.order)
        content = file_digest(job.source)
        for note in notes:
            console.warn(f"{job.source}: {note}")
        for number, part in enumerate(parts):
            count = Counter(lambda share: self.on_share(share / len(parts)), check)
            try:
                self._part(part, content, count, notes if number == 0 else [])
            except EXPECTED as error:
                if isinstance(error, OSError) and is_full(error):
                    raise
                self.report.failures.append(
                    sentence(error, Path(f"{part.source}{part.title[len(part.source.name) :]}"))
                )
            count.move_to(1)
            if self.report.interrupted:
                break

    def _part(self, part: Part, content: bytes, count: Counter, told: list[str]) -> None:
        order = self.order
        frames = None
        if not order.faces.still:
            frames = open_frames(part.source)
            frames = frames if len(frames) > 1 else None
        wanted = self._request(part, content)
        first = part.output if frames is None else part.output.with_suffix(FORMATS[order.faces.format])
        paths = [first, *order.faces.files(part.output)[1:]]
        facts: dict[str, Any] = {
            "source": str(part.source),
            "picture": part.title,
            "files": [str(path) for path in paths],
        }
        if order.faces.films:
            facts["films"] = {name: str(self._film_path(part, name)) for name in order.faces.films}
        job = Job(part.source, first)
        if not order.overwrite and all(_answers(path, wanted) for path in paths):
            row = self._row_before(part, frames, first) if order.keep_rows else None
            self.report.add(job, Found(first, row, done_before=True))
            self.report.skipped += paths[1:]
            self.done.append({**facts, "done_before": True, **_facts_of(pictures.read_text(first))})
            return
        for path in paths:
            if os.path.realpath(path) in self.sources:
                raise ValueError(
                    f"The result would replace the input {console.printable(path)}; choose another folder."
                )
            pictures.check_replaceable(path, overwrite=order.overwrite, request=wanted.asked)
        notes: list[str] = []
        if frames is not None:
            film, text = self._film(part, frames, wanted, count, notes)
            shown = (with_caption(one) if order.faces.caption else one for one in film)
            write_film(first, shown, seconds=film.seconds, text=text)
            loss = float(film.l2.mean())
            lines = [f"loss {loss:.4g}, {len(film)} frames, {len(film.answers)} different faces"]
            row = rows_of(film.answers[0], [part.title], [notes])[0]
            found = Found(first, row if order.keep_rows else None, lines, notes, interrupted=film.interrupted)
            self.report.add(job, found)
            facts |= {"frames": len(film), **_facts_of(text), "loss": loss}
        else:
            filming = Filming(order, count)
            made = self._still(part, wanted, filming, notes)
            # The first one comes last: where it is, all others are.
            written = {*self._write(part, made, wanted, filming)}
            others = [path for path in paths[1:] if path in written]
            row = replace(made.row, notes=tuple(notes)) if order.keep_rows else None
            self.report.add(job, Found(first, row, made.lines, notes, interrupted=made.interrupted))
            for path in others:
                console.say(str(path))
            self.report.written += others
            facts |= {"files": [str(first), *map(str, others)], **made.facts}
            if "films" in facts:
                facts["films"] = {name: path for name, path in facts["films"].items() if Path(path) in written}
        self.done.append({**facts, "done_before": False, "notes": [*told, *notes]})

    def _film_path(self, part: Part, name: str) -> Path:
        return Job(part.source, part.output).beside(f".{name}", FORMATS[self.order.faces.format])

    def _write(self, part: Part, made: Made, wanted: Request, filming: Filming) -> list[Path]:
        written = []
        job = Job(part.source, part.output)
        try:
            for film in made.films:
                path = self._film_path(part, film.name)
                filming.write(path, film, made.faces[0][2])
                written.append(path)
        except KeyboardInterrupt:
            made.interrupted = True
        ended = {"interrupted": "true" if made.interrupted else "false"}
        for suffix, sheet in made.sheets:
            text = {"Software": pictures.software(), "synthetic": "true", "Description": _SYNTHETIC}
            pictures.write_picture(job.beside(suffix), sheet, {**text, **ended, **wanted.text()})
            written.append(job.beside(suffix))
        for suffix, image, text in reversed(made.faces):
            shown = with_caption(image) if self.order.faces.caption else image
            pictures.write_picture(job.beside(suffix), shown, {**text, **ended})
            written.append(job.beside(suffix))
        return written

    def _still(self, part: Part, wanted: Request, filming: Filming, notes: list[str]) -> Made:
        faces, count = self.order.faces, filming.callback
        picture, reading = self._softened(part, notes)
        how = {**self._how(), **reading, "notes": notes}
        # The feed-forward network and the sheet of variants read the picture again, and find the same in it.
        silent = {**how, "notes": []}
        stages: Sequence[Result | Upscaled]
        if faces.iterate is not None:
            engines = ["search", "feedforward"] if faces.engine == "both" else [faces.engine]
            stages = iterate(
                picture, faces.iterate, engines=engines, network=self.order.upscaler, callback=count, **how
            )
            seed = next((one.seeds[0] for one in stages if isinstance(one, Result)), None)
            call = self._call("pulse.iterate", part, seed, str(faces.iterate), *_engines(engines))
            calls = [f"{call}[{number}]" for number in range(len(stages))]
            names = ["", *(f".stage-{number}" for number in range(1, len(stages)))]
            names = [*names[1:], ""]
        elif faces.engine == "feedforward":
            stages, names = iterate(picture, 1, engines="feedforward", network=self.order.upscaler, **how), [""]
            calls = [self._call("pulse.iterate", part, None, "1", *_engines(["feedforward"])) + "[0]"]
        elif faces.samples > 1:
            found = samples(picture, faces.samples, callback=count, **how)
            stages = list(found)
            call = self._call("pulse.samples", part, found.seeds[0], str(faces.samples))
            calls = [f"{call}[{number}]" for number in range(len(stages))]
            names = ["", *(f"-{number}" for number in range(2, len(stages) + 1))]
        else:
            one = depixelize(picture, callback=count, **how)
            stages, names = [one], [""]
            calls = [self._call("pulse.depixelize", part, one.seeds[0])]
        if faces.engine == "both" and faces.iterate is None:
            second = iterate(picture, 1, engines="feedforward", network=self.order.upscaler, **silent)
            stages, names = [*stages, *second], [*names, ".feedforward"]
            calls.append(self._call("pulse.iterate", part, None, "1", *_engines(["feedforward"])) + "[0]")
        interrupted = any(isinstance(one, Result) and one.interrupted for one in stages)
        texts = [self._text(one, part, wanted, call, notes) for one, call in zip(stages, calls, strict=True)]
        main = names.index("")
        made = [(names[i], stages[i].images[0], texts[i]) for i in range(len(stages))]
        made.insert(0, made.pop(main))
        sheets = self._sheets(part, stages, names)
        if faces.explore and not interrupted:
            seed = next((one.seeds[0] for one in stages if isinstance(one, Result)), None)
            variants = explore(picture, callback=count, **{**silent, **({} if seed is None else {"seed": seed})})
            interrupted |= any(variant.answer.interrupted for variant in variants)
            shown = [Shown(variant.answer.images[0], variant.name) for variant in variants]
            shown.insert(0, Shown(stages[0].target[0], "the small picture"))
            sheets.append((".explore", gallery(shown, f"{part.title}, misaligned and resampled")))
        films: list[MadeFilm] = []
        if faces.films and not interrupted:
            seed = next((one.seeds[0] for one in stages if isinstance(one, Result)), None)
            asked = {**silent, **({} if seed is None else {"seed": seed})}
            films = filming.films(stages, main, calls, picture, asked, partial(self._film_call, part, seed))
            interrupted = any(one.film.interrupted for one in films)
        first = stages[main]
        row = _row(first, part.title)
        if names[-1] == ".feedforward":
            other = stages[-1]
            row = replace(row, beside=(Beside(other.images[0], "in one pass", float(other.l2)),))
        lines = lines_of(first, 0, self.order.verbose) if isinstance(first, Result) else [f"loss {float(first.l2):.4g}"]
        films = [] if interrupted else films
        return Made(made, sheets, films, row, lines, _facts_of(texts[main]), interrupted)

    def _sheets(
        self, part: Part, stages: Sequence[Result | Upscaled], names: Sequence[str]
    ) -> list[tuple[str, Image.Image]]:
        faces = self.order.faces
        sheets = []
        target = Shown(stages[0].target[0], "the small picture")
        if faces.samples > 1:
            searched = [one for one, name in zip(stages, names, strict=True) if name != ".feedforward"]
            shown = [target, *(Shown(one.images[0], f"sample {i + 1}") for i, one in enumerate(searched))]
            sheets.append((".samples", gallery(shown, f"{len(searched)} faces for {part.title}")))
            if len(searched) > 1:
                unsure = disagreement(torch.cat([one.images for one in searched]))
                sheets.append((".disagreement", disagreement_map(unsure)))
        if faces.iterate is not None:
            shown = [target, *(Shown(one.images[0], f"stage {i + 1}") for i, one in enumerate(stages))]
            sheets.append((".stages", gallery(shown, f"{part.title}, answered {len(stages)} times")))
        return sheets

    def _film(
        self, part: Part, frames: Frames, wanted: Request, count: Counter, notes: list[str]
    ) -> tuple[FilmResult, dict[str, str]]:
        film = depixelize_frames(frames, notes=notes, callback=count, **self._how(), **part.reading)
        first = film.answers[0]
        text = self._text(first, part, wanted, self._call("pulse.depixelize_frames", part, first.seeds[0]), notes)
        ended = "true" if film.interrupted else "false"
        return film, {**text, "frames": str(len(film)), "interrupted": ended}

    def _how(self) -> dict[str, Any]:
        order = self.order
        return {"generator": order.generator if order.G is None else order.G, "finish": order.finish, **order.given}

    def _softened(self, part: Part, notes: list[str]) -> tuple[Any, dict[str, Any]]:
        """The picture as it is answered, and how it is read."""
        if not self.order.faces.soften:
            return part.picture, part.reading
        soft = soften(part.picture, notes=notes, **{k: v for k, v in part.reading.items() if k in _CUTTING})
        return soft, {**{k: v for k, v in part.reading.items() if k not in _CUTTING}, "grid": "off"}

    def _call(self, function: str, part: Part, seed: int | None, *more: str) -> str:
        """The Python call that makes it again."""
        order = self.order
        picture, reading = part.call, part.reading
        if order.faces.soften:
            cut = [f"{k}={v!r}" for k, v in reading.items() if k in _CUTTING]
            picture = f"pulse.soften({', '.join([picture, *cut])})"
            reading = {**{k: v for k, v in reading.items() if k not in _CUTTING}, "grid": "off"}
        options = {**reading, **order.given} if seed is not None else dict(reading)
        options |= {} if seed is None else {"seed": seed}
        if order.finish == "network" and seed is not None:
            options["generator"] = Path(order.generator).name
            options |= {"finish": "network"} if in_the_box(order.generator) else {}
        if any("feedforward" in text for text in more) and order.faces.network != "default":
            options["network"] = Path(order.faces.network).name
        return f"{function}({', '.join([picture, *more, *(f'{k}={v!r}' for k, v in options.items())])})"

    def _film_call(self, part: Part, seed: int | None, function: str, *more: str) -> str:
        return self._call(function, part, seed, *more)

    def _text(
        self, one: Result | Upscaled, part: Part, wanted: Request, call: str, notes: Sequence[str]
    ) -> dict[str, str]:
        more = {"source": part.title, "again": call, **wanted.text()}
        if isinstance(one, Result):
            return pictures.story(one, 0, self.order.generator, notes=notes, **more)
        told = {"notes": " ".join(notes)} if notes else {}
        return {
            "Software": pictures.software(),
            "Description": "Synthetic face: a network invented what a small picture does not show.",
            "synthetic": "true",
            "network": Path(self.order.faces.network).name,
            "loss": f"{float(one.l2):.6g}",
            "reached": "true" if float(one.l2) <= SearchOptions.eps else "false",
            **more,
            **told,
        }

    def _request(self, part: Part, content: bytes) -> Request:
        order, settings = self.order, self.order.settings()
        settings["part"] = part.call
        asked = {"source": os.path.realpath(part.source), "generator": order.generator, "depixelize": settings}
        made_from = {"picture": content.hex(), "weights": order.weights, "software": pictures.software()}
        return Request(fingerprint(asked), fingerprint({**made_from, "depixelize": settings}))

    def _row_before(self, part: Part, frames: Frames | None, path: Path) -> SheetRow:
        """The row of a face that an earlier run wrote."""
        picture, reading = (part.picture, part.reading) if frames is None else (frames.pictures[0], part.reading)
        if self.order.faces.soften:
            picture, reading = self._softened(part, [])
        notes: list[str] = []
        kernel = self.order.given.get("kernel", SearchOptions.kernel)
        whole = read_whole(picture, **{k: v for k, v in reading.items() if k != "size"}, notes=notes)
        size = self.order.target.size
        target = whole if whole.shape[-1] <= size else downsample(whole, size=size, kernel=kernel).clamp(0, 1)
        image = pictures.read_picture(open_frames(path).pictures[0])
        return replace(row_of_picture(part.title, target, image, pictures.read_text(path), kernel), notes=tuple(notes))


# The arguments that say which part of a picture is taken, and at which size it is read.
_CUTTING = ("crop", "head", "grid")


def _engines(engines: Sequence[str]) -> list[str]:
    return [] if list(engines) == ["search"] else [f"engines={engines!r}"]


def _row(one: Result | Upscaled, title: str) -> SheetRow:
    if isinstance(one, Result):
        return rows_of(one, [title])[0]
    loss = float(one.l2)
    return SheetRow(title, one.target[0], one.images[0], one.downsampled[0], loss, loss <= SearchOptions.eps)


def _answers(path: Path, wanted: Request) -> bool:
    """Whether a file is a finished result of the request."""
    text = pictures.read_text(path)
    if text.get("made_from") != wanted.made_from or text.get("interrupted", "false") != "false":
        return False
    try:
        return len(open_frames(path)) > 0
    except (ValueError, OSError):
        return False


def _facts_of(text: dict[str, str]) -> dict[str, Any]:
    """What a program wants to know of a face, from its text."""
    made: dict[str, Any] = {"loss": float(text["loss"]), "reached": text["reached"] == "true", "again": text["again"]}
    made |= {name: text[name] for name in ("finish", "generator", "network", "verdict", "shows") if name in text}
    return made | ({"seed": int(text["seed"])} if "seed" in text else {})
