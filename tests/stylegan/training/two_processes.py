"""Two processes that train one network, as torchrun starts them."""

import os
import socket
import subprocess
import sys
from pathlib import Path


def run_in_two(code: str, *arguments: str) -> None:
    """Runs Python code in two processes of one group and asserts that both end well."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    root = Path(__file__).parents[3]
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            cwd=root,
            env=environment | {"RANK": str(i)},
            stdout=subprocess.DEVNULL,
        )
        for i in range(2)
    ]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
