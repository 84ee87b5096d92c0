"""One server for all tests of the page, and the browser that looks at it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from pulse.app.web.limits import Limits
from pulse.fit_portrait.drawing import use_helpers

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def server() -> Iterator[Any]:
    """A server of the page, with one worker."""
    pytest.importorskip("gradio", reason="there is no Gradio here; the extra app has it")
    from pulse.app.web.address import bound
    from pulse.app.web.server import Server

    made = Server(bound("127.0.0.1", 0), Limits(jobs=1, waiting=4, seconds=90, file_bytes=1 << 19, pixels=1 << 20))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module", autouse=True)
def alone() -> Iterator[None]:
    """The server's processes draw for the tests of the page only: others replace parts of what draws."""
    yield
    use_helpers(None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium; closed before other tests open theirs, since Playwright allows one at a time."""
    playwright = pytest.importorskip("playwright.sync_api", reason="there is no Playwright here")
    if _CHROMIUM is None:
        pytest.skip("there is no Chromium here; Debian's package chromium has it")
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()
