"""Which file each result goes to, which files of a folder are skipped, and which results exist already."""

import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from pulse import pictures
from pulse.options import DrawnOptions, SearchOptions
from stylegan.common.console import printable
from stylegan.common.framing import FRAMING, FRAMINGS
from stylegan.common.pictures import FORMATS

# A file name may have 255 bytes; ".safetensors" and a number come after the stem.
_STEM_BYTES = 230
_NAMED_AT_MOST = 20
# What is added to the stem of a result for the network's picture beside the drawn one.
SECOND = ".network"


@dataclass(frozen=True)
class ReadingOptions:
    """How a picture becomes a square; see `pulse.pictures.fit_target`."""

    framing: str = field(default=FRAMING, metadata={"help": "how a picture becomes square", "choices": FRAMINGS})
    background: str = field(
        default=pictures.BACKGROUND, metadata={"help": "colour under transparent pixels, a name or #rrggbb"}
    )
    grid: str = field(
        default="auto",
        metadata={"help": "true pixels of an enlarged sprite's longer side; auto finds them, off takes all as it is"},
    )

    def __post_init__(self) -> None:
        pictures.parse_grid(self.grid)


@dataclass(frozen=True)
class TargetOptions(ReadingOptions):
    """How a picture becomes the small square that is searched for."""

    size: int = field(default=16, metadata={"help": "larger pictures are made this small first, in pixels"})


@dataclass(frozen=True)
class Job:
    """One picture, and the PNG that its result becomes."""

    source: Path
    output: Path

    def second(self) -> Path:
        """The PNG of the network's picture, where a drawn answer stands beside it."""
        return self.beside(SECOND)

    def beside(self, suffix: str, ending: str = ".png") -> Path:
        """The file of a further result, by default a PNG, with this behind its stem."""
        return self.output.with_name(f"{self.output.stem}{suffix}{ending}")


@dataclass
class Plan:
    """What a batch will do.

    Attributes:
        jobs: the pictures to search for.
        failures: one sentence for each path that cannot be used.
        passed_over: one sentence for each folder with members that are not searched for.
    """

    jobs: list[Job] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Request:
    """Two fingerprints that a result's text chunks hold.

    Attributes:
        asked: of the command: the picture's path, the generator's name, every option. A result of the same command may
            be replaced when its inputs have changed; a result of another command is kept.
        made_from: of everything that the result depends on: the picture's bytes, the generator's weights, every option.
            A result with the same fingerprint need not be searched for again.
    """

    asked: str
    made_from: str

    def text(self) -> dict[str, str]:
        """For the text of the PNG that answers this request."""
        return {"request": self.asked, "made_from": self.made_from}


def plan(inputs: Iterable[Path], folder: Path, reserved: Sequence[str] = (), suffixes: Sequence[str] = ()) -> Plan:
    """Gives every picture, and every picture of every folder (not of folders in it), its own output file in `folder`.

    An output has its input's stem, shortened if it is too long for a file name; the second input of that stem, ignoring
    case, gets "_2" and so on. A picture named twice is done once. Stems in `reserved` are not given out. Where a
    picture has further results, `suffixes` are what is added to its stem for each; these are nobody else's stems.

    Raises:
        ValueError: there are no inputs, or a result would replace one of them.
    """
    made = Plan()
    sources: dict[str, Path] = {}
    for path in inputs:
        why = _why_unusable(path)
        if why is not None:
            made.failures.append(why)
            continue
        members = [path]
        if path.is_dir():
            try:
                members, others = members_of(path, _is_picture)
            except ValueError as error:
                made.failures.append(str(error))
                continue
            if others:
                made.passed_over.append(passed_over(path, others))
            if not members:
                made.failures.append(f"The folder {printable(path)} holds no picture; name a folder with pictures.")
        for source in members:
            # Unlike Path.resolve, this does not raise on links that form a circle.
            sources.setdefault(os.path.realpath(source), source)
    if not sources and not made.failures:
        raise ValueError("There is no picture to search for; name at least one.")
    stems = {short_stem(source).casefold() for source in sources.values()}
    taken = {stem.casefold() for stem in reserved}
    for source in sources.values():
        stem = short_stem(source)
        name, number = stem, 1
        while any(each.casefold() in taken for each in _stems_of(name, suffixes)) or (
            number > 1 and name.casefold() in stems
        ):
            number += 1
            name = f"{stem}_{number}"
        taken.update(each.casefold() for each in _stems_of(name, suffixes))
        made.jobs.append(Job(source, folder / f"{name}.png"))
    for job in made.jobs:
        for output in (job.output, *(job.beside(suffix) for suffix in suffixes)):
            if os.path.realpath(output) in sources:
                raise ValueError(
                    f"The result of {printable(job.source)} would replace the input {printable(output)}; choose another"
                    " folder."
                )
    return made


def _stems_of(name: str, suffixes: Sequence[str]) -> list[str]:
    return [name, *(f"{name}{suffix}" for suffix in suffixes)]


