"""What every command does about a file in the way, a full disk, Ctrl-C, SIGTERM, an input or an output it cannot use.

`COMMANDS` is the table; `python tests/test_commands.py` prints it for the documentation.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the commands run in forks of one process")

REFUSED = "exit 2, one sentence, the file stays"
STOPPED = "exit 2, one sentence, nothing half written"
ENDS = {signal.SIGINT: "exit 130, at once", signal.SIGTERM: "exit 143, at once"}
NOTHING = "writes no file"


@dataclass(frozen=True)
class Command:
    """A row of the table.

    name: as a user types it.
    module, arguments: what runs; every path is relative to a folder with the inputs (`_inputs`).
    writes: the file that is in the way if somebody has made it; None for commands that write none.
    existing: words on what a file of this program in the way does.
    full: words on a full disk, beyond exit 2 and a sentence.
    ended: words on what Ctrl-C and SIGTERM leave.
    bad: (arguments, words) with an input that cannot be used.
    nowhere: arguments with an output that cannot be written; `file` is a file, so nothing can be made in it.
    long: arguments that make it run until it is told to end.
    opens: it is told to end when it opens this file; without it, after half a second.
    """

    name: str
    module: str
    arguments: list[str]
    writes: str | None = None
    existing: str = ""
    full: str = ""
    ended: str = ""
    bad: tuple[list[str], str] | None = None
    nowhere: list[str] | None = None
    long: list[str] | None = None
    opens: str | None = None


_G = "g.safetensors"
_TRAIN = ["train", "pics", "--resolution", "16", "--kimg", "100000", "--batch-size", "4", "--no-tensorboard"]
COMMANDS = [
    Command(
        "pulse search",
        "pulse.app.cli",
        ["search", "p.png", "-o", "o", "--steps", "1", "--generator", _G],
        "o/p.png",
        "the same request: left as done, or brought up to date; another request: refused, `--overwrite` replaces it",
        "the rest is not searched, and named",
        "the best so far is written; the same command goes on",
        (["search", "gone.png", "-o", "o", "--generator", _G], "named at the end; the other pictures are done"),
        ["search", "p.png", "-o", "file/o", "--generator", _G],
        ["search", "p.png", "-o", "o", "--steps", "10000000", "--generator", _G],
    ),
    Command(
        "pulse demo",
        "pulse.app.cli",
        ["demo", "-o", "o", "--steps", "1", "--generator", _G],
        "o/knight.png",
        "the same request: made anew; another request: refused, `--overwrite` replaces it",
        "",
        "the best so far is written",
        (["demo", "-o", "o", "--generator", "bad.pkl"], "one sentence"),
        ["demo", "-o", "file/o", "--generator", _G],
        ["demo", "-o", "o", "--steps", "10000000", "--generator", _G],
    ),
    Command(
        "pulse fit",
        "pulse.app.cli",
        ["fit", _G, "-o", "f.safetensors", "--samples", "100"],
        "f.safetensors",
        "refused; `--overwrite` replaces it",
        "",
        "nothing is written",
        (["fit", "bad.pkl", "-o", "f.safetensors"], "one sentence"),
        ["fit", _G, "-o", "file/f.safetensors"],
        ["fit", _G, "-o", "f.safetensors", "--samples", "2000000000"],
    ),
    Command(
        "python -m pulse.run",
        "pulse.app.run",
        ["-input_dir", "pics", "-output_dir", "o", "-steps", "1", "-cache_dir", "weights"],
        "o/a.png",
        "the same request: left as done, or brought up to date; another request: refused, `-overwrite` replaces it",
        "the rest is not searched, and named",
        "the best so far is written; the same command goes on",
        (["-input_dir", "gone"], "named at the end; the other pictures are done"),
        ["-input_dir", "pics", "-output_dir", "file/o"],
        ["-input_dir", "pics", "-output_dir", "o", "-steps", "10000000"],
    ),
    Command(
        "stylegan convert",
        "stylegan.cli",
        ["convert", _G, "c.safetensors"],
        "c.safetensors",
        "refused; `--overwrite` replaces it",
        "",
        "nothing is written",
        (["convert", "bad.pkl", "c.safetensors"], "one sentence"),
        ["convert", _G, "file/c.safetensors"],
        ["convert", _G, "c.safetensors"],
        _G,
    ),
    Command(
        "stylegan info",
        "stylegan.cli",
        ["info", _G],
        ended="there is nothing to keep",
        bad=(["info", "bad.pkl"], "one sentence"),
        long=["info", _G],
        opens=_G,
    ),
    Command(
        "stylegan sample",
        "stylegan.cli",
        ["sample", _G, "-o", "s.png", "--count", "4"],
        "s.png",
        "the same request: made anew; another request: refused, `--overwrite` replaces it",
        "",
        "nothing is written",
        (["sample", "bad.pkl", "-o", "s.png"], "one sentence"),
        ["sample", _G, "-o", "file/s.png"],
        ["sample", _G, "-o", "s.png", "--count", "10000"],
        _G,
    ),
    Command(
        "stylegan train",
        "stylegan.cli",
        [*_TRAIN, "-o", "run"],
        "run",
        "the run in the folder is continued",
        "the run stays as it was saved last; the same command goes on",
        "the run is saved after the step in hand; the same command goes on",
        (["train", "gone", "-o", "run"], "one sentence; unreadable pictures in a folder are named"),
        [*_TRAIN, "-o", "file/run"],
        [*_TRAIN, "-o", "run"],
    ),
    Command(
        "stylegan fetch",
        "stylegan.cli",
        ["fetch", "default"],
        ended="exit 130; exit 143; what was fetched is kept, and fetching goes on from there",
        bad=(["fetch", "no-such-name"], "one sentence"),
    ),
    Command("stylegan models", "stylegan.cli", ["models"], ended="exit 130; exit 143"),
    Command(
        "python -m stylegan.portraits",
        "stylegan.portraits.__main__",
        ["--count", "1", "-o", "portraits", "--resolution", "32"],
        None,
        "portraits of the same names are replaced",
        "",
        "the portraits drawn so far stay",
        None,
        ["--count", "1", "-o", "file/portraits"],
        ["--count", "5000", "-o", "portraits", "--resolution", "32"],
    ),
    Command("python -m cuda_ops", "cuda_ops.__main__", [], ended="ends by the signal, as Python does"),
]
_LIMIT = 64


def _rows(column: str) -> list[Any]:
    return [pytest.param(c, id=c.name.replace(" ", "-")) for c in COMMANDS if getattr(c, column) is not None]


class Server:
    """Runs commands; see commands_server.py."""

    def __init__(self, folder: Path) -> None:
        modules = json.dumps(
            [*{command.module for command in COMMANDS}, "pulse.batch.here", "stylegan.training.command"]
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("commands_server.py")), modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def run(self, folder: Path, command: Command, arguments: list[str], **how: Any) -> tuple[int, str, list[str]]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = {"folder": str(folder), "module": command.module, "arguments": arguments, **how}
        print(json.dumps(asked), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        assert "Traceback" not in answer["err"], answer["err"]
        return answer["code"], answer["out"], answer["err"].splitlines()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("server"))
    yield made
    assert made.process.stdin is not None
    made.process.stdin.close()
    made.process.wait(10)


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a safetensors file with a random generator of 32 px and no gaussian fit."""
    import torch

    import stylegan
    from stylegan.networks.stylegan2 import Generator

    torch.manual_seed(0)
    G = Generator(32, 0, 16, 16, mapping_kwargs={"num_layers": 2}, synthesis_kwargs={"channel_max": 8})
    G.gaussian_fit = {"mean": torch.zeros(16), "std": torch.ones(16)}
    path = tmp_path_factory.mktemp("generator") / _G
    stylegan.save(G, path)
    return path.read_bytes()


