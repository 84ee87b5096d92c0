"""Loads damaged checkpoints and holds the loader to its promise: a network, or `CheckpointError` in one sentence.

    python -m benchmarks.fuzz_checkpoints --count 100000
    python -m benchmarks.fuzz_checkpoints --structured --count 50000

Every input is one of the sample files with a few bytes changed, cut, moved or swapped for others; half of the changes
are aimed at the parts that are not weights. With --structured, inputs are composed of valid parts instead, by
`structured_files`, and held to limits of time and memory. Ends with 1 and the seed of the input if anything else came
out.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch

import stylegan
from benchmarks import structured_fuzz
from benchmarks.environment import describe
from stylegan.checkpoints.loading import SENSELESS, Which

SAMPLES = Path(__file__).parents[1] / "tests" / "data"
FILES = ("nvidia_ada_64.pkl", "nvidia_sg3repo_64.pkl", "stylegan2_tf_64.pkl", "rosinality_64.pt")
PULSE = ("synthesis", "mapping", "gaussian_fit")
_WHICH: tuple[Which, ...] = ("G_ema", "G", "D")
_TELLING: tuple[bytes, ...] = (
    b"\x00" * 4,
    b"\xff" * 4,
    b"\xff\xff\xff\x7f",
    b"\x00" * 8,
    b"\xff" * 8,
    b"R",
    b"b",
    b".",
    b"}",
    b"]q\x00",
)
_TELLING += (b"cos\nsystem\n", b"\x8c\x02os\x8c\x06system\x93", b")R", b"\x81", b"Q", b"0", b"t", b"\x86", b"nan", b"-")
# Runs of bytes that hold a network's numbers look like noise; structure has text and zeros in it.
_WINDOW = 64


def samples() -> list[tuple[str, bytes]]:
    """The files that are damaged, by name, and a safetensors file of ours."""
    content = [(name, (SAMPLES / name).read_bytes()) for name in FILES]
    content += [(f"{name}.pt", (SAMPLES / f"{_golden(name)}.pt").read_bytes()) for name in PULSE]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.safetensors"
        stylegan.save(stylegan.load(SAMPLES / FILES[0]), path)
        return [*content, (path.name, path.read_bytes())]


def _golden(name: str) -> str:
    return "pulse_synthesis_128" if name == "synthesis" else f"pulse_{name}"


def structure(content: bytes) -> list[int]:
    """Positions of the windows that are not weights."""
    found = []
    for start in range(0, len(content), _WINDOW):
        window = content[start : start + _WINDOW]
        if sum(32 <= byte < 127 for byte in window) > 0.55 * len(window) or window.count(0) > 0.3 * len(window):
            found.append(start)
    return found or [0]


def mutate(content: bytes, places: list[int], draw: random.Random) -> bytes:
    """The content with one to four changes."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        if not data:
            break
        aimed = draw.random() < 0.8
        at = draw.choice(places) + draw.randrange(_WINDOW) if aimed else draw.randrange(len(data))
        at = min(at, len(data) - 1)
        length = draw.choice((1, 1, 2, 4, 8, 30, 200))
        kind = draw.randrange(8)
        if kind == 0:
            data[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            data[at] = draw.randrange(256)
        elif kind == 2:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = draw.randbytes(length)
        elif kind == 4:
            piece = draw.choice(_TELLING)
            data[at : at + (len(piece) if draw.random() < 0.7 else 0)] = piece
        elif kind == 5:
            other = draw.choice(places)
            data[at : at + length] = data[other : other + length]
        elif kind == 6:
            data[at:at] = data[at : at + length]
        else:
            del data[draw.choice((at, len(data) - length, len(data) // 2)) :]
    return bytes(data)


def fuzz(count: int, seed: int, slow: float = 5.0) -> Counter[str]:
    """Load `count` damaged files.

    Args:
        count: how many.
        seed: of the damages; input number i depends on seed + i alone.
        slow: seconds of computing after which an input counts as a failure.

    Returns:
        How often each outcome came: "loaded", "refused".

    Raises:
        AssertionError: with the number of the input, for any other outcome.
    """
    contents = [(name, content, structure(content)) for name, content in samples()]
    # The largest file, eight megabytes of weights, gets one input in thirty.
    weights = [0.2 if name == "mapping.pt" else 1.0 for name, _, _ in contents]
    outcomes: Counter[str] = Counter()
    base = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    folder = Path(tempfile.mkdtemp(dir=base))
    try:
        for name in PULSE:
            shutil.copyfile(SAMPLES / f"{_golden(name)}.pt", folder / f"{name}.pt")
        for number in range(seed, seed + count):
            draw = random.Random(number)
            name, content, places = draw.choices(contents, weights)[0]
            whole = name.removesuffix(".pt") in PULSE
            path = folder / name if whole else folder / "damaged"
            path.write_bytes(mutate(content, places, draw))
            # Of this process alone: how busy the machine is says nothing about the file.
            begun = time.process_time()
            outcomes[_outcome(folder if whole else path, draw.choice(_WHICH), number)] += 1
            if time.process_time() - begun > slow:
                raise AssertionError(f"Input {number} ({name}) took {time.process_time() - begun:.1f} s.")
            if whole:
                path.write_bytes(content)
    finally:
        shutil.rmtree(folder)
    return outcomes


def _outcome(path: Path, which: Which, number: int) -> str:
    try:
        stylegan.load(path, which)
    except stylegan.CheckpointError as error:
        if not str(error).isprintable() or len(str(error)) > 600:
            raise AssertionError(f"Input {number} was refused in more than a sentence: {error!r}") from error
        if SENSELESS in str(error):
            raise AssertionError(f"Input {number} was refused at the last door only: {error!r}") from error
        return "refused"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise AssertionError(f"Input {number} ended in {type(error).__name__}: {error}") from error
    return "loaded"


def main() -> int:
    """Print the outcomes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--structured", action="store_true", help="compose files of valid parts, with limits")
    parser.add_argument("--write", type=Path, help="write the structured file of this seed, and load nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(describe(), flush=True)
    if arguments.write is not None:
        with tempfile.TemporaryDirectory() as folder:
            data, which = structured_fuzz.content(arguments.seed, structured_fuzz.writers(Path(folder)))
        arguments.write.write_bytes(data)
        print(f"{arguments.write}: {len(data)} bytes, for {which}")
        return 0
    begun, outcomes = time.perf_counter(), Counter[str]()
    if arguments.structured:
        faults: list[str] = []
        for start in range(0, arguments.count, 5000):
            found = structured_fuzz.fuzz(min(5000, arguments.count - start), arguments.seed + start)
            outcomes, faults = outcomes + found[0], faults + found[1]
            print(*found[1], sep="\n", end="\n" if found[1] else "")
            print(f"{sum(outcomes.values())} inputs, {dict(outcomes)}, {time.perf_counter() - begun:.0f} s", flush=True)
        return 1 if faults else 0
    for start in range(0, arguments.count, 1000):
        outcomes += fuzz(min(1000, arguments.count - start), arguments.seed + start)
        if (start // 1000) % 10 == 9 or start + 1000 >= arguments.count:
            print(f"{sum(outcomes.values())} inputs, {dict(outcomes)}, {time.perf_counter() - begun:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
