"""The page of an atlas in a real browser (Debian's Chromium, driven by Playwright), opened from disk."""

import io
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pulse.atlas.site import Pictures, write_atlas

playwright = pytest.importorskip("playwright.sync_api", reason="there is no Playwright here")
_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(_CHROMIUM is None, reason="there is no Chromium here")

# Twenty a row.
COUNT, MIDDLE = 400, (640, 400)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    pictures = np.repeat(rng.integers(0, 256, (COUNT, 3, 1, 1), dtype=np.uint8), 64, 2).repeat(64, 3)
    names = [f"number {i} {'even' if i % 2 == 0 else 'odd'}" for i in range(COUNT)]
    moods = [("neutral", "happy", "sad", "horror")[i % 4] for i in range(COUNT)]
    folder = tmp_path_factory.mktemp("atlas") / "site"
    write_atlas(folder, Pictures(pictures, "An atlas", names, moods, [0, 100, 200, 300]))
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def page(site: Path, browser: Any) -> Iterator[Any]:
    made = browser.new_page(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    wrong: list[str] = []
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on("requestfailed", lambda request: wrong.append(request.url))
    asked: list[str] = []
    made.on("request", lambda request: asked.append(request.url))
    made.goto((site / "index.html").as_uri())
    made.wait_for_function("document.documentElement.dataset.drawn")
    yield made
    made.close()
    assert wrong == []
    # No server and no network: the page's own files, and pictures that it holds.
    assert all(url.startswith(("file://", "data:", "blob:")) for url in asked)


def _colours() -> list[tuple[int, ...]]:
    """Of each picture, as `site` draws them."""
    drawn = np.random.default_rng(0).integers(0, 256, (COUNT, 3, 1, 1), dtype=np.uint8)
    return [tuple(colour) for colour in drawn[:, :, 0, 0].tolist()]


def _seen(page: Any) -> Image.Image:
    """What the page shows."""
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def _settled(page: Any, what: str) -> float:
    """The value of an expression once an animation has ended."""
    value = page.evaluate(what)
    for _ in range(50):
        time.sleep(0.1)
        before, value = value, page.evaluate(what)
        if value == before:
            break
    return value


_ZOOM, _X, _Y = (
    "viewer.viewport.getZoom(true)",
    "viewer.viewport.getCenter(true).x",
    "viewer.viewport.getCenter(true).y",
)


def test_hovering_enlarges_one_and_names_it(page: Any) -> None:
    page.mouse.move(*MIDDLE)
    page.wait_for_function("at('lens').style.display === 'block'")
    hovered = page.evaluate("hovered")
    assert page.inner_text("#lens span").startswith(f"number {hovered} ")
    assert page.locator("#lens canvas").bounding_box()["width"] == 200
    page.wait_for_function("near.bitmap")
    with _seen(page) as seen:
        box = page.locator("#lens canvas").bounding_box()
        assert seen.getpixel((box["x"] + 5, box["y"] + 195)) == pytest.approx(_colours()[hovered], abs=6)
    page.evaluate("viewer.viewport.zoomTo(30)")
    page.wait_for_function("at('lens').style.display === 'none'")


def test_wheel_hold_drag_and_arrow_keys(page: Any) -> None:
    page.mouse.move(*MIDDLE)
    zoom = _settled(page, _ZOOM)
    page.mouse.wheel(0, -300)
    assert (wheeled := _settled(page, _ZOOM)) > 1.1 * zoom
    page.mouse.down()
    time.sleep(1.2)
    page.mouse.up()
    assert (held := _settled(page, _ZOOM)) > 1.2 * wheeled
    x, y = _settled(page, _X), _settled(page, _Y)
    page.mouse.down()
    page.mouse.move(MIDDLE[0] - 150, MIDDLE[1] - 80, steps=5)
    page.mouse.up()
    assert _settled(page, _X) > x
    assert _settled(page, _Y) > y
    # A drag is no hold.
    assert _settled(page, _ZOOM) == pytest.approx(held)
    for key, what, sign in (("ArrowLeft", _X, -1), ("ArrowRight", _X, 1), ("ArrowUp", _Y, -1), ("ArrowDown", _Y, 1)):
        before = _settled(page, what)
        page.keyboard.press(key)
        assert sign * (_settled(page, what) - before) > 0, key


def test_two_fingers_zoom(site: Path, browser: Any) -> None:
    context = browser.new_context(viewport={"width": 800, "height": 600}, has_touch=True)
    page = context.new_page()
    page.goto((site / "index.html").as_uri())
    page.wait_for_function("document.documentElement.dataset.drawn")
    before = _settled(page, _ZOOM)
    fingers = context.new_cdp_session(page)
    for kind, apart in (("touchStart", 40), ("touchMove", 80), ("touchMove", 140), ("touchMove", 200)):
        points = [{"x": 400 - apart, "y": 300, "id": 0}, {"x": 400 + apart, "y": 300, "id": 1}]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        time.sleep(0.05)
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert _settled(page, _ZOOM) > 1.5 * before
    context.close()


def test_f_and_a_double_click_are_full_screen(page: Any) -> None:
    for toggle in (lambda: page.keyboard.press("f"), lambda: page.mouse.dblclick(*MIDDLE)):
        for wanted in ("true", "false"):
            toggle()
            page.wait_for_function(f"!!document.fullscreenElement === {wanted}")
            time.sleep(0.6)


def test_s_and_a_right_click_save_the_picture(page: Any, tmp_path: Path) -> None:
    page.mouse.move(*MIDDLE)
    page.wait_for_function("hovered >= 0")
    for save in (lambda: page.keyboard.press("s"), lambda: page.mouse.click(*MIDDLE, button="right")):
        hovered = page.evaluate("hovered")
        with page.expect_download() as download:
            save()
        assert download.value.suggested_filename.startswith(f"number {hovered} ")
        download.value.save_as(tmp_path / "saved.png")
        with Image.open(tmp_path / "saved.png") as saved:
            assert saved.size == (64, 64)
            assert saved.getpixel((5, 5)) == _colours()[hovered]


def test_search_epochs_and_moods_choose_pictures(page: Any) -> None:
    assert page.inner_text("#found") == "400 pictures"
    page.fill("#search", "Even")
    assert page.inner_text("#found") == "200 of 400"
    page.fill("#search", "number 123")
    assert page.inner_text("#found") == "1 of 400"
    page.press("#search", "Enter")
    _settled(page, _ZOOM)
    assert page.evaluate("pictureAt(new OpenSeadragon.Point(640, 400))") == 123
    page.locator("#epoch").fill("2")
    assert page.inner_text("#found") == "100 of 400"
    assert page.evaluate("chosen.indexOf(1)") == 100
    page.locator("#epoch").fill("0")
    assert page.inner_text("#found") == "400 pictures"
    assert page.evaluate("at('marks').getContext('2d').getImageData(640, 400, 1, 1).data[3]") == 0
    page.check("#moods")
    # Picture 123 is one of horror, and so a neighbour is one of sadness, and the next of happiness.
    red, blue, yellow = ((156, 42, 63), (47, 111, 181), (242, 183, 5))
    for column, mood in ((0, red), (-1, blue), (-2, yellow)):
        x = 640 + round(column * page.evaluate("shownSide()"))
        laid = page.evaluate(f"[...at('marks').getContext('2d').getImageData({x}, 400, 1, 1).data]")
        assert laid == pytest.approx([*mood, 0x66], abs=2)
    # Those that are not selected are pale, and the others keep the colour of their mood.
    page.fill("#search", "number 122")
    laid = page.evaluate("[...at('marks').getContext('2d').getImageData(640, 400, 1, 1).data]")
    assert laid == pytest.approx([244, 243, 239, 0xD8], abs=2)


@pytest.mark.parametrize("layout", ["order", "likeness"])
def test_every_picture_is_seen_at_its_place(page: Any, layout: str) -> None:
    if layout != "order":
        page.select_option("#layout", layout)
        page.wait_for_function(f"document.documentElement.dataset.drawn === '{layout}'")
    page.evaluate("viewer.viewport.goHome(true)")
    _settled(page, _ZOOM)
    page.wait_for_function("viewer.world.getItemAt(0).getFullyLoaded()")
    page.evaluate("at('bar').remove(); at('help').remove()")
    order = page.evaluate(f"ATLAS.layouts.{layout}") or list(range(COUNT))
    assert sorted(order) == list(range(COUNT))
    centres = page.evaluate(
        """order => order.map((_, place) => {
          const [x, y] = [place % ATLAS.columns, Math.floor(place / ATLAS.columns)].map(at => (at + 0.5) * ATLAS.side);
          const point = viewer.world.getItemAt(0).imageToViewportCoordinates(new OpenSeadragon.Point(x, y));
          const seen = viewer.viewport.pixelFromPoint(point);
          return [seen.x, seen.y, pictureAt(seen)];
        })""",
        order,
    )
    colours = _colours()
    with _seen(page) as seen:
        for picture, (x, y, told) in zip(order, centres, strict=True):
            assert told == picture
            assert seen.getpixel((int(x), int(y))) == pytest.approx(colours[picture], abs=8), picture