def members_of(folder: Path, wanted: Callable[[Path], bool]) -> tuple[list[Path], list[str]]:
    """The files of a folder that are wanted, sorted, and what else is in it, with the reason in brackets.

    Hidden files are in neither. Raises ValueError, in one sentence, if the folder cannot be read.
    """
    try:
        members = sorted(folder.iterdir())
    except OSError as error:
        raise ValueError(
            f"{printable(folder)} cannot be looked into: {error.strerror}; check its permissions."
        ) from error
    files, others = [], []
    for path in members:
        if path.name.startswith("."):
            continue
        why = _why_unusable(path)
        if path.is_dir():
            others.append(f"{printable(path.name)} (a folder)")
        elif why is not None:
            others.append(
                f"{printable(path.name)} ({'a link that leads nowhere' if path.is_symlink() else 'unusable'})"
            )
        elif not wanted(path):
            others.append(f"{printable(path.name)} ({_kind(path)})")
        else:
            files.append(path)
    return files, others


def passed_over(folder: Path, others: Sequence[str], wanted: str = "pictures") -> str:
    """The sentence that says what in a folder is not searched for."""
    return f"In {printable(folder)} only {wanted} are searched for; passed over: {named(others)}."


def named(names: Sequence[str]) -> str:
    """Names in one line, the first twenty of them."""
    rest = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {rest} more" if rest > 0 else "")


def short_stem(path: Path) -> str:
    """A file's stem; one too long for the names of results is cut, and ends in a hash of the whole."""
    stem = os.fsencode(path.stem)
    if len(stem) <= _STEM_BYTES:
        return path.stem
    kept = stem[: _STEM_BYTES - 9].decode("utf-8", "ignore")
    return f"{kept}-{hashlib.sha256(stem).hexdigest()[:8]}"


def request(
    source: str,
    content: bytes,
    generator: str,
    weights: str,
    options: SearchOptions,
    target: TargetOptions | None,
    drawn: DrawnOptions | None = None,
) -> Request:
    """The fingerprints of a result that is asked for.

    Args:
        source: what the user named, for example the whole path of a picture.
        content: a digest of the picture.
        generator: as the user named it; `weights` is `weights_digest` of it.
        options: of the search.
        target: how the picture becomes small; None where it is searched for as it is.
        drawn: of a drawn answer; None where a network makes it.
    """
    settings: dict[str, Any] = {"options": asdict(options), "target": None if target is None else asdict(target)}
    settings |= {} if drawn is None else {"drawn": asdict(drawn)}
    made_from = {"picture": content.hex(), "weights": weights, "software": pictures.software(), **settings}
    return Request(fingerprint({"source": source, "generator": generator, **settings}), fingerprint(made_from))


def sheet_request(
    inputs: Iterable[Path],
    generator: str,
    options: SearchOptions,
    target: TargetOptions | None,
    drawn: DrawnOptions | None = None,
) -> str:
    """The fingerprint of a contact sheet, made of what the user said.

    The same command may draw its sheet anew, also when a folder that it names has more pictures by now.
    """
    named = json.dumps([os.path.realpath(path) for path in inputs])
    return request(f"sheet of {named}", b"", generator, "", options, target, drawn).asked


def file_digest(path: Path) -> bytes:
    """The SHA-256 of a file; of no bytes if it cannot be read, which its reader will explain."""
    digest = hashlib.sha256()
    try:
        if path.is_file():
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    except OSError:
        return b""
    return digest.digest()


def weights_digest(G: Any) -> str:
    """The SHA-256 of a generator's weights, whatever file they came from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(G.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().numpy().data)
    return digest.hexdigest()


def renderer_digest() -> str:
    """The SHA-256 of the weights that drawn answers depend on: of the network that reads a small picture."""
    from stylegan.portraits import encoder

    return file_digest(encoder.FILE).hex()


def answer(path: Path, wanted: Request, resolution: int) -> tuple[Tensor, dict[str, str]] | None:
    """The picture (1, 3, H, W) and text of a finished result at `path` that answers the request; else None.

    A file that is damaged, interrupted, of another size, or lacks a part of its text does not count.
    """
    text = pictures.read_text(path)
    if text.get("made_from") != wanted.made_from or text.get("interrupted") != "false":
        return None
    try:
        float(text["loss"])
        image = pictures.read_picture(path)
    except (KeyError, ValueError, OSError):
        return None
    return (image, text) if image.shape[-2:] == (resolution, resolution) and "reached" in text else None


def _why_unusable(path: Path) -> str | None:
    """Why `path` is not a usable file or folder; None if it is."""
    name = printable(path)
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        if error.errno == errno.ELOOP:
            return f"{name} is a link that leads back to itself; name the picture itself."
        if path.is_symlink() and error.errno in (errno.ENOENT, errno.ENOTDIR):
            return f"{name} is a link to {printable(os.readlink(path))}, which is not there; name the picture itself."
        if error.errno in (errno.EACCES, errno.EPERM):
            return f"{name} cannot be read, because you may not look into its folder; ask its owner."
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return f"There is no file {name}; check the path."
        return f"{name} cannot be read: {error.strerror}; check the path."
    except ValueError:
        return f"{name} is not a path; check it."
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return f"{name} is neither a file nor a folder; name a picture."
    return None


def _is_picture(path: Path) -> bool:
    from PIL import Image

    return Image.registered_extensions().get(path.suffix.lower()) in FORMATS


def _kind(path: Path) -> str:
    if path.suffix.lower() in (".svg", ".svgz"):
        return "a drawing, not pixels"
    return "another kind of picture" if _is_picture(path) else "no picture, by its name"


def fingerprint(value: Any) -> str:
    """A SHA-256 of plain values, for a `Request`."""
    # A path may hold bytes that are not valid text.
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
