"""What reading one checkpoint may cost: every limit, and the budget that the readers spend.

A file of 122 bytes can describe a tuple with 2**60 leaves, because each level names the level below twice. So limits
on lengths are not enough: code that walks through such a value never ends. The readers therefore keep four rules.

1. Every step of work is paid from one budget per file: an instruction of a pickle, an element that is moved into a
   list, tuple or dictionary, an element that is looked at later. The budget grows with the file and has a ceiling.
2. Nothing that a file built is hashed, compared, copied or printed before its type and its size are known. Keys of
   dictionaries are short texts or numbers; messages print numbers and texts, and name the type of anything else.
3. A shape is a claim. Its product, with zeros counted as ones, may not exceed the number of bytes in the file, so
   whatever follows from shapes alone stays small. A network is laid out without memory and compared with the tensors
   of the file, shape by shape, before one of them is read.
4. Each byte of the file is read into a tensor at most once.

The ceilings are far above what checkpoints need: the largest official file (three networks of 1024 px) takes 50,000
steps. To read something larger that you trust, raise them before loading:

    from stylegan.checkpoints.formats import budget
    budget.WORK = 10_000_000
"""

from typing import NoReturn

from stylegan.checkpoints.errors import CheckpointError

# Steps of work; a step takes about a microsecond and at most some 130 bytes.
WORK = 300_000
# Steps that any file may take, and further steps for each of its bytes.
_LEAST_WORK, _WORK_PER_BYTE = 10_000, 4
# Characters of text that are kept, each up to four bytes.
TEXT = 2_000_000
# Nesting of values, and of marks within a pickle.
DEPTH = 100
# Arguments of a call; the longest that a checkpoint has is torch's `_rebuild_tensor_v2` with seven.
ARGUMENTS = 10
# Bytes in the list of files of a zip archive; a thousand tensors take 100,000.
DIRECTORY = 1_000_000
# Bytes of a network that need not be in the file: noise maps and the average style, which are made up if they lack.
# Noise maps at 2048 px take 43 MB.
MADE_UP = 64_000_000
# Width of a layer, latent or label, and pixels of a side. No network comes near them, and raising them has no effect.
WIDTH = 65_536
RESOLUTION = 4096


class Budget:
    """The work and the text that are left to one file.

    Args:
        name: the file, as its messages show it.
        size: its bytes.
    """

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.work = min(WORK, _LEAST_WORK + _WORK_PER_BYTE * size)
        self.text = TEXT

    def spend(self, steps: int) -> None:
        """Pay for work before it is done; CheckpointError where too little is left."""
        self.work -= steps
        if self.work < 0:
            self.exceeded()

    def spend_text(self, length: int) -> None:
        """Pay for text that is kept."""
        self.text -= length
        if self.text < 0:
            self.exceeded("text")

    def exceeded(self, what: str = "work") -> NoReturn:
        """Raise the CheckpointError for a file that asks for too much."""
        raise CheckpointError(
            f"{self.name} asks for more {what} than a checkpoint of its size needs, so it was not loaded; fetch it"
            " again, or see the limits in SECURITY.md if you trust it."
        )
