"""The command `pulse align`: the faces of photographs, each upright in a square of its own."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from stylegan.common import console


def align_command(typer: Any) -> Any:
    """The function that typer calls."""
    option = typer.Option

    def align(
        images: Annotated[list[Path], typer.Argument(help="Photographs, and folders of them.", show_default=False)],
        output: Annotated[Path, option("--output", "-o", help="Folder for the faces.")],
        size: Annotated[int, option(help="Pixels along a side of a face's picture.")] = 1024,
        predictor: Annotated[
            Path | None, option(help="dlib's landmark file, if libdlib-data is not installed.")
        ] = None,
        overwrite: Annotated[bool, option("--overwrite", help="Replace faces of another size.")] = False,
    ) -> int:
        """Cuts the faces out of photographs, each upright in a square, as FFHQ's pictures were.

        The largest face of party.jpg becomes party.png, the next party-2.png, and so on. A picture without a face is
        made square as a whole, and that is said.
        """
        return _align(images, output, size, predictor, overwrite)

    return align


def _align(images: Sequence[Path], output: Path, size: int, predictor: Path | None, overwrite: bool) -> int:
    from pulse import pictures
    from pulse.batch.here import Report, sentence
    from pulse.batch.plan import plan
    from pulse.faces.alignment import check_size
    from pulse.faces.detect import predictor_path
    from stylegan.common.files import is_full
    from stylegan.common.progress import progress

    # Everything that is wrong for all pictures alike is found before anything is read or written.
    check_size(size)
    predictor = predictor_path(predictor)
    pictures.check_folder(output)
    planned = plan(images, output)
    for line in planned.passed_over:
        console.warn(line)
    taken = {job.output.name.casefold() for job in planned.jobs}
    report = Report(failures=planned.failures)
    with progress("Looking for faces", len(planned.jobs)) as advance:
        for number, job in enumerate(planned.jobs):
            try:
                _align_one(job.source, job.output, size, predictor, overwrite, taken, report.written)
            except (ValueError, OSError) as error:
                report.failures.append(sentence(error, job.source))
                if isinstance(error, OSError) and is_full(error):
                    report.left = [job.source for job in planned.jobs[number + 1 :]]
                    break
            advance(1)
    return report.tell()


def _align_one(
    source: Path, output: Path, size: int, predictor: Path, overwrite: bool, taken: set[str], written: list[Path]
) -> None:
    from pulse import pictures
    from pulse.faces import align
    from stylegan.common.framing import square_picture

    notes: list[str] = []
    found = align(source, size, predictor=predictor, notes=notes)
    faces: list[Any] = list(found.images)
    if not faces:
        # The last note says that there is no face.
        notes[-1] = f"{notes[-1].rstrip('.')}, so the whole picture is made square."
        faces = [square_picture(pictures.to_pil(found.photograph[0]), size)]
    asked = _request(source, size)
    paths = [output, *_more_names(output, len(faces) - 1, taken)]
    for path in paths:
        pictures.check_replaceable(path, overwrite=overwrite, request=asked)
    for i, (path, face) in enumerate(zip(paths, faces, strict=True)):
        text = {
            "Software": pictures.software(),
            "Description": "A face of a photograph, upright in a square." if len(found) else "A picture made square.",
            "source": console.printable(source.name),
            "request": asked,
        }
        if len(found):
            text["corners"] = json.dumps(found.squares[i].corners.round(2).tolist())
        pictures.write_picture(path, face, text)
        written.append(path)
        console.say(str(path))
    for note in notes:
        console.warn(f"{source}: {note}")


def _more_names(output: Path, count: int, taken: set[str]) -> list[Path]:
    """Names beside `output` for further faces, none of which is another picture's."""
    made: list[Path] = []
    number = 2
    while len(made) < count:
        path = output.with_name(f"{output.stem}-{number}.png")
        if path.name.casefold() not in taken:
            taken.add(path.name.casefold())
            made.append(path)
        number += 1
    return made


def _request(source: Path, size: int) -> str:
    """A fingerprint of what the user asked for."""
    asked = {"align": os.path.realpath(source), "size": size}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
