"""Loads structured files one after another in a supervised process; for `fuzz_checkpoints --structured`.

Each input may take 2 CPU seconds, and as much memory as 4 times the file's size, 64 MB and the network together. It
must end in a network that can be called, or in a CheckpointError of one printable sentence. A process that hangs or
dies is replaced, and its input reported.
"""

import ctypes
import multiprocessing
import random
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

import stylegan
from benchmarks import structured_files, structured_trees
from stylegan import Discriminator
from stylegan.checkpoints.loading import SENSELESS, Which
from stylegan.networks.stylegan2 import Generator
from tests.stylegan.checkpoints.nvidia_writer import write_nvidia

SAMPLES = Path(__file__).parents[1] / "tests" / "data"
SECONDS = 2.0
MEGABYTES = 64
_WHICH: tuple[Which, ...] = ("G_ema", "G", "D")
# Wall-clock seconds: a busy machine may be ten times slower, but a longer wait means that the reader hangs.
_PATIENCE = 60.0
_ADDRESSES = 8 << 30

Write = Callable[[random.Random], bytes]


def writers(folder: Path) -> list[Write]:
    """The functions that compose a file of each kind."""
    options: dict[str, Any] = {"channel_base": 64, "channel_max": 8}
    torch.manual_seed(0)
    plain, labelled = Generator(8, 0, 8, 16, synthesis_kwargs=options), Generator(8, 3, 8, 8, synthesis_kwargs=options)
    judge = Discriminator(0, 16, **options)
    write_nvidia(folder / "ada", {"G": plain, "D": judge, "G_ema": plain})
    write_nvidia(folder / "labelled", {"G_ema": labelled}, "stylegan3")
    for name, network in (("plain", plain), ("judge", judge)):
        stylegan.save(network, folder / name)
    found: list[Write] = [
        structured_files.Pickled(structured_trees.settle(structured_trees.parse(path.read_bytes()))).write
        for path in (folder / "ada", folder / "ada", folder / "labelled", SAMPLES / "stylegan2_tf_64.pkl")
    ]
    for name in ("rosinality_64.pt", "pulse_synthesis_128.pt"):
        found.append(structured_files.zipped((SAMPLES / name).read_bytes()).write)
    found += [structured_files.described((folder / name).read_bytes()).write for name in ("plain", "judge")]
    return [*found, structured_files.alone]


def content(number: int, makers: list[Write]) -> tuple[bytes, Which]:
    """Input number `number`, which depends on nothing else, and the network that is asked for."""
    draw = random.Random(number)
    return draw.choice(makers)(draw), draw.choice(_WHICH)


def fuzz(count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Loads `count` structured files; returns how often each outcome came, and a sentence for each fault."""
    outcomes: Counter[str] = Counter()
    faults: list[str] = []
    context = multiprocessing.get_context("spawn")
    number = seed
    while number < seed + count:
        ours, theirs = context.Pipe()
        worker = context.Process(target=_work, args=(theirs, number, seed + count), daemon=True)
        worker.start()
        theirs.close()
        started = False
        try:
            while number < seed + count:
                # The first message says that the worker has begun.
                if not ours.poll(_PATIENCE if started else 10 * _PATIENCE):
                    faults.append(f"Input {number} hung.")
                    break
                outcome = ours.recv()
                if outcome is None:
                    started = True
                    continue
                outcomes["fault" if outcome.startswith("Input") else outcome] += 1
                if outcome.startswith("Input"):
                    faults.append(outcome)
                number += 1
            else:
                break
        except EOFError:
            faults.append(f"Input {number} ended its process.")
        finally:
            worker.kill()
            worker.join()
        if not started:
            raise RuntimeError("The process that loads the files could not start.")
        outcomes["fault"] += 1
        number += 1
    return outcomes, faults


def _work(results: Connection, first: int, end: int) -> None:
    torch.set_num_threads(1)
    base = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=base) as folder:
        makers = writers(Path(folder))
        path = Path(folder) / "input"
        for name in ("ada", "plain"):
            _call(stylegan.load(Path(folder) / name))
        if sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, resource.RLIM_INFINITY))
        results.send(None)
        for number in range(first, end):
            data, which = content(number, makers)
            path.write_bytes(data)
            results.send(outcome(number, path, which))


def outcome(number: int, path: Path, which: Which) -> str:
    """ "loaded" or "refused", or a sentence that begins with "Input" about what went wrong."""
    before, begun = _memory(reset=True), time.process_time()
    network, error = None, None
    try:
        network = stylegan.load(path, which)
    except stylegan.CheckpointError as refusal:
        error = str(refusal)
    except Exception as raised:
        return f"Input {number} ended in {type(raised).__name__}: {str(raised)[:200]}"
    seconds, grown = time.process_time() - begun, _memory() - before
    allowed = 4 * path.stat().st_size + MEGABYTES * 1_000_000
    if network is not None:
        allowed += sum(4 * tensor.numel() for tensor in network.state_dict().values())
    if seconds > SECONDS:
        return f"Input {number} took {seconds:.1f} s."
    if grown > allowed:
        return f"Input {number} took {grown / 1e6:.0f} MB where {allowed / 1e6:.0f} are allowed."
    if error is not None:
        told = error.isprintable() and len(error) < 700 and error.endswith(".") and SENSELESS not in error
        return "refused" if told else f"Input {number} was refused by {error[:300]!r}."
    try:
        _call(network)
    except Exception as raised:
        return f"Input {number} loaded, but cannot be called: {type(raised).__name__}: {str(raised)[:200]}"
    return "loaded"


@torch.no_grad()
def _call(network: Any) -> None:
    if isinstance(network, Discriminator):
        size = network.img_resolution
        network(torch.zeros(1, network.img_channels, size, size), torch.zeros(1, network.c_dim))
    elif network.mapping.num_layers:
        network(torch.zeros(1, network.z_dim), torch.zeros(1, network.c_dim))
    else:
        network.synthesis(torch.zeros(1, network.num_ws, network.w_dim))


def _memory(reset: bool = False) -> int:
    """The peak resident size of this process in bytes, since now with `reset`; 0 where it is unknown."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    if reset:
        # Memory that the allocator kept from earlier inputs would hide what this one takes.
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    found = re.search(r"VmHWM:\s*(\d+)", status.read_text())
    return 1024 * int(found[1]) if found else 0
