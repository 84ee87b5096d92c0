"""One picture of a batch: what is to be done, whether an earlier run did it, and the search with its files."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pulse import pictures
from pulse.batch.order import Found, Order, lines_of
from pulse.batch.plan import Job, Request, answer, file_digest, renderer_digest, request, weights_digest
from pulse.depixelizer import depixelize
from pulse.options import SearchOptions
from pulse.pictures.sheet import row_of_picture, rows_of
from pulse.state import Callback
from stylegan.common import console


@dataclass(frozen=True)
class Maker:
    """Who makes the answers of a finish.

    Attributes:
        digest: of the weights that the answers depend on.
        resolution: of the answers, in pixels.
    """

    digest: str
    resolution: int


@dataclass(frozen=True)
class Task:
    """One finish of one picture.

    Attributes:
        source: the picture.
        output: the PNG to make.
        finish: who makes it.
        resolution: of the answer, in pixels.
        wanted: the fingerprints that the PNG's text will hold.
    """

    source: Path
    output: Path
    finish: str
    resolution: int
    wanted: Request

    @property
    def whole(self) -> Path:
        """The file of the whole result, where one is wanted."""
        return self.output.with_suffix(".safetensors")


def makers(order: Order, G: Any = None) -> dict[str, Maker]:
    """Who makes the answers, by their finishes; `G` is the generator, where a network makes some."""
    made = {}
    for finish in order.finishes:
        if finish == "drawn":
            made[finish] = Maker(renderer_digest(), order.drawn.resolution)
        else:
            made[finish] = Maker(weights_digest(G), int(G.img_resolution))
    return made


def tasks(job: Job, order: Order, made_by: dict[str, Maker]) -> list[Task]:
    """What a job consists of: a task for each finish, the first one first."""
    source, content = os.path.realpath(job.source), file_digest(job.source)
    found: list[Task] = []
    for finish, maker in made_by.items():
        drawn = order.drawn if finish == "drawn" else None
        # A drawn answer beside which the network's stands is the same answer.
        options = order.options
        if drawn is not None:
            options = SearchOptions(seed=options.seed, eps=options.eps, starts=order.starts)
        wanted = request(source, content, order.generator, maker.digest, options, order.target, drawn)
        output = job.output if not found else job.second()
        found.append(Task(job.source, output, finish, maker.resolution, wanted))
    return found


def done_before(task: Task, order: Order) -> Found | None:
    """What an earlier run left of a task; None where there is something to do.

    Raises:
        ValueError: a file is in the way.
    """
    kept = None if order.overwrite else answer(task.output, task.wanted, task.resolution)
    if kept is not None and order.save_results:
        kept = kept if pictures.read_text(task.whole).get("made_from") == task.wanted.made_from else None
    if kept is None:
        samples = order.options.samples if order.options.draw == "posterior" else 1
        paths = [_sample(task.output, i) for i in range(samples)]
        for path in [*paths, task.whole] if order.save_results else paths:
            pictures.check_replaceable(path, overwrite=order.overwrite, request=task.wanted.asked)
        return None
    row = None
    if order.keep_rows:
        notes: list[str] = []
        kernel = order.options.kernel
        small = pictures.read_target(task.source, task.resolution, kernel=kernel, notes=notes, **vars(order.target))
        row = replace(row_of_picture(console.printable(task.source.name), small, *kept, kernel), notes=notes)
    return Found(task.output, row, done_before=True)


def _sample(output: Path, i: int) -> Path:
    """The file of sample `i`: NAME.png, NAME.2.png, NAME.3.png and so on."""
    return output if i == 0 else output.with_suffix(f".{i + 1}{output.suffix}")


def search_one(task: Task, order: Order, G: Any = None, callback: Callback | None = None) -> Found:
    """Searches for one picture and writes its files.

    Args:
        task: what is to be done.
        order: what is wanted.
        G: the generator, where a network makes the answer.
        callback: as of `pulse.search`.
    """
    notes: list[str] = []
    options = order.options
    how: dict[str, Any] = {"generator": G, "options": options}
    if task.finish == "drawn":
        how = {"generator": order.generator, "seed": options.seed, "eps": options.eps, "starts": order.starts}
        how |= vars(order.drawn)
    result = depixelize(
        task.source,
        finish=task.finish,
        notes=notes,
        callback=callback,
        **vars(order.target),
        **how,
    )
    if order.save_results:
        task.whole.parent.mkdir(parents=True, exist_ok=True)
        result.save(task.whole, {"Software": pictures.software(), **task.wanted.text()})
    # The first sample of a posterior is written last: its file says that the picture is done.
    for i in reversed(range(len(result))):
        text = pictures.story(
            result,
            i,
            order.generator,
            notes=notes,
            source=console.printable(task.source.name),
            **{name: str(value) for name, value in vars(order.target).items()},
            **task.wanted.text(),
        )
        pictures.write_picture(_sample(task.output, i), result.images[i], text)
    row = rows_of(result, [console.printable(task.source.name)], [notes])[0] if order.keep_rows else None
    return Found(task.output, row, lines_of(result, 0, order.verbose), notes, interrupted=result.interrupted)
