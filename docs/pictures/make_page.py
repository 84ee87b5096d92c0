"""Photographs the page: page.png, in light and dark side by side. Needs the extras app and test, and Chromium.

python docs/pictures/make_page.py
"""

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image

from pulse.pictures import software, write_picture

_SIZE = (1240, 900)
_BOTH = 1200


def main() -> None:
    """Finds a face for a sprite, in light, and for another, in dark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sprites", nargs=2, default=["viking", "king"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).with_name("page.png"))
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    from pulse.app.web.address import bound
    from pulse.app.web.limits import Limits
    from pulse.app.web.server import Server

    server = Server(bound("127.0.0.1", 0), Limits())
    server.start()
    seen = []
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for scheme, sprite in zip(("light", "dark"), arguments.sprites, strict=True):
            context = browser.new_context(
                viewport={"width": _SIZE[0], "height": _SIZE[1]}, color_scheme=scheme, reduced_motion="reduce"
            )
            context.set_default_timeout(300_000)
            page = context.new_page()
            page.goto(server.url)
            page.wait_for_selector("#board [data-ready]", state="attached")
            page.click(f".examples [data-name={sprite}]")
            page.get_by_text("More", exact=True).click()
            page.get_by_label("Seed").fill(str(arguments.seed))
            page.get_by_text("More", exact=True).click()
            page.click("#find")
            page.wait_for_selector(".stage[data-state=done]")
            page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
            page.wait_for_timeout(500)
            seen.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
        browser.close()
    server.stop()
    both = Image.new("RGB", (2 * _SIZE[0], _SIZE[1]))
    for i, picture in enumerate(seen):
        both.paste(picture, (i * _SIZE[0], 0))
    small = both.resize((_BOTH, round(_BOTH * both.height / both.width)), Image.Resampling.LANCZOS)
    write_picture(arguments.out, small, {"Software": software(), "synthetic": "true"})
    print(f"{arguments.out}: {arguments.out.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
