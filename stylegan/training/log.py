"""The log of a run: lines of JSON, and curves for TensorBoard if it is installed."""

import json
import os
from pathlib import Path
from typing import Any

from stylegan.common.distribution import missing


class Log:
    """`log.jsonl` in a run's folder, one JSON object a line, and beside it `tensorboard/`.

    Args:
        folder: of the run.
        tensorboard: write curves for TensorBoard too.

    Raises:
        ValueError: if TensorBoard is asked for and not installed.
    """

    def __init__(self, folder: Path, tensorboard: bool = False) -> None:
        self._path = folder / "log.jsonl"
        self._curves_folder = folder / "tensorboard"
        self._curves: Any = None
        self._writer: Any = None
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise ValueError(missing("train", "TensorBoard")) from None
            self._writer = SummaryWriter

    def begin(self, length: int, step: int) -> None:
        """Deletes log lines and curves newer than the state that the run continues from.

        Args:
            length: bytes of `log.jsonl` that are kept.
            step: curves are kept up to the step before this one.
        """
        if self._path.exists():
            os.truncate(self._path, min(length, self._path.stat().st_size))
        if self._writer is not None:
            self._curves = self._writer(str(self._curves_folder), purge_step=step)

    def __len__(self) -> int:
        """Bytes in `log.jsonl`."""
        return self._path.stat().st_size if self._path.exists() else 0

    def write(self, line: dict[str, float], step: int) -> None:
        """Appends a line, and a point to each curve."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if self._curves is not None:
            for name, value in line.items():
                if name not in ("kimg", "step"):
                    self._curves.add_scalar(name, value, step)
            self._curves.flush()

    def close(self) -> None:
        """Ends the thread that writes the curves."""
        if self._curves is not None:
            self._curves.close()


def duration(seconds: float) -> str:
    """A length of time in words: "45 s", "12 min", "3 h 20 min", "4 d 6 h".

    >>> duration(12_000)
    '3 h 20 min'
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"
