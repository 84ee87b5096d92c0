"""The table of what every command does about a file in the way, a full disk, signals, bad inputs and bad outputs.

`python tests/commands_table.py` prints it for docs/commands.md; tests/test_commands.py walks it.
"""

from dataclasses import dataclass, field
from typing import Any

NOTHING = "writes nothing"
# What a command does about results that are there. A file of somebody else is refused by each of them.
EXISTING = {
    "answered": "the same request: left as done, or made anew; another request: refused, `{}` replaces it",
    "refused": "refused; `{}` replaces it",
    "kept": "kept as it is",
    "continued": "the run in the folder is continued",
}


@dataclass(frozen=True)
class Command:
    """A row of the table.

    name: as a user types it.
    module, arguments: what runs; every path is relative to a folder with the inputs (`inputs`). "{url}" is the address
        of a server, "{upscaler}" a file with an upscaler's weights.
    writes: the file that it makes; None for commands that write none.
    existing: what it does where that file is there, one of EXISTING.
    other: further arguments that ask for something else.
    full: words on a full disk.
    ended: words on what Ctrl-C and SIGTERM leave.
    keeps: a file that is there after them.
    bad: (arguments, words) with an input that cannot be used.
    nowhere: arguments with an output that cannot be written; `file` is a file, so nothing can be made in it.
    long: arguments that make it run until it is told to end.
    signalled: when it is told to: ("opens", file), ("calls", [function, n]) or ("after", seconds).
    environment: more variables.
    fails: the exit code for a full disk, and for an output that cannot be written.
    """

    name: str
    module: str
    arguments: list[str]
    writes: str | None = None
    existing: str = ""
    other: list[str] = field(default_factory=list)
    full: str = "exit 2, one sentence, nothing half written"
    ended: str = "nothing is written"
    keeps: str = ""
    bad: tuple[list[str], str] | None = None
    nowhere: list[str] | None = None
    long: list[str] = field(default_factory=list)
    signalled: tuple[str, Any] = ("after", 0.6)
    environment: dict[str, str] = field(default_factory=dict)
    fails: int = 2

    @property
    def overwrite(self) -> str:
        return "-overwrite" if self.module == "pulse.app.run" else "--overwrite"


