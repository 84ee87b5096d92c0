"""What `pulse depixelize` is asked for: options, and the pictures and sprites that they are about."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pulse.batch.plan import Job, TargetOptions
from pulse.depixelizer import cut_sheet, parse_crop, parse_layout
from pulse.films.answers import SIDE, check_side
from stylegan.common import console

ENGINES = ("search", "feedforward", "both")
FILMS = ("search", "morph", "turn")
# The ending of a film, by the option `format`.
FORMATS = {"webp": ".webp", "gif": ".gif", "mp4": ".mp4", "apng": ".png"}
_MOST = {"samples": 64, "iterate": 100}


@dataclass(frozen=True)
class FaceOptions:
    """What is made of each small picture, and of which part of it.

    Raises:
        ValueError: in one sentence, for a value that makes no sense, or options that do not go together.
    """

    engine: str = field(
        default="search",
        metadata={
            "help": "what makes the faces: a search; feedforward, one pass of a network; or both, the network's beside "
            "as NAME.feedforward.png",
            "choices": ENGINES,
        },
    )
    network: str = field(default="default", metadata={"help": "the feed-forward network, as of `pulse upscale`"})
    samples: int = field(default=1, metadata={"help": "faces for each picture, as different as can be"})
    sheet: str | None = field(
        default=None,
        metadata={"help": "cut each picture into sprites first: columns x rows, as 4x2; auto finds the sprites"},
    )
    crop: str | None = field(default=None, metadata={"help": "take only x,y,width,height of each picture"})
    head: bool = field(default=False, metadata={"help": "take only the head of the figure in each picture"})
    soften: bool = field(default=False, metadata={"help": "make the edges of the sprite soft first"})
    iterate: int | None = field(
        default=None, metadata={"help": "answer the answer again, so many stages in all; each one is written"}
    )
    explore: bool = field(
        default=False, metadata={"help": "also answer it moved, scaled and resampled, on one sheet NAME.explore.png"}
    )
    film: str | None = field(
        default=None,
        metadata={
            "help": "also film the search, the morph from pixels to faces, or the turn of the head; several are joined "
            "by commas",
            "choices": FILMS,
        },
    )
    zoom: bool = field(
        default=False, metadata={"help": "also film a zoom into the picture while it is answered, as NAME.zoom.webp"}
    )
    film_size: int = field(default=SIDE, metadata={"help": "pixels a side of these films"})
    caption: bool = field(default=False, metadata={"help": "write the word synthetic on each face"})
    format: str = field(default="webp", metadata={"help": "of all films", "choices": tuple(FORMATS)})

    def __post_init__(self) -> None:
        for name, among in (("engine", ENGINES), ("format", tuple(FORMATS))):
            if getattr(self, name) not in among:
                raise ValueError(f"The {name} is {getattr(self, name)!r}; choose one of {', '.join(among)}.")
        for name, most in _MOST.items():
            value = getattr(self, name)
            if value is not None and not 1 <= value <= most:
                raise ValueError(f"The option {name} is {value}; give a whole number from 1 to {most}.")
        if self.iterate is not None and self.samples > 1:
            raise ValueError("The options samples and iterate do not go together; leave one of them out.")
        check_side(self.film_size)
        if unknown := [name for name in self._named_films() if name not in FILMS]:
            raise ValueError(
                f"There is no film {unknown[0]!r}; choose of {', '.join(FILMS)}, and join several by commas."
            )
        for name in ("samples", "explore", "zoom"):
            if self.engine == "feedforward" and getattr(self, name) not in (1, False):
                raise ValueError(f"Only the search has {name}; leave it out, or choose --engine search.")
        if self.engine == "feedforward" and {"search", "turn"} & set(self.films):
            raise ValueError("Of a feed-forward network's face there is only the film morph; leave the others out.")
        if self.sheet is not None:
            parse_layout(self.sheet)
            if self.crop is not None:
                raise ValueError("The options sheet and crop do not go together; leave one of them out.")
        if self.crop is not None:
            parse_crop(self.crop)

    @property
    def still(self) -> bool:
        """Whether only the first frame of an animation is answered."""
        tricks = self.soften or self.explore or self.iterate is not None or self.sheet is not None
        tricks |= bool(self.films)
        return tricks or self.samples > 1 or self.engine != "search"

    @property
    def films(self) -> list[str]:
        """What is filmed of each picture, each once."""
        return [*dict.fromkeys(self._named_films()), *(["zoom"] if self.zoom else [])]

    def _named_films(self) -> list[str]:
        return [] if self.film is None else [name.strip() for name in self.film.split(",")]

    def files(self, output: Path) -> list[Path]:
        """All files of a picture whose first face is the PNG `output`, that one first."""
        job, ending = Job(output, output), FORMATS[self.format]
        films = [job.beside(f".{name}", ending) for name in self.films]
        return [output, *(job.beside(suffix) for suffix in self._pictures()), *films]

    def suffixes(self) -> list[str]:
        """What is added to the stem of a picture for each of its files but the first."""
        return [*self._pictures(), *(f".{name}" for name in self.films)]

    def _pictures(self) -> list[str]:
        found = [f"-{number}" for number in range(2, self.samples + 1)]
        found += [".samples", ".disagreement"] if self.samples > 1 else []
        if self.iterate is not None:
            found += [*(f".stage-{number}" for number in range(1, self.iterate)), ".stages"]
        elif self.engine == "both":
            found += [".feedforward"]
        return found + ([".explore"] if self.explore else [])


@dataclass(frozen=True, eq=False)
class FacesOrder:
    """What is wanted for every picture of a batch.

    Attributes:
        generator: as the user named it; `G` is the same, loaded, where a network is searched.
        finish: who makes the answers of the search, "drawn" or "network".
        given: options of the search and of drawn answers that the user gave, by their names.
        target: how pictures become small.
        faces: what is made of them.
        weights: a digest of all weights that the answers depend on.
        upscaler: the feed-forward network, where it is wanted.
        overwrite: replace results of other requests, and do again what is done.
        keep_rows: collect what a contact sheet needs.
        verbose: also print in words what each face is worth.
    """

    generator: str
    G: Any
    finish: str
    given: dict[str, Any]
    target: TargetOptions
    faces: FaceOptions
    weights: str
    upscaler: Any = None
    overwrite: bool = False
    keep_rows: bool = False
    verbose: bool = False

    def settings(self) -> dict[str, Any]:
        """All of it that decides how a face looks."""
        faces = {**asdict(self.faces), "sheet": None}
        return {"finish": self.finish, "given": self.given, "target": asdict(self.target), "faces": faces}

    def reading(self) -> dict[str, Any]:
        """How a picture is read, as arguments of `pulse.depixelize`; what is as by default is left out."""
        plain = vars(TargetOptions())
        made = {name: value for name, value in vars(self.target).items() if value != plain[name]}
        made |= {} if self.faces.crop is None else {"crop": self.faces.crop}
        return made | ({"head": True} if self.faces.head else {})


@dataclass(frozen=True, eq=False)
class Part:
    """What is answered: a whole picture, or a sprite of a sheet.

    Attributes:
        source: the file.
        title: its name, and that of the sprite.
        picture: what `pulse.depixelize` takes.
        call: the same in Python.
        reading: how it is read, as arguments of `pulse.depixelize`.
        output: the PNG of its first face.
    """

    source: Path
    title: str
    picture: Any
    call: str
    reading: dict[str, Any]
    output: Path


def parts_of(job: Job, order: FacesOrder) -> tuple[list[Part], list[str]]:
    """What of a picture is answered, and a sentence for each thing that its owner may not expect.

    Sprites of a sheet go to a folder with the picture's name.
    """
    name, reading = console.printable(job.source.name), order.reading()
    layout = order.faces.sheet
    if layout is None:
        return [Part(job.source, name, job.source, repr(name), reading, job.output)], []
    notes: list[str] = []
    grid = reading.pop("grid", "auto")
    pieces = cut_sheet(job.source, layout, grid=grid, notes=notes)
    call = f"pulse.cut_sheet({name!r}, {layout!r}" + (f", grid={grid!r}" if grid != "auto" else "")
    reading["grid"] = "off"
    folder = job.output.with_suffix("")
    return [
        Part(
            job.source,
            f"{name} {piece.name}",
            piece.picture,
            f"{call})[{number}].picture",
            reading,
            folder / f"{piece.name}.png",
        )
        for number, piece in enumerate(pieces)
    ], notes
