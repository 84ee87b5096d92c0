"""Pictures of a run while it learns, kept for a film: rows of bytes, each at a place that follows from its number."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


class Reel:
    """A file of equal rows (n, 3, R, R) of uint8, one after the other.

    A run that was killed and repeats some steps writes the same rows to the same places, so nothing has to be undone.

    Args:
        path: the file; made with its folder at the first row.
        shape: of a row.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.path, self.shape = path, shape
        self._bytes = int(np.prod(shape))

    def put(self, number: int, row: Tensor) -> None:
        """Writes row `number`; rows that were left out before it read as zeros."""
        self.path.parent.mkdir(exist_ok=True)
        with self.path.open("r+b" if self.path.exists() else "xb") as file:
            file.seek(number * self._bytes)
            file.write(row.contiguous().numpy().tobytes())

    def __len__(self) -> int:
        """How many whole rows there are."""
        return self.path.stat().st_size // self._bytes if self.path.exists() else 0

    def rows(self) -> Iterator[Tensor]:
        """The rows, from the first that was written. A run that went on from a snapshot has none before that."""
        begun = False
        for number in range(len(self)):
            with self.path.open("rb") as file:
                file.seek(number * self._bytes)
                row = torch.frombuffer(bytearray(file.read(self._bytes)), dtype=torch.uint8).view(self.shape)
            begun = begun or bool(row.any())
            if begun:
                yield row
