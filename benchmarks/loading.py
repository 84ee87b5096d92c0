"""Memory and time of loading a 1024 px StyleGAN2 in NVIDIA's format, beside torch.load of the same tensors.

    python -m benchmarks.loading

Every measurement runs in its own process. The memory is the growth of the peak resident size (Linux only).
"""

import argparse
import copy
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.environment import describe
from stylegan import Discriminator
from stylegan.networks.stylegan2 import Generator
from tests.stylegan.checkpoints.nvidia_writer import write_nvidia

_MEASURE = """
import re, sys, time
from pathlib import Path
import torch
import stylegan
from stylegan.networks.stylegan2 import Generator
torch.zeros(10).sum()
path, what = Path(sys.argv[1]), sys.argv[2]
peak = lambda: int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
# Loaded first, so that what every load needs (imports) is not counted.
stylegan.load(sys.argv[3])
before, begun = peak(), time.process_time()
held = stylegan.load(path) if what == "stylegan.load" else torch.load(path, weights_only=True)
print(time.process_time() - begun, 1024 * (peak() - before))
"""


def measure(path: Path, what: str, small: Path) -> tuple[float, float]:
    """CPU seconds and bytes of one load; `what` is "stylegan.load" or "torch.load"."""
    command = [sys.executable, "-c", _MEASURE, str(path), what, str(small)]
    seconds, grown = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(grown)


def write_files(folder: Path, resolution: int = 1024) -> dict[str, Path]:
    """Writes a pickle of a whole training state, one of the averaged generator alone, and its tensors by torch.save."""
    torch.manual_seed(0)
    options: dict[str, Any] = {"num_fp16_res": 4, "conv_clamp": 256}
    generator = Generator(512, 0, 512, resolution, synthesis_kwargs=options).eval().requires_grad_(False)
    discriminator = Discriminator(0, resolution, **options)
    files = {name: folder / name for name in ("small.pkl", "whole.pkl", "alone.pkl", "tensors.pt")}
    write_nvidia(files["small.pkl"], {"G_ema": Generator(8, 0, 8, 16, synthesis_kwargs={"channel_base": 64})})
    write_nvidia(files["whole.pkl"], {"G": copy.deepcopy(generator), "D": discriminator, "G_ema": generator})
    write_nvidia(files["alone.pkl"], {"G_ema": generator})
    torch.save(dict(generator.state_dict()), files["tensors.pt"])
    return files


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        files = write_files(Path(folder), arguments.resolution)
        cases = [("tensors.pt", "torch.load"), ("alone.pkl", "stylegan.load"), ("whole.pkl", "stylegan.load")]
        rows: dict[str, list[tuple[float, float]]] = {name: [] for name, _ in cases}
        for _ in range(arguments.repeats):
            for name, what in cases:
                rows[name].append(measure(files[name], what, files["small.pkl"]))
        base = median(seconds for seconds, _ in rows["tensors.pt"])
        print(
            f"{'file':12s} {'read by':14s} {'MB':>6s} {'ms':>6s} {'of torch.load':>14s} {'peak MB':>8s} {'of file':>8s}"
        )
        for name, what in cases:
            size = files[name].stat().st_size
            seconds, grown = (median(values) for values in zip(*rows[name], strict=True))
            print(
                f"{name:12s} {what:14s} {size / 1e6:6.0f} {seconds * 1e3:6.0f} {seconds / base:14.2f}"
                f" {grown / 1e6:8.0f} {grown / size:8.2f}"
            )


if __name__ == "__main__":
    main()
