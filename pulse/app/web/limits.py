"""What one visitor, and all of them together, may take of the machine that serves the page."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """The limits of a page.

    Attributes:
        jobs: pictures that are answered at once; the others wait.
        waiting: how many may wait; who comes then is told to come back later.
        seconds: that one job may work; then its best so far is the answer.
        file_bytes: of a picture that is uploaded. The page makes larger photographs smaller before it sends them.
        pixels: of a picture that is uploaded, once it is decoded.
        kept_bytes: of all answers that are remembered, for all visitors; the oldest go first.
        kept: answers that are remembered for one visitor.
        samples: faces, as different as they can be, that one job may ask for.
        side: pixels along a side of the largest picture that is answered.
    """

    jobs: int = 1
    waiting: int = 16
    seconds: float = 120
    file_bytes: int = 4 * MIB
    pixels: int = 1 << 24
    kept_bytes: int = 256 * MIB
    kept: int = 24
    samples: int = 9
    side: int = 64

    def __post_init__(self) -> None:
        for name in ("jobs", "waiting"):
            if getattr(self, name) < 1:
                raise ValueError(f"The number of {name} is {getattr(self, name)}; give one or more.")
        if not self.seconds > 0:
            raise ValueError(f"The time limit is {self.seconds:g} seconds; give more than 0.")

    @property
    def body_bytes(self) -> int:
        """Of one request: a picture in base64, and some words."""
        return self.file_bytes * 4 // 3 + MIB // 4
