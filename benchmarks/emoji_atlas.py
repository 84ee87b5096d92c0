"""The page of an atlas in Chromium, opened from disk: its first picture, its frames while it is panned, its memory.

    pulse atlas aimoji -o site
    python -m benchmarks.emoji_atlas site

It needs Playwright and Chromium (on Debian: apt-get install chromium). The map is dragged to and fro at several zoom
levels. A frame's time is the time between two of the browser's animation frames, which on a busy machine is also
that of its neighbours; beside it stands the longest task of the page's thread in time of the processor.
"""

import argparse
import json
import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environment import describe

_SIZE = {"width": 1280, "height": 800}
_FRAMES = """
window.frames_ = []; window.panning_ = true; let before = performance.now();
requestAnimationFrame(function each(now) {
  frames_.push(now - before); before = now;
  if (panning_) requestAnimationFrame(each);
});
"""
_CATEGORIES = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("site", type=Path, help="folder of `pulse atlas`")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("chromium-browser"))
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    print(describe())
    page = (arguments.site / "index.html").resolve().as_uri()
    with sync_playwright() as started:
        for _ in range(arguments.repeats):
            print(f"load {os.getloadavg()[0]:.1f}")
            browser = started.chromium.launch(executable_path=arguments.chromium, args=["--no-sandbox"])
            measure(browser, page)
            browser.close()


def measure(browser: Any, address: str) -> None:
    """Prints what one visit takes."""
    page = browser.new_page(viewport=_SIZE)
    page.goto(address, wait_until="commit")
    page.wait_for_function("document.documentElement.dataset.drawn")
    print(f"  first picture after {page.evaluate('performance.now()') / 1000:.2f} s; {page.inner_text('#found')}")
    time.sleep(1)
    print(f"  memory at first {memory():.0f} MB")
    for zoom in (1, 4, 12):
        page.evaluate(f"viewer.viewport.zoomTo({zoom} * viewer.viewport.getHomeZoom(), null, true)")
        time.sleep(1)
        browser.start_tracing(page=page, categories=_CATEGORIES)
        page.evaluate(_FRAMES)
        pan(page, random.Random(zoom))
        page.evaluate("panning_ = false")
        frames = np.array(page.evaluate("frames_"))
        events = json.loads(browser.stop_tracing())["traceEvents"]
        print(
            f"  zoom {zoom:2d}: {len(frames)} frames; median {np.median(frames):.1f} ms, 95 % below"
            f" {np.quantile(frames, 0.95):.0f} ms, {(frames > 50).sum()} above 50 ms, longest {frames.max():.0f} ms;"
            f" {longest(events)}"
        )
    walk(page)
    print(f"  memory after a walk through all parts {memory():.0f} MB", flush=True)
    page.close()


def pan(page: Any, chance: random.Random) -> None:
    """Drags the map to and fro."""
    for _ in range(8):
        x, y = 640 + chance.randint(-100, 100), 400 + chance.randint(-100, 100)
        page.mouse.move(x, y)
        page.mouse.down()
        right, down = chance.choice((-8, 8)), chance.choice((-5, 5))
        for step in range(1, 41):
            page.mouse.move(x + step * right, y + step * down)
        page.mouse.up()


def walk(page: Any) -> None:
    """Shows every part at full size."""
    page.evaluate("viewer.viewport.zoomTo(viewer.world.getItemAt(0).imageToViewportZoom(1), null, true)")
    columns, rows = page.evaluate("[ATLAS.columns * ATLAS.side, ATLAS.rows * ATLAS.side]")
    for y in range(_SIZE["height"] // 2, rows, _SIZE["height"]):
        for x in range(_SIZE["width"] // 2, columns, _SIZE["width"]):
            point = f"viewer.world.getItemAt(0).imageToViewportCoordinates(new OpenSeadragon.Point({x}, {y}))"
            page.evaluate(f"viewer.viewport.panTo({point}, true)")
            time.sleep(0.1)


def longest(events: list[dict[str, Any]]) -> str:
    """The longest task of the page's main thread, by the processor's time and by the clock."""
    threads = {(e["pid"], e["tid"]) for e in events if e.get("args", {}).get("name") == "CrRendererMain"}
    tasks = [e for e in events if e["name"] == "RunTask" and (e["pid"], e["tid"]) in threads and "tdur" in e]
    if not tasks:
        return "no tasks"
    worst = max(tasks, key=lambda e: e["tdur"])
    wall = max(e["dur"] for e in tasks)
    return f"longest task {worst['tdur'] / 1000:.0f} ms of processor, {wall / 1000:.0f} ms by the clock"


def memory() -> float:
    """Proportional set size of the processes of pages, in MB."""
    total = 0
    for process in _below(os.getpid()):
        try:
            if b"--type=renderer" in (process / "cmdline").read_bytes():
                lines = (process / "smaps_rollup").read_text().splitlines()
                total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except OSError:
            continue
    return total / 1024


def _below(pid: int) -> list[Path]:
    """The processes that a process has started, and theirs."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [Path(f"/proc/{child}"), *_below(int(child))]
    return found


if __name__ == "__main__":
    main()