_G = "g.safetensors"
_SEARCH = ["-o", "o", "--generator", _G, "--steps"]
_TRAIN = ["train", "pics", "--resolution", "16", "--batch-size", "4", "--no-tensorboard", "--kimg"]
_TEACH = ["teach-mapping", "t.safetensors", "--resolution", "16", "--w-dim", "512", "--count", "64"]
_READ = ["teach-encoder", "pairs32", "--batch-size", "4", "--steps"]
_AIMOJI = ["train", "pics", "--resolution", "8", "--width", "2", "--batch-size", "4", "--epochs"]
_UP = ["--network", "{upscaler}"]
_BEST = "the best so far is written"
COMMANDS = [
    Command(
        "pulse search",
        "pulse.app.cli",
        ["search", "p.png", *_SEARCH, "1"],
        "o/p.png",
        "answered",
        ["--seed", "7"],
        full="exit 2, one sentence, nothing half written; what is left is not begun, and named",
        ended=f"{_BEST}; the same command goes on",
        keeps="o/p.png",
        bad=(["search", "gone.png", "p.png", *_SEARCH, "1"], "named at the end; the other pictures are done"),
        nowhere=["search", "p.png", "-o", "file/o", "--generator", _G],
        long=["search", "p.png", *_SEARCH, "1000"],
        signalled=("calls", ["check", 3]),
    ),
    Command(
        "pulse demo",
        "pulse.app.cli",
        ["demo", *_SEARCH, "1"],
        "o/knight.png",
        "answered",
        ["--seed", "7"],
        ended="the sprites done so far are written; the same command goes on",
        keeps="o/knight.png",
        bad=(["demo", "-o", "o", "--generator", "bad.pkl"], "one sentence"),
        nowhere=["demo", "-o", "file/o", "--generator", _G],
        long=["demo", *_SEARCH, "1"],
        signalled=("calls", ["write_picture", 2]),
    ),
    Command(
        "pulse fit",
        "pulse.app.cli",
        ["fit", _G, "-o", "f.safetensors", "--samples", "100"],
        "f.safetensors",
        "refused",
        bad=(["fit", "bad.pkl", "-o", "f.safetensors"], "one sentence"),
        nowhere=["fit", _G, "-o", "file/f.safetensors"],
        long=["fit", _G, "-o", "f.safetensors", "--samples", "2000000000"],
    ),
    Command(
        "pulse align",
        "pulse.app.cli",
        ["align", "p.png", "-o", "o", "--size", "32"],
        "o/p.png",
        "answered",
        ["--size", "16"],
        full="exit 2, one sentence, nothing half written; what is left is not begun, and named",
        ended="the faces cut so far stay",
        keeps="o/a.png",
        bad=(["align", "gone.png", "-o", "o"], "named at the end; the other pictures are done"),
        nowhere=["align", "p.png", "-o", "file/o"],
        long=["align", "pics", "-o", "o", "--size", "32"],
        signalled=("calls", ["write_picture", 3]),
    ),
    Command(
        "pulse upscale",
        "pulse.app.cli",
        ["upscale", "p.png", "-o", "o", *_UP],
        "o/p.png",
        "answered",
        ["--framing", "crop"],
        full="exit 2, one sentence, nothing half written; what is left is not begun, and named",
        ended="the faces made so far stay; the same command goes on",
        keeps="o/a.png",
        bad=(["upscale", "gone.png", "p.png", "-o", "o", *_UP], "named at the end; the other pictures are done"),
        nowhere=["upscale", "p.png", "-o", "file/o", *_UP],
        long=["upscale", "pics", "-o", "o", *_UP],
        signalled=("calls", ["write_picture", 3]),
    ),
    Command(
        "pulse morph",
        "pulse.app.cli",
        ["morph", _G, "-o", "m.gif", "--frames", "2"],
        "m.gif",
        "refused",
        bad=(["morph", "bad.pkl", "-o", "m.gif"], "one sentence"),
        nowhere=["morph", _G, "-o", "file/m.gif"],
        long=["morph", _G, "-o", "m.gif", "--frames", "1000000"],
    ),
    Command(
        "pulse atlas",
        "pulse.app.cli",
        ["atlas", "pics", "-o", "site"],
        "site/atlas.json",
        "refused",
        bad=(["atlas", "bad.pkl", "-o", "site"], "one sentence; of a folder, the other pictures are shown"),
        nowhere=["atlas", "pics", "-o", "file/site"],
        long=["atlas", _G, "-o", "site", "--count", "10000"],
        signalled=("opens", _G),
    ),
    Command(
        "pulse aimoji dataset",
        "pulse.app.cli",
        ["aimoji", "dataset", "-o", "o", "--group", "component"],
        "o/emoji.json",
        "answered",
        ["--group", "activities"],
        ended="the pictures drawn so far stay; the same command goes on",
        keeps="o/1f600.png",
        bad=(["aimoji", "dataset", "-o", "o", "--font", "bad.pkl"], "one sentence"),
        nowhere=["aimoji", "dataset", "-o", "file/o", "--group", "component"],
        long=["aimoji", "dataset", "-o", "o"],
        signalled=("calls", ["write_png", 3]),
    ),
    Command(
        "pulse aimoji train",
        "pulse.app.cli",
        ["aimoji", *_AIMOJI, "1", "-o", "run"],
        "run/generator.safetensors",
        "continued",
        full="exit 2, one sentence; the run stays as it was saved last, and the same command goes on",
        ended="the run is saved after the step in hand; the same command goes on",
        keeps="run/generator.safetensors",
        bad=(["aimoji", "train", "gone", "-o", "run"], "one sentence; of a folder, the other pictures are used"),
        nowhere=["aimoji", *_AIMOJI, "1", "-o", "file/run"],
        long=["aimoji", *_AIMOJI, "100000", "-o", "run"],
        signalled=("calls", ["_look", 2]),
    ),
    Command(
        "pulse aimoji film",
        "pulse.app.cli",
        ["aimoji", "film", "learnt", "-o", "f.gif"],
        "f.gif",
        "refused",
        bad=(["aimoji", "film", "pics", "-o", "f.gif"], "one sentence"),
        nowhere=["aimoji", "film", "learnt", "-o", "file/f.gif"],
        long=["aimoji", "film", "learnt", "-o", "f.gif"],
        signalled=("opens", "fixed.u8"),
    ),
    Command(
        "pulse aimoji moods",
        "pulse.app.cli",
        ["aimoji", "moods", _G, "named", "-o", "m.png", "--count", "4"],
        "m.png",
        "refused",
        bad=(["aimoji", "moods", _G, "pics", "-o", "m.png"], "one sentence"),
        nowhere=["aimoji", "moods", _G, "named", "-o", "file/m.png"],
        long=["aimoji", "moods", _G, "named", "-o", "m.png", "--count", "1024"],
        signalled=("opens", _G),
    ),
    Command(
        "python -m pulse.run",
        "pulse.app.run",
        ["-input_dir", "one", "-output_dir", "o", "-steps", "1"],
        "o/a.png",
        "answered",
        ["-seed", "7"],
        full="exit 2, one sentence, nothing half written; what is left is not begun, and named",
        ended=f"{_BEST}; the same command goes on",
        keeps="o/a.png",
        bad=(["-input_dir", "gone"], "one sentence; of a folder, the other pictures are done"),
        nowhere=["-input_dir", "one", "-output_dir", "file/o"],
        long=["-input_dir", "one", "-output_dir", "o", "-steps", "1000"],
        signalled=("calls", ["check", 3]),
    ),
    Command(
        "stylegan convert",
        "stylegan.cli",
        ["convert", _G, "c.safetensors"],
        "c.safetensors",
        "refused",
        bad=(["convert", "bad.pkl", "c.safetensors"], "one sentence"),
        nowhere=["convert", _G, "file/c.safetensors"],
        long=["convert", _G, "c.safetensors"],
        signalled=("opens", _G),
    ),
    Command(
        "pulse app",
        "pulse.app.cli",
        ["app", "--help"],
        long=["app", "--port", "0"],
        signalled=("calls", ["cores", 1]),
    ),
    Command(
        "stylegan info",
        "stylegan.cli",
        ["info", _G],
        bad=(["info", "bad.pkl"], "one sentence"),
        long=["info", _G],
        signalled=("opens", _G),
    ),
    Command(
        "stylegan sample",
        "stylegan.cli",
        ["sample", _G, "-o", "s.png", "--count", "4"],
        "s.png",
        "refused",
        bad=(["sample", "bad.pkl", "-o", "s.png"], "one sentence"),
        nowhere=["sample", _G, "-o", "file/s.png"],
        long=["sample", _G, "-o", "s.png", "--count", "10000"],
        signalled=("opens", _G),
    ),
    Command(
        "stylegan train",
        "stylegan.cli",
        [*_TRAIN, "0.004", "-o", "run"],
        "run/generator.safetensors",
        "continued",
        full="exit 2, one sentence; the run stays as it was saved last, and the same command goes on",
        ended="the run is saved after the step in hand; the same command goes on",
        keeps="run/generator.safetensors",
        bad=(["train", "gone", "-o", "run"], "one sentence; of a folder, the other pictures are used"),
        nowhere=[*_TRAIN, "1", "-o", "file/run"],
        long=[*_TRAIN, "100000", "-o", "run"],
        signalled=("calls", ["_look", 2]),
    ),
    Command(
        "stylegan render-pairs",
        "stylegan.cli",
        ["render-pairs", "pairs", "--count", "512", "--resolution", "8"],
        "pairs/pairs_0_00000.npz",
        "kept",
        ended="finished files of 512 pairs stay; the same command goes on",
        nowhere=["render-pairs", "file/pairs", "--count", "512", "--resolution", "8"],
        long=["render-pairs", "pairs", "--count", "512", "--resolution", "8"],
        signalled=("calls", ["render_shards", 1]),
    ),
    Command(
        "stylegan teach-mapping",
        "stylegan.cli",
        [*_TEACH, "--steps", "2"],
        "t.safetensors",
        "refused",
        nowhere=["teach-mapping", "file/t.safetensors", *_TEACH[2:], "--steps", "2"],
        long=[*_TEACH, "--steps", "1000000"],
    ),
    Command(
        "stylegan teach-encoder",
        "stylegan.cli",
        [*_READ, "2", "-o", "run"],
        "run/encoder.safetensors",
        "continued",
        full="exit 2, one sentence; the run stays as it was saved last, and the same command goes on",
        ended="the run is saved after the step in hand; the same command goes on",
        keeps="run/encoder.safetensors",
        bad=(["teach-encoder", "gone", "-o", "run"], "one sentence"),
        nowhere=[*_READ, "2", "-o", "file/run"],
        long=[*_READ, "1000000", "-o", "run"],
        signalled=("calls", ["_look", 2]),
    ),
    Command(
        "stylegan fetch",
        "stylegan.cli",
        ["fetch", "{url}"],
        "cache",
        "kept",
        full="exit 2, one sentence; what was fetched so far is kept",
        ended="what was fetched so far is kept, and fetching goes on from there",
        keeps="net.pkl.part",
        bad=(["fetch", "no-such-name"], "one sentence"),
        nowhere=["fetch", "{url}"],
        long=["fetch", "{url}?slow"],
        signalled=("calls", ["_copy", 1]),
        environment={"PULSE_CACHE": "cache"},
    ),
    Command(
        "stylegan models",
        "stylegan.cli",
        ["models"],
        long=["models"],
        signalled=("calls", ["list_models", 1]),
    ),
    Command(
        "python -m stylegan.portraits",
        "stylegan.portraits.__main__",
        ["--count", "1", "-o", "portraits", "--resolution", "16"],
        "portraits/portrait_000000.png",
        "answered",
        ["--seed", "7"],
        ended="the portraits drawn so far stay",
        keeps="portraits/portrait_000001.png",
        nowhere=["--count", "1", "-o", "file/portraits"],
        long=["--count", "16", "-o", "portraits", "--resolution", "16"],
        signalled=("calls", ["write_png", 3]),
    ),
    Command(
        "python -m cuda_ops",
        "cuda_ops.__main__",
        [],
        "cache",
        "kept",
        full="exit 1; the table says why nothing is built, and the reference operations run",
        ended="a build is given up",
        nowhere=[],
        long=["--build"],
        environment={"PULSE_CACHE": "cache", "TMPDIR": "."},
        fails=1,
    ),
]


def table() -> str:
    """The table in Markdown."""
    heads = ["command", "its file is there already", "the disk is full", "Ctrl-C, SIGTERM", "an input it cannot read"]
    heads.append("an output it cannot write")
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for command in COMMANDS:
        existing = EXISTING[command.existing].format(command.overwrite) if command.existing else NOTHING
        failing = "exit 2, one sentence" if command.fails == 2 else "exit 1; the table says why"
        cells = [
            f"`{command.name}`",
            existing,
            command.full if command.writes else NOTHING,
            f"exit 130, exit 143; {command.ended}",
            f"exit 2; {command.bad[1]}" if command.bad else "reads none",
            failing if command.nowhere is not None else NOTHING,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
