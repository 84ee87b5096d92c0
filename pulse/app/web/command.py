"""The command `pulse app`."""

# No `from __future__ import annotations` here: typer reads the annotations.

import importlib.util
from typing import Annotated, Any

from stylegan.common import console
from stylegan.common.distribution import missing


def app_command(typer: Any) -> Any:
    """The function of `pulse app`, for a typer app."""
    option = typer.Option

    def app(
        host: Annotated[str, option(help="Address to serve on; 0.0.0.0 is every one of this machine.")] = "127.0.0.1",
        port: Annotated[int, option(help="Port to serve on; 0 takes any that is free.")] = 7860,
        open_it: Annotated[bool, option("--open", help="Also open the page in a browser.")] = False,
        jobs: Annotated[
            int | None, option(help="Pictures that are answered at once.", show_default="half of the cores")
        ] = None,
        waiting: Annotated[int, option(help="How many more may wait.")] = 16,
        time_limit: Annotated[float, option(help="Seconds that one picture may take.")] = 120,
    ) -> int:
        """Serves a page on which anyone can drop, paste or draw a small picture and watch a face being found.

        Ctrl-C ends it.
        """
        from pulse.app.web.address import bound
        from pulse.app.web.limits import Limits
        from stylegan.common.processes import cores

        limits = Limits(jobs=max(1, cores() // 2) if jobs is None else jobs, waiting=waiting, seconds=time_limit)
        if importlib.util.find_spec("gradio") is None:
            raise ValueError(missing("app", "The command pulse app"))
        address = bound(host, port)
        from pulse.app.web.server import Server

        server = Server(address, limits)
        try:
            server.start()
            console.say(f"The page is at {server.url} (Ctrl-C ends it).")
            if open_it:
                import webbrowser

                webbrowser.open(server.url)
            server.wait()
        finally:
            server.stop()
        return 0

    return app
