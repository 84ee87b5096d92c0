"""The page of `pulse app` in Chromium: seconds from "Find the face" to the first preview, and to the finished face.

    pip install -e ".[app,cli]" playwright
    python -m benchmarks.page

It needs Chromium (on Debian: apt-get install chromium). The server is a process of its own, started as a user starts
it, and has settled before the first picture. Each sprite is found with the page's defaults and the seed 1.
"""

import argparse
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from benchmarks.environment import describe

_SPRITES = ("knight", "hero", "goblin", "wizard", "queen", "vampire", "king", "smiley")
_PREVIEW, _DONE = ".stage[data-state=working] .answer[src]", ".stage[data-state=done]"
_LONGEST = 240_000


@contextmanager
def serving() -> Iterator[str]:
    """The address of a page that is served while the block runs."""
    command = [sys.executable, "-u", "-m", "pulse", "app", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            for line in server.stdout:
                if found := re.search(r"http://\S+", line):
                    yield found[0]
                    break
        finally:
            server.terminate()


def timed(page: Any, sprite: str) -> tuple[float, float, str]:
    """Seconds to the first preview and to the finished face, and what the page says of it."""
    page.click(f".examples [data-name={sprite}]")
    started = time.perf_counter()
    page.click("#find")
    page.wait_for_selector(_PREVIEW)
    preview = time.perf_counter() - started
    page.wait_for_selector(_DONE)
    return preview, time.perf_counter() - started, " ".join(page.inner_text(".stage .words").split())


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sprites", nargs="+", default=list(_SPRITES))
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("chromium-browser"))
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    print(describe())
    print(f"{'sprite':12}{'preview, s':>12}{'face, s':>10}  what the page says")
    rows = []
    with serving() as url, sync_playwright() as started:
        browser = started.chromium.launch(executable_path=arguments.chromium, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(_LONGEST)
        page = context.new_page()
        page.goto(url)
        for part in ("board", "stage"):
            page.wait_for_selector(f"#{part} [data-ready]", state="attached")
        page.get_by_text("More", exact=True).click()
        page.get_by_label("Seed").fill("1")
        page.get_by_text("More", exact=True).click()
        for sprite in arguments.sprites:
            rows.append(timed(page, sprite))
            print(f"{sprite:12}{rows[-1][0]:12.1f}{rows[-1][1]:10.1f}  {rows[-1][2]}", flush=True)
        browser.close()
    print(f"{'median':12}{median(row[0] for row in rows):12.1f}{median(row[1] for row in rows):10.1f}")


if __name__ == "__main__":
    main()
