"""The address that the page is served on."""

from __future__ import annotations

import socket


def bound(host: str, port: int) -> socket.socket:
    """A socket bound to an address of this machine.

    Raises:
        ValueError: in one sentence, if the address cannot be used.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"The port is {port}; give a number from 0 to 65535.")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError as error:
        words = (error.strerror or "it cannot be used").lower()
        raise ValueError(f"The address {host}, port {port}: {words}; give another --host or --port.") from None
    return made


def url_of(bound_socket: socket.socket) -> str:
    """What a browser on this machine calls it."""
    host, port = bound_socket.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}/"
