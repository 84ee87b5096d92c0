"""A Ray cluster: connecting to one, or starting one of this machine's cores for a while."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from stylegan.common.console import printable
from stylegan.common.distribution import missing
from stylegan.common.processes import cores

# Seconds to wait for a cluster's head.
_PATIENCE = 10
# Bytes that Ray leaves of a socket's path for the folder of temporary files.
_LONGEST_FOLDER = 24
_HOST_AND_PORT = re.compile(r"(?P<host>[\w.-]+|\[[0-9a-fA-F:.]+\]):(?P<port>[0-9]{1,5})")
# What Ray reads when it is imported and started.
_SETTINGS = {
    # No report of its use goes to anybody.
    "RAY_USAGE_STATS_ENABLED": "0",
    # Without a number, a picture that takes more memory than there is would be tried for ever.
    "RAY_task_oom_retries": "2",
    # Messages about lost workers and machines are not printed; the command has its own sentences.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def is_address(text: str) -> bool:
    """Whether a text has the form of a cluster's address, or is "auto"."""
    return text == "auto" or _HOST_AND_PORT.fullmatch(text) is not None


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """The module `ray`, connected to a cluster while the block runs.

    Ray prints nothing, shows no dashboard, and sends no report of its use. Signals are handled as before.

    Args:
        address: "10.0.0.5:6379" of a cluster's head; "auto" for one of this machine's cores, which ends with the block.
            Where this process is connected to a cluster already, that one is used and stays.

    Raises:
        ValueError: Ray is not installed, the address is none, or no cluster answers.
    """
    if not is_address(address):
        raise ValueError(
            f"The address of the Ray cluster is {printable(address)!r}; give HOST:PORT of its head, as 10.0.0.5:6379, "
            "or auto."
        )
    before = {name: os.environ.get(name) for name in _SETTINGS}
    os.environ.update(_SETTINGS)
    try:
        try:
            import ray
        except ImportError:
            raise ValueError(missing("ray", "A search on many machines")) from None
        if ray.is_initialized():
            yield ray
            return
        folder = None
        if address == "auto":
            # Ray's own folder in /tmp is shared by all users. Its sockets need a path of at most 107 bytes.
            long = len(os.fsencode(tempfile.gettempdir())) > _LONGEST_FOLDER
            folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp" if long else None)
            where = {"address": "local", "num_cpus": cores(), "_temp_dir": folder, "_node_ip_address": "127.0.0.1"}
        else:
            _knock(address)
            where = {"address": address}
        try:
            _connect(ray, address, where)
            yield ray
        finally:
            with _signals_kept():
                ray.shutdown()
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def cores_of_machines(ray: Any) -> list[int]:
    """How many cores each machine of the cluster has for Ray."""
    return [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]


def _connect(ray: Any, address: str, where: dict[str, Any]) -> None:
    try:
        with _signals_kept():
            ray.init(
                **where,
                **({"include_dashboard": False} if address == "auto" else {}),
                log_to_driver=False,
                logging_level="CRITICAL",
            )
    except Exception as error:
        # It raises errors of many kinds, plain Exception among them.
        told = " ".join(str(error).split()).rstrip(".")
        raise ValueError(f"The Ray cluster {address} cannot be used: {printable(told, 400)}; see its logs.") from error


def _knock(address: str) -> None:
    """Raises ValueError if nothing listens at an address; Ray itself would try for a minute."""
    match = _HOST_AND_PORT.fullmatch(address)
    assert match is not None
    host, port = match["host"].strip("[]"), int(match["port"])
    try:
        socket.create_connection((host, port), _PATIENCE).close()
    except (OSError, OverflowError) as error:
        told = getattr(error, "strerror", None) or str(error)
        raise ValueError(
            f"No Ray cluster answers at {address}: {told}; start one there with ray start --head, or check the address."
        ) from None


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Puts the handlers back that Ray replaces."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            # Only the main thread may, and then nothing was replaced.
            with suppress(ValueError):
                signal.signal(number, handler)