@pytest.fixture
def inputs(tmp_path: Path, generator: bytes) -> Path:
    """A folder with a generator, pictures, a file in the way of folders, and a checkpoint that is none."""
    from pulse.app import sprites
    from pulse.pictures import write_picture

    (tmp_path / _G).write_bytes(generator)
    (tmp_path / "bad.pkl").write_bytes(b"no checkpoint")
    (tmp_path / "file").write_text("mine")
    write_picture(tmp_path / "p.png", sprites.load("cat")[0])
    for name, sprite in zip("abcdefgh", sprites.names(), strict=False):
        write_picture(tmp_path / "pics" / f"{name}.png", sprites.load(sprite)[0])
    return tmp_path


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("command", _rows("writes"))
def test_a_file_of_somebody_else_stays(command: Command, server: Server, inputs: Path) -> None:
    assert command.writes is not None
    path = inputs / command.writes
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    for more in ([], [] if "train" in command.arguments else [_overwrite(command)]):
        code, _, err = server.run(inputs, command, [*command.arguments, *more])
        assert code == 2, err
        assert path.read_text() == "mine"
        assert any(path.name in line for line in err)


@pytest.mark.parametrize("command", _rows("writes"))
def test_a_full_disk_leaves_nothing_half_written(command: Command, server: Server, inputs: Path) -> None:
    before = _tree(inputs)
    code, _, err = server.run(inputs, command, command.arguments, limit=_LIMIT)
    assert code == 2, err
    assert any("disk" in line for line in err), err
    left = {name: data for name, data in _tree(inputs).items() if name not in before}
    # Training says in its folder what it was asked, before there is anything to train.
    assert all(len(data) > 0 for data in left.values()) or command.module == "stylegan.cli"
    assert not [name for name in left if name.endswith((".png", ".safetensors", ".part"))], left.keys()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", _rows("long"))
