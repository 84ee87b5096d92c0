"""Files that were made to harm: each ends in one sentence, runs nothing, and takes no memory to speak of.

All of them are read in one process of its own, under an audit hook that notes whatever Python does beyond computing.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import stylegan
from stylegan import CheckpointError
from tests.stylegan.checkpoints.hostile_files import (
    DATA,
    EMPTY_NETWORK,
    MEGABYTE,
    calling,
    corpus,
    described,
    network,
    tensor,
    text,
)

_READ_ALL = """
import encodings.cp437, json, re, sys
from pathlib import Path
import stylegan

folder = Path(sys.argv[1])
status, noted = Path("/proc/self/status"), []

def grown():
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", status.read_text())[1]) if status.exists() else 0

def hook(event, arguments):
    writes = event == "open" and not set(str(arguments[1] or "r")) <= set("rbt")
    if writes or event.split(".")[0] in ("os", "subprocess", "socket", "shutil", "pickle", "exec", "compile", "ctypes"):
        if event not in ("os.listdir", "os.scandir"):
            noted.append(event)
    if event == "import":
        noted.append("import " + str(arguments[0]))

for sample in ("nvidia_ada_64.pkl", "rosinality_64.pt", "stylegan2_tf_64.pkl"):
    stylegan.load(Path(sys.argv[2]) / sample)
for path in sorted(folder.glob("good/*")):
    try:
        stylegan.load(path)
    except stylegan.CheckpointError:
        pass
sys.addaudithook(hook)
for path in sorted(folder.glob("*.file")):
    if status.exists():
        Path("/proc/self/clear_refs").write_text("5")
    noted.clear()
    before, outcome = grown(), "loaded"
    try:
        stylegan.load(path)
    except BaseException as error:
        outcome = type(error).__name__ + ": " + str(error)
    print(json.dumps([path.stem, outcome, list(noted), grown() - before]), flush=True)
"""

Outcomes = dict[str, tuple[str, list[str], int, int]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def outcomes(folder: Path) -> Outcomes:
    """By name: how the loading ended, what else Python did, how far the memory grew, and the file's size."""
    files = corpus(folder)
    names = sorted(files)
    for i, name in enumerate(names):
        (folder / f"{i:03d}.file").write_bytes(files[name])
    (folder / "good").mkdir()
    (folder / "good" / "x.safetensors").write_bytes(described({}))
    (folder / "good" / "x.txt").write_bytes(b"hello")
    run = subprocess.run(
        [sys.executable, "-c", _READ_ALL, str(folder), str(DATA)],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        cwd=folder,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    return {names[int(i)]: (outcome, noted, grown, len(files[names[int(i)]])) for i, outcome, noted, grown in rows}


def test_every_file_ends_in_one_sentence(outcomes: Outcomes) -> None:
    assert len(outcomes) >= 140
    for name, (outcome, _, _, _) in outcomes.items():
        kind, _, sentence = outcome.partition(": ")
        assert kind == "CheckpointError", (name, outcome)
        assert sentence.endswith("."), (name, outcome)
        assert sentence.isprintable(), (name, outcome)
        assert len(sentence) < 600, (name, outcome)


def test_no_file_makes_python_do_anything(outcomes: Outcomes, folder: Path) -> None:
    assert {name: noted for name, (_, noted, _, _) in outcomes.items() if noted} == {}
    assert not list(folder.rglob("canary"))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's record of a process's memory")
def test_no_file_takes_memory(outcomes: Outcomes) -> None:
    bound = 40 * MEGABYTE
    assert {name: grown for name, (_, _, grown, size) in outcomes.items() if grown > 2 * size + bound} == {}


@pytest.mark.parametrize(
    ("file", "called"),
    [
        ("call os.system", "os.system"),
        ("call builtins.eval", "builtins.eval"),
        ("call torch.load", "torch.load"),
        ("call numpy.load", "numpy.load"),
        ("protocol 0", "os.system"),
        ("INST", "os.system"),
        ("NEWOBJ", "subprocess.Popen"),
        ("storage that is a pickle that calls", "os.system"),
        ("archive that calls", "os.system"),
        ("dtype of objects", "numpy.dtype('O8')"),
    ],
)
def test_what_a_file_wants_to_call_is_named(file: str, called: str, outcomes: Outcomes) -> None:
    assert f"wants to call `{called}`" in outcomes[file][0]


def test_what_nobody_asked_for_is_looked_through_too(tmp_path: Path) -> None:
    good = (DATA / "nvidia_ada_64.pkl").read_bytes()
    for i, hidden in enumerate((calling("os", "system"), network(**EMPTY_NETWORK | {"_parameters": _SMUGGLED}))):
        assert good.endswith(b"u.")
        path = tmp_path / f"{i}.pkl"
        path.write_bytes(good[:-1] + text("more") + hidden + b"s.")
        with pytest.raises(CheckpointError, match=r"wants to call `os\.system`"):
            stylegan.load(path)


_SMUGGLED = tensor(b"\x80\x02" + calling("os", "system") + b"." + bytes(64), b"K\x04", b"K\x01")
