"""What the table of commands says of one command; commands_table.py has the rows."""

from dataclasses import dataclass, field
from typing import Any

NOTHING = "writes nothing"
# What a command does about results that are there. A file of somebody else is refused by each of them.
EXISTING = {
    "answered": "the same request: left as done, or made anew; another request: refused, `{}` replaces it",
    "refused": "refused; `{}` replaces it",
    "kept": "kept as it is",
    "continued": "the run in the folder is continued",
}


@dataclass(frozen=True)
class Command:
    """A row of the table.

    name: as a user types it.
    module, arguments: what runs; every path is relative to a folder with the inputs (`inputs`). "{url}" is the address
        of a server, "{upscaler}" a file with an upscaler's weights.
    writes: the file that it makes; None for commands that write none.
    existing: what it does where that file is there, one of EXISTING.
    other: further arguments that ask for something else.
    full: words on a full disk.
    ended: words on what Ctrl-C and SIGTERM leave.
    keeps: a file that is there after them.
    bad: (arguments, words) with an input that cannot be used.
    nowhere: arguments with an output that cannot be written; `file` is a file, so nothing can be made in it.
    long: arguments that make it run until it is told to end.
    signalled: when it is told to: ("opens", file), ("calls", [function, n]) or ("after", seconds).
    environment: more variables.
    fails: the exit code for a full disk, and for an output that cannot be written.
    """

    name: str
    module: str
    arguments: list[str]
    writes: str | None = None
    existing: str = ""
    other: list[str] = field(default_factory=list)
    full: str = "exit 2, one sentence, nothing half written"
    ended: str = "nothing is written"
    keeps: str = ""
    bad: tuple[list[str], str] | None = None
    nowhere: list[str] | None = None
    long: list[str] = field(default_factory=list)
    signalled: tuple[str, Any] = ("after", 0.6)
    environment: dict[str, str] = field(default_factory=dict)
    fails: int = 2

    @property
    def overwrite(self) -> str:
        return "-overwrite" if self.module == "pulse.app.run" else "--overwrite"