def test_a_signal_ends_it_at_once(command: Command, number: int, server: Server, inputs: Path) -> None:
    assert command.long is not None
    how = {"after": 0.6} if command.opens is None else {"opens": command.opens}
    code, _, err = server.run(inputs, command, command.long, signal=int(number), **how)
    assert code == 128 + number, err
    assert not list(inputs.rglob("*.part"))


@pytest.mark.parametrize("command", _rows("bad"))
def test_an_input_that_cannot_be_used_is_one_sentence(command: Command, server: Server, inputs: Path) -> None:
    assert command.bad is not None
    before = _tree(inputs)
    code, _, err = server.run(inputs, command, command.bad[0])
    assert (code, len(err)) == (2, 1), err
    assert err[0].endswith(".")
    assert _tree(inputs) == before


@pytest.mark.parametrize("command", _rows("nowhere"))
def test_an_output_that_cannot_be_written_is_one_sentence(command: Command, server: Server, inputs: Path) -> None:
    assert command.nowhere is not None
    before = _tree(inputs)
    code, _, err = server.run(inputs, command, command.nowhere)
    assert (code, len(err)) == (2, 1), err
    assert "file" in err[0]
    assert _tree(inputs) == before


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.long is None], ids=lambda c: c.name.replace(" ", "-"))
def test_short_commands_write_nothing_and_end(command: Command, server: Server, inputs: Path) -> None:
    before = _tree(inputs)
    code, out, _ = server.run(inputs, command, command.arguments)
    assert code in (0, 1)
    assert out
    assert _tree(inputs) == before


def test_nothing_heavy_is_imported_before_signals_are_handled() -> None:
    modules = "pulse.app.cli, pulse.app.run, stylegan.cli"
    script = f"import sys, {modules}; sys.exit('torch' in sys.modules or 'typer' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    assert subprocess.run([sys.executable, "-c", script], env=environment).returncode == 0


def _overwrite(command: Command) -> str:
    return "-overwrite" if command.module == "pulse.app.run" else "--overwrite"


def table() -> str:
    """The table in Markdown."""
    heads = [
        "command",
        "a file in the way",
        "a full disk",
        "Ctrl-C; SIGTERM",
        "an input it cannot read",
        "an output it cannot write",
    ]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    ends = "; ".join(text.removesuffix(", at once") for text in ENDS.values())
    for command in COMMANDS:
        existing = f"{command.existing}; a file of somebody else: {REFUSED}" if command.writes else command.existing
        cells = [
            f"`{command.name}`",
            existing or NOTHING,
            "; ".join(filter(None, [STOPPED, command.full])) if command.nowhere else NOTHING,
            command.ended if command.long is None else "; ".join(filter(None, [f"{ends}, at once", command.ended])),
            f"exit 2; {command.bad[1]}" if command.bad else "reads none",
            "exit 2, one sentence" if command.nowhere else NOTHING,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
