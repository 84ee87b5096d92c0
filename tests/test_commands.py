"""What every command does about a file in the way, a full disk, Ctrl-C, SIGTERM, an input or an output it cannot use.

It walks the table in commands_table.py, which docs/commands.md holds, cell by cell.
"""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands_table import COMMANDS, Command, table

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the commands run in forks of one process")

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"
# Their files lie in the cache, under names that nobody else uses.
_IN_CACHE = ("stylegan fetch", "python -m cuda_ops")
_LIMIT = 64


def _no_faces() -> bool:
    from pulse.faces import FaceError, predictor_path

    try:
        predictor_path()
    except FaceError:
        return True
    return False


_FACES = pytest.mark.skipif(_no_faces(), reason="dlib or its landmark predictor is not installed")

_FONT = pytest.mark.skipif(
    not Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf").exists(), reason="there is no colour font here"
)


def _rows(wanted: Any) -> list[Any]:
    marks = {"pulse align": [_FACES], "pulse aimoji dataset": [_FONT]}
    return [pytest.param(c, id=c.name.replace(" ", "-"), marks=marks.get(c.name, ())) for c in COMMANDS if wanted(c)]


class Server:
    """Runs commands; see commands_server.py.

    url: the address of a file to fetch.
    upscaler: a file with the weights of one.
    """

    def __init__(self, url: str, certificate: Path, upscaler: Path) -> None:
        self.url, self.upscaler = url, str(upscaler)
        modules = json.dumps(
            [
                *{command.module for command in COMMANDS},
                "pulse.app.depixelize",
                "pulse.batch.here",
                "pulse.feedforward.command",
                "stylegan.training.command",
            ]
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
        environment |= {"SSL_CERT_FILE": str(certificate), "no_proxy": "127.0.0.1"}
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
        given = [a.replace("{url}", self.url).replace("{upscaler}", self.upscaler) for a in arguments]
        how["environment"] = {**command.environment, **how.get("environment", {})}
        asked = {"folder": str(folder), "module": command.module, "arguments": given, **how}
        print(json.dumps(asked), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        assert "Traceback" not in answer["err"], answer["err"]
        return answer["code"], answer["out"], answer["err"].splitlines()


def _slowly(request: str) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + bytes(100_000)
    if "slow" in request:
        time.sleep(30)
    yield bytes(200_000)


def _upscaler(path: Path) -> Path:
    import torch

    from pulse.feedforward.network import Upscaler
    from pulse.feedforward.weights import write_upscaler

    # Its first step takes the least time.
    write_upscaler(Upscaler(step=1), path, torch.float16)
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    from tests.stylegan.checkpoints.hostile_server import HostileServer

    certificate = tmp_path_factory.mktemp("server") / "server.pem"
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    request += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    parts = [certificate.with_suffix(".key"), certificate.with_suffix(".crt")]
    try:
        subprocess.run([*request, "-keyout", parts[0], "-out", parts[1]], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl here")
    certificate.write_text("".join(part.read_text() for part in parts))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with HostileServer(_slowly, context) as files:
        made = Server(files.url, certificate, _upscaler(certificate.with_name("up.safetensors")))
        yield made
        assert made.process.stdin is not None
        made.process.stdin.close()
        made.process.wait(60)


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a safetensors file with a random generator of 32 px and no gaussian fit."""
    import torch

    import stylegan
    from stylegan.networks.stylegan2 import Generator

    torch.manual_seed(0)
    G = Generator(32, 0, 16, 16, mapping_kwargs={"num_layers": 2}, synthesis_kwargs={"channel_max": 8})
    G.gaussian_fit = {"mean": torch.zeros(16), "std": torch.ones(16)}
    path = tmp_path_factory.mktemp("generator") / "g.safetensors"
    stylegan.save(G, path)
    return path.read_bytes()


@pytest.fixture
def inputs(tmp_path: Path, generator: bytes) -> Path:
    """A folder with a generator, pictures, pairs, a file in the way of folders, and a checkpoint that is none."""
    import numpy as np

    from pulse.app import sprites
    from pulse.pictures import write_picture

    (tmp_path / "g.safetensors").write_bytes(generator)
    (tmp_path / "bad.pkl").write_bytes(b"no checkpoint")
    (tmp_path / "file").write_text("mine")
    # What a DCGAN keeps for a film.
    (tmp_path / "learnt" / "film").mkdir(parents=True)
    (tmp_path / "learnt" / "run.json").write_text('{"method": "dcgan", "options": {"resolution": 8}}')
    (tmp_path / "learnt" / "film" / "fixed.u8").write_bytes(bytes(range(1, 241)) * 64)
    write_picture(tmp_path / "named" / "1.png", sprites.load("cat")[0])
    (tmp_path / "named" / "emoji.json").write_text('{"emoji": [{"file": "1.png", "name": "cat", "keywords": []}]}')
    (tmp_path / "pairs32").mkdir()
    pairs = {"z": np.ones((16, 128), np.float32), "pictures": np.zeros((16, 3, 32, 32), np.uint8)}
    np.savez(tmp_path / "pairs32" / "pairs_0_00000.npz", **pairs)
    write_picture(tmp_path / "p.png", sprites.load("cat")[0])
    write_picture(tmp_path / "one" / "a.png", sprites.load("cat")[0])
    for name, sprite in zip("abcdefgh", sprites.names(), strict=False):
        write_picture(tmp_path / "pics" / f"{name}.png", sprites.load(sprite)[0])
    return tmp_path


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("command", _rows(lambda c: c.writes and c.name not in _IN_CACHE))
def test_a_file_of_somebody_else_stays(command: Command, server: Server, inputs: Path) -> None:
    assert command.writes is not None
    path = inputs / command.writes
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    replaces = command.existing in ("answered", "refused")
    for more in ([], [command.overwrite]) if replaces else ([],):
        code, _, err = server.run(inputs, command, [*command.arguments, *more])
        assert path.read_text() == "mine"
        if command.existing != "kept":
            assert code == 2, err
            assert any(path.name in line or path.parent.name in line for line in err), err


@pytest.mark.parametrize("command", _rows(lambda c: c.writes and c.name != "python -m cuda_ops"))
def test_its_own_files_are_replaced_only_where_it_is_asked_to(command: Command, server: Server, inputs: Path) -> None:
    assert command.writes is not None

    def run(*more: str) -> tuple[int, dict[str, bytes]]:
        code, _, err = server.run(inputs, command, [*command.arguments, *more])
        return code, _tree(inputs) | {"err": "\n".join(err).encode()}

    code, first = run()
    assert code == 0, first["err"]
    assert any(name.startswith(command.writes) for name in first)
    code, again = run(*command.other)
    if command.existing in ("kept", "continued"):
        assert code == 0, again["err"]
        kept = [name for name in first if name.endswith((".npz", ".pkl")) or "generator" in name]
        # safetensors writes metadata in any order.
        exact = [name for name in kept if not name.endswith(".safetensors")]
        assert again.keys() >= set(kept)
        assert {name: again[name] for name in exact} == {name: first[name] for name in exact}
        return
    assert (code, "--overwrite" in again["err"].decode()) == (2, True)
    assert again[command.writes] == first[command.writes]
    code, replaced = run(*command.other, command.overwrite)
    assert code == 0, replaced["err"]
    assert not command.other or replaced[command.writes] != first[command.writes]
    if command.existing == "answered":
        assert run(*command.other)[0] == 0


@pytest.mark.parametrize("command", _rows(lambda c: c.writes))
def test_a_full_disk_leaves_nothing_half_written(command: Command, server: Server, inputs: Path) -> None:
    before = _tree(inputs)
    code, out, err = server.run(inputs, command, command.arguments, limit=_LIMIT)
    assert code == command.fails, err
    said = [*err, *out.splitlines()]
    assert any(words in line for line in said for words in ("disk", "is full", "cannot be used")), said
    left = {name: data for name, data in _tree(inputs).items() if name not in before}
    assert not [
        name
        for name in left
        if name.endswith((".png", ".safetensors", ".so", ".npz", ".json", ".pkl"))
        and not name.startswith(("run/", "cache/"))
    ], left.keys()
    assert not [name for name in left if Path(name).name.startswith(".") and name.endswith(".part")], left.keys()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", _rows(lambda c: True))
def test_a_signal_ends_it_at_once(command: Command, number: int, server: Server, inputs: Path) -> None:
    before = _tree(inputs)
    how = {command.signalled[0]: command.signalled[1], "signal": int(number)}
    code, _, err = server.run(inputs, command, command.long, **how)
    assert code == 128 + number, err
    assert not list(inputs.rglob(".*.part"))
    if command.keeps:
        found = list(inputs.rglob(Path(command.keeps).name))
        assert any(str(path).endswith(command.keeps) for path in found), _tree(inputs).keys()
    else:
        left = {name for name in _tree(inputs) if name not in before}
        assert not [name for name in left if not name.endswith("lock")], left


@pytest.mark.parametrize("command", _rows(lambda c: c.bad))
def test_an_input_that_cannot_be_used_is_one_sentence(command: Command, server: Server, inputs: Path) -> None:
    assert command.bad is not None
    before = _tree(inputs)
    code, _, err = server.run(inputs, command, command.bad[0])
    assert (code, len(err)) == (2, 1), err
    assert err[0].endswith(".")
    # A batch does the others.
    assert _tree(inputs).keys() - before.keys() == ({"o/p.png"} if "p.png" in command.bad[0] else set())


@pytest.mark.parametrize("command", _rows(lambda c: c.nowhere is not None))
def test_an_output_that_cannot_be_written_is_one_sentence(command: Command, server: Server, inputs: Path) -> None:
    assert command.nowhere is not None
    before = _tree(inputs)
    cache = {"PULSE_CACHE": "file/cache"} if command.environment else {}
    code, out, err = server.run(inputs, command, command.nowhere, environment=cache)
    assert code == command.fails, err
    said = [line for line in (err if command.fails == 2 else out.splitlines()) if "file" in line]
    assert len(said) >= 1
    assert command.fails == 1 or len(err) == 1, err
    assert _tree(inputs) == before


@pytest.mark.parametrize("command", _rows(lambda c: not c.writes))
def test_commands_that_write_nothing(command: Command, server: Server, inputs: Path) -> None:
    before = _tree(inputs)
    code, out, err = server.run(inputs, command, command.arguments)
    assert (code, err) == (0, [])
    assert out
    assert _tree(inputs) == before


def test_the_operations_are_kept(server: Server, inputs: Path) -> None:
    command = next(c for c in COMMANDS if c.name == "python -m cuda_ops")
    before = _tree(inputs)
    # With the cache of whoever runs the tests, which holds what the tests before this one have built.
    cache = {"PULSE_CACHE": os.environ.get("PULSE_CACHE", "")}
    code, out, _ = server.run(inputs, command, [], environment=cache)
    assert code in (0, 1)
    assert "modulated_conv2d" in out
    assert _tree(inputs) == before


def test_every_command_has_a_row() -> None:
    import typer.main

    from pulse.app import cli as pulse_cli
    from stylegan import cli as stylegan_cli

    def below(name: str, command: Any) -> Iterator[str]:
        if not hasattr(command, "commands"):
            yield name
            return
        for each, inner in command.commands.items():
            yield from below(f"{name} {each}", inner)

    named = {command.name for command in COMMANDS}
    for name, app in (("pulse", pulse_cli._app([])), ("stylegan", stylegan_cli._app())):
        there = set(below(name, typer.main.get_command(app)))
        assert there == {each for each in named if each.startswith(f"{name} ")}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "command",
    [
        ["pulse", "search", "p.png", "-o", "o"],
        ["pulse.run"],
        ["stylegan", "info", "g.safetensors"],
        ["stylegan.portraits", "-o", "o"],
        ["cuda_ops"],
    ],
    ids=lambda c: c[0] if isinstance(c, list) else None,
)
def test_a_signal_while_torch_is_imported(command: list[str], number: int, inputs: Path) -> None:
    # In place of torch: what tells how threads wait, then sends the signal.
    (inputs / "first" / "torch").mkdir(parents=True)
    (inputs / "first" / "torch" / "__init__.py").write_text(
        "import os, time\nprint(os.environ.get('OMP_WAIT_POLICY'), flush=True)\n"
        f"os.kill(os.getpid(), {int(number)})\ntime.sleep(20)\n"
    )
    waiting = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
    environment = {name: value for name, value in os.environ.items() if name not in waiting}
    environment["PYTHONPATH"] = os.pathsep.join([str(inputs / "first"), *filter(None, sys.path)])
    (inputs / "input").symlink_to("one")
    done = subprocess.run([sys.executable, "-m", *command], cwd=inputs, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (128 + number, "")
    # The operations alone leave threads as they are.
    assert done.stdout.strip() == ("None" if command == ["cuda_ops"] else "passive")


def test_nothing_heavy_is_imported_for_help_and_before_signals_are_handled() -> None:
    script = (
        "import sys, pulse.app.cli, pulse.app.run, stylegan.cli\n"
        "assert not {'torch', 'typer'} & set(sys.modules)\n"
        "assert pulse.app.cli.main(['--help']) == 0\n"
        "assert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_module_is_the_command() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "stylegan", "--version"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout.startswith("pulse")) == (0, True)


def test_the_documentation_has_the_table() -> None:
    assert table() in PAGE.read_text(encoding="utf-8")
