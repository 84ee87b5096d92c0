"""What is built of the operations, for what, and if not, why not and how to mend it.

    python -m cuda_ops            load the libraries, building what is missing, and print a table
    python -m cuda_ops --build    also try again what has failed

The exit code is 0 if everything that this machine can run natively does, else 1; 128 + n where signal n ended it.
"""

import argparse
import signal
import sys
from types import FrameType
from typing import NoReturn

import torch

from cuda_ops import build, toolchain
from cuda_ops.before_torch import SIGNALS
from cuda_ops.cache import cache_folder

OPERATIONS = ("bias_act", "upfirdn2d", "modulated_conv2d", "adain", "downsample_l2")


def main() -> int:
    """Print the table; returns the exit code."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    parser = argparse.ArgumentParser(prog="python -m cuda_ops", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--build", action="store_true", help="try again what has failed before")
    arguments = parser.parse_args()
    parts = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    whys: dict[str, str | None] = {}
    for part in parts:
        try:
            if arguments.build:
                build.find(part, retry=True)
            whys[part] = build.load(part)
        except toolchain.BuildError as error:
            whys[part] = str(error).rstrip(".")
    print(f"torch {torch.__version__}, compiler {toolchain.compiler_name()}, PULSE_OPS={build.mode()}")
    print(f"cache {cache_folder() / 'cuda_ops'}")
    print(f"{'operation':18s} {'cpu':10s} cuda")
    for operation in OPERATIONS:
        states = ["native" if whys[p] is None else "reference" for p in parts]
        print(f"{operation:18s} {states[0]:10s} {states[1] if len(states) > 1 else 'no GPU'}")
    for part, why in whys.items():
        if why is not None:
            print(f"\n{part}: {why}.\nTo mend it: {_remedy(why)}, then run `python -m cuda_ops --build`.")
    return int(any(why is not None for why in whys.values()))


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    # An exception, so that a build that is running is ended, and its folder removed.
    raise SystemExit(128 + number)


def _remedy(why: str) -> str:
    if "no C++ compiler" in why:
        return "install g++ or clang++ (Debian: `apt install g++`), or set CXX to one"
    if "no ninja" in why:
        return "`pip install ninja`"
    if "no nvcc" in why:
        return "install the CUDA toolkit of torch's CUDA version, or set CUDA_HOME to it"
    if "PULSE_CACHE" in why:
        return "set PULSE_CACHE as said"
    return "look into the log for the compiler's first error; a compiler of another version may be the simplest way out"


if __name__ == "__main__":
    sys.exit(main())
