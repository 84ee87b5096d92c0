"""A run, on the smallest task there is: it resumes exactly, keeps snapshots, ends when told to, and loses nothing."""

import errno
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from stylegan.common.files import DiskFullError, write_tensors
from stylegan.training import state
from stylegan.training.options import Schedule
from stylegan.training.run import train

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Options:
    seed: int = 0
    batch_size: int = 4
    learning_rate: float = 0.1


class Walk:
    """A task that follows random directions; `pause` is slept in each step, by the C library."""

    name = "walk"

    def __init__(self, options: Options | None = None, pause: float = 0.0) -> None:
        self.options = options or Options()
        self.pause = pause
        self.place = nn.Linear(3, 2)
        with torch.no_grad():
            for parameter in self.place.parameters():
                parameter.zero_()
        self.modules: dict[str, nn.Module] = {"place": self.place}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "place": torch.optim.Adam(self.place.parameters(), self.options.learning_rate)
        }

    def step(self, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        loss = (self.place.weight * torch.randn(2, 3, generator=rng)).sum()
        self.optimizers["place"].zero_grad()
        loss.backward()
        self.optimizers["place"].step()
        time.sleep(self.pause)
        return {"loss": loss}

    def pictures(self) -> dict[str, Tensor]:
        pixels = (self.place.weight.detach() * 50 + 128).clamp(0, 255).to(torch.uint8)
        return {"places": pixels.view(1, 1, 2, 3).expand(2, 3, 2, 3)}

    def measure(self, count: int) -> dict[str, float]:
        return {"norm": round(float(self.place.weight.detach().norm()) * count, 5)}

    def export(self, path: Path) -> None:
        write_tensors(path, self.place.state_dict(), {})


SCHEDULE = Schedule(0.08, log_steps=2, grid_kimg=0.02, metric_kimg=0.024, metric_pictures=2, snapshot_kimg=0.04)


def _files(folder: Path) -> dict[str, object]:
    """What a run has left, by name: weights, log without times, and pictures."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.name == "log.jsonl":
            found[name] = [re.sub(r'"seconds": [^,]*, ', "", line) for line in path.read_text().splitlines()]
        elif path.suffix == ".pt":
            kept = torch.load(path, weights_only=True)
            found[name] = (kept["step"], {k: v.tolist() for k, v in kept["modules"]["place"].items()})
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def test_a_run_in_parts_is_the_whole_run(tmp_path: Path) -> None:
    train(Walk(), tmp_path / "whole", SCHEDULE)
    for kimg in (0.028, 0.04, 0.08, 0.08):
        train(Walk(), tmp_path / "parts", replace(SCHEDULE, kimg=kimg))
    whole, parts = _files(tmp_path / "whole"), _files(tmp_path / "parts")
    # Where a call ended a snapshot is kept too.
    assert set(parts) - set(whole) == {
        f"snapshots/{n}-000000.028kimg.{e}" for n, e in (("walk", "safetensors"), ("state", "pt"))
    }
    assert whole == {name: parts[name] for name in whole}
    assert {"walk.safetensors", "state.pt", "places.png", "places_000005.png", "places_000020.png"} <= set(whole)
    steps = [json.loads(line)["step"] for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert steps == sorted([*range(2, 21, 2), 6, 12, 18])


_KILLED = """
import os, random, signal, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from dataclasses import replace
from stylegan.training.run import train
from tests.stylegan.training.test_run import SCHEDULE, Walk
folder, chance = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
schedule = replace(SCHEDULE, kimg=0.4, save_minutes=0.0)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
for _ in range(10):
    child = os.fork()
    if child == 0:
        train(Walk(pause=0.001), folder, schedule)
        os._exit(0)
    time.sleep(chance.uniform(0.0, 0.15))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
train(Walk(), folder, schedule)
"""


def test_a_run_killed_at_ten_random_moments_is_the_whole_run(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _KILLED, str(tmp_path / "killed"), str(random.randrange(1 << 30))]
    subprocess.run(command, cwd=ROOT, check=True, timeout=100)
    train(Walk(), tmp_path / "whole", replace(SCHEDULE, kimg=0.4, save_minutes=0.0))
    assert _files(tmp_path / "killed") == _files(tmp_path / "whole")


def test_a_new_run_goes_on_from_a_snapshot(tmp_path: Path) -> None:
    train(Walk(), tmp_path / "first", SCHEDULE)
    snapshot = tmp_path / "first" / "snapshots" / "walk-000000.040kimg.safetensors"
    assert state.snapshots(tmp_path / "first", "walk")[0.04] == snapshot
    assert list(state.snapshots(tmp_path / "first", "walk")) == [0.04, 0.08]
    before = _files(tmp_path / "first")
    train(Walk(), tmp_path / "second", SCHEDULE, begin_with=state.state_beside(snapshot))
    first, second = _files(tmp_path / "first"), _files(tmp_path / "second")
    assert first == before
    assert second["state.pt"] == first["state.pt"]
    assert "places_000005.png" not in second
    # Another learning rate is meant to act, though the state holds the old one.
    train(Walk(Options(learning_rate=0.01)), tmp_path / "third", SCHEDULE, begin_with=state.state_beside(snapshot))
    assert _files(tmp_path / "third")["state.pt"] != first["state.pt"]
    kept = torch.load(tmp_path / "third" / "state.pt", weights_only=True)
    assert kept["optimizers"]["place"]["param_groups"][0]["lr"] == 0.01


def test_what_is_no_state_is_said(tmp_path: Path) -> None:
    train(Walk(), tmp_path, SCHEDULE)
    with pytest.raises(ValueError, match="batch_size=4, not 8"):
        train(Walk(Options(batch_size=8)), tmp_path, SCHEDULE)
    with pytest.raises(ValueError, match=r"no state .* to continue from"):
        state.state_beside(tmp_path / "snapshots" / "walk-000099.000kimg.safetensors")
    assert state.state_beside(tmp_path) == tmp_path / "state.pt"
    other = Walk()
    other.modules["more"] = nn.Linear(1, 1)
    with pytest.raises(ValueError, match="other networks"):
        train(other, tmp_path, SCHEDULE)
    whole = (tmp_path / "state.pt").read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"\x80\x02cos\nsystem\n."):
        (tmp_path / "state.pt").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"state\.pt cannot be read"):
            train(Walk(), tmp_path, SCHEDULE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_run_after_a_step_saved(number: signal.Signals, tmp_path: Path) -> None:
    def strike() -> None:
        while not (tmp_path / "log.jsonl").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    thread = threading.Thread(target=strike)
    thread.start()
    ended = train(Walk(pause=0.01), tmp_path, replace(SCHEDULE, kimg=1000, log_steps=1))
    thread.join()
    assert ended.signal == number
    assert signal.getsignal(number) == before
    assert 0 < torch.load(tmp_path / "state.pt", weights_only=True)["step"] == ended.step < 1000
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) >= ended.step


def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGHUP)).start()
        ended = train(Walk(pause=0.01), tmp_path, SCHEDULE)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert ended.signal is None
    assert ended.step == 20


_LONG_STEP = """
import os, sys
from pathlib import Path
import torch
from stylegan.training.run import train
from tests.stylegan.training.test_run import SCHEDULE, Walk
class Blocked(Walk):
    def step(self, step, rng):
        print("begun", flush=True)
        os.read(int(sys.argv[2]), 1)
train(Blocked(), Path(sys.argv[1]), SCHEDULE)
"""


def test_a_second_signal_ends_a_run_at_once(tmp_path: Path) -> None:
    end, _ = os.pipe()
    command = [sys.executable, "-c", _LONG_STEP, str(tmp_path), str(end)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=[end], text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        assert "again ends it at once" in process.stderr.readline()
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == -signal.SIGINT


def test_a_full_disk_is_said_before_and_loses_nothing_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda folder: usage(50))
        with pytest.raises(
            DiskFullError, match=r"^The saves of the run take 0\.3 kB and the disk of .* has 0\.1 kB left"
        ):
            train(Walk(), tmp_path, SCHEDULE)
    assert list(tmp_path.iterdir()) == []
    train(Walk(), tmp_path, replace(SCHEDULE, kimg=0.04))
    before = _files(tmp_path)

    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(DiskFullError, match=r"^.*state\.pt cannot be written because the disk is full"):
            train(Walk(), tmp_path, SCHEDULE)
    with monkeypatch.context() as patch:
        patch.setattr(Walk, "pictures", lambda self: full(tmp_path, b""))
        with pytest.raises(DiskFullError, match=r"^The disk is full; .* keeps the last save"):
            train(Walk(), tmp_path, SCHEDULE)
    train(Walk(), tmp_path, replace(SCHEDULE, kimg=0.04))
    assert _files(tmp_path) == before


def test_two_processes_do_not_train_in_one_folder(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(ValueError, match="Another process trains in"):
        train(Walk(), tmp_path, SCHEDULE)
    os.close(handle)
    (tmp_path / ".abc.part").write_text("of a process that was killed")
    train(Walk(), tmp_path, SCHEDULE)
    assert not (tmp_path / ".abc.part").exists()


def test_the_time_that_is_left_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(Walk(pause=0.02), tmp_path, replace(SCHEDULE, kimg=0.04))
    lines = [line for line in capsys.readouterr().out.splitlines() if "left" in line]
    assert len(lines) == 5
    match = re.fullmatch(r" +0\.008 kimg  (\S+) s/kimg  (\d+) s left  loss .*", lines[0])
    assert match is not None
    # At 5 ms for a picture.
    assert 4.5 < float(match[1]) < 50
    assert int(match[2]) == round(float(match[1]) * 0.032)
    train(Walk(pause=0.02), tmp_path, replace(SCHEDULE, kimg=1000, minutes=0.005))
    assert " 0 s left" in capsys.readouterr().out.splitlines()[-1]


def test_the_last_picture_grids_and_lines_are_those_of_the_last_save(tmp_path: Path) -> None:
    train(Walk(), tmp_path, replace(SCHEDULE, kimg=0.04))
    saved = (tmp_path / "state.pt").read_bytes()
    before = _files(tmp_path)
    train(Walk(), tmp_path, SCHEDULE)
    (tmp_path / "state.pt").write_bytes(saved)
    train(Walk(), tmp_path, replace(SCHEDULE, kimg=0.04))
    later = {name for name in _files(tmp_path) if "000000.080kimg" in name}
    assert len(later) == 2
    assert {name: value for name, value in _files(tmp_path).items() if name not in later} == before
