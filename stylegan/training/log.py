"""What a run tells while it goes: a line of JSON now and then, and curves for TensorBoard where that is installed."""

import json
import os
import sys
from pathlib import Path
from typing import Any


class Log:
    """`log.jsonl` in a run's folder, one object a line, and beside it `tensorboard/`.

    Args:
        folder: of the run.
        tensorboard: write curves for TensorBoard too; one sentence says so where it is not installed.
    """

    def __init__(self, folder: Path, tensorboard: bool = False) -> None:
        self._path = folder / "log.jsonl"
        self._curves_folder = folder / "tensorboard"
        self._curves: Any = None
        self._wanted = tensorboard

    def begin(self, length: int, step: int) -> None:
        """Forget what was written after a save: lines past `length` bytes, and curves from `step` on."""
        if self._path.exists():
            os.truncate(self._path, min(length, self._path.stat().st_size))
        if not self._wanted:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            print('TensorBoard is off: it is not installed (pip install "pulse[train]").', file=sys.stderr)
            return
        self._curves = SummaryWriter(str(self._curves_folder), purge_step=step)

    def __len__(self) -> int:
        """Bytes in `log.jsonl`."""
        return self._path.stat().st_size if self._path.exists() else 0

    def write(self, line: dict[str, float], step: int) -> None:
        """Add a line; it is also printed."""
        text = json.dumps(line)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
        print(text, flush=True)
        if self._curves is not None:
            for name, value in line.items():
                if name not in ("kimg", "step"):
                    self._curves.add_scalar(name, value, step)
            self._curves.flush()
