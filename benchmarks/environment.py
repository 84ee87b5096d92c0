"""The machine and versions of a measurement."""

import os
import platform
from pathlib import Path

import torch


def describe() -> str:
    """One line: processor, cores, torch and its threads, Python."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return (
        f"{model}, {os.cpu_count()} cores, {device}; torch {torch.__version__} with {torch.get_num_threads()} threads,"
        f" Python {platform.python_version()}"
    )
