"""The page in a real browser (Debian's Chromium, driven by Playwright)."""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import stylegan
from pulse import pictures
from pulse.app import sprites
from pulse.app.web import films, work
from pulse.operators import downsample
from pulse.pictures.frames import open_frames
from tests.pulse.app.web.browsing import DONE, Visitor, link, png


def _bytes_of(sprite: torch.Tensor) -> torch.Tensor:
    return sprite[0].permute(1, 2, 0).mul(255).round().to(torch.uint8)


@pytest.fixture
def visitor(server: Any, browser: Any) -> Iterator[Visitor]:
    made = Visitor(browser, server.url)
    yield made
    made.close()


def test_a_dropped_sprite_is_read_at_its_own_pixels_and_answered(visitor: Visitor, tmp_path: Path) -> None:
    cat = sprites.load("cat")
    assert torch.equal(visitor.read("cat.png", png(cat, 12), "drop"), _bytes_of(cat))
    assert "16x16" in visitor.notes()
    visitor.choose_network()
    visitor.page.click("#find")
    visitor.page.wait_for_selector(DONE)
    (tmp_path / "face.png").write_bytes(visitor.answer())
    text = pictures.read_text(tmp_path / "face.png")
    assert (text["synthetic"], text["source"], text["finish"]) == ("true", "cat.png", "network")
    image = pictures.read_picture(tmp_path / "face.png")
    assert image.shape[-1] == 128
    assert float((downsample(image, size=16) - cat).square().mean()) < 0.05
    # The slider between input and answer, by keyboard.
    visitor.page.focus(".cut")
    visitor.page.wait_for_timeout(1200)
    before = float(visitor.page.input_value(".cut"))
    visitor.page.keyboard.press("ArrowRight")
    assert float(visitor.page.input_value(".cut")) == before + 1
    assert visitor.page.evaluate("getComputedStyle(document.querySelector('.handle')).left") != "0px"
    with visitor.page.expect_download() as download:
        visitor.page.click("[data-get=sheet]")
    with Image.open(download.value.path()) as made:
        assert made.format == "PNG"
    # A network's face cannot be turned.
    assert visitor.page.is_hidden("[data-get=turn]")
    for what in ("search", "morph"):
        with visitor.page.expect_download() as download:
            visitor.page.click(f"[data-get={what}]")
        name = f"face-{visitor.number()}-{what}{films.ending()}"
        assert download.value.suggested_filename == name
        film = tmp_path / name
        film.write_bytes(Path(download.value.path()).read_bytes())
        assert len(open_frames(film)) >= 10


def test_drawing_with_mouse_and_keys(visitor: Visitor) -> None:
    page = visitor.page
    page.click(".palette [data-colour='#d94532']")
    page.click("[data-do=mirror]")
    box = page.locator(".board canvas").bounding_box()
    cell = box["width"] / 16
    page.mouse.move(box["x"] + 2.5 * cell, box["y"] + 3.5 * cell)
    page.mouse.down()
    page.mouse.move(box["x"] + 5.5 * cell, box["y"] + 3.5 * cell, steps=2)
    page.mouse.up()
    red = torch.tensor([0xD9, 0x45, 0x32], dtype=torch.uint8)
    painted = (visitor.board == red).all(2).nonzero().tolist()
    assert painted == [[3, x] for x in (2, 3, 4, 5, 10, 11, 12, 13)]
    page.keyboard.press("m")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert (visitor.board[4, 6] == red).all()
    assert (visitor.board[4, 9] == 255).all()
    page.keyboard.press("Control+z")
    assert (visitor.board[4, 6] == 255).all()
    page.keyboard.press("f")
    page.keyboard.press("Enter")
    assert (visitor.board[15, 15] == red).all()
    page.click("[data-do=clear]")
    assert (visitor.board == 255).all()
    page.select_option(".board select", "24")
    assert visitor.board.shape == (24, 24, 3)


def test_a_preview_appears_and_a_stop_keeps_the_best(visitor: Visitor) -> None:
    page = visitor.page
    page.click(".examples [data-name=queen]")
    page.check("#kind input[value=people]")
    page.click("#find")
    page.wait_for_selector(".stage[data-state=working] .answer[src]")
    page.click("#stop")
    page.wait_for_selector(DONE)
    assert page.inner_text(".stage .status") == "Stopped; this is the best so far."
    assert page.is_enabled("#find")
    assert page.is_disabled("#stop")
    first = visitor.answer()
    # Turned, by keyboard.
    page.focus(".turns [name=yaw]")
    before = float(page.input_value(".turns [name=yaw]"))
    page.keyboard.press("Home")
    assert float(page.input_value(".turns [name=yaw]")) == -25 != before
    page.wait_for_function(
        "document.querySelector('.stage .answer').src.startsWith('data:image/png') "
        "&& document.querySelector('.stage .status').textContent === ''"
    )
    turned = visitor.answer()
    assert turned != first
    assert len(page.query_selector_all(".gallery li")) == 1
    # Turned on while it is still being drawn: what the slider says in the end is what is drawn.
    page.focus(".turns [name=yaw]")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(600)
    assert float(page.input_value(".turns [name=yaw]")) == -20
    end = time.monotonic() + 60
    while not re.search(r"[?&]yaw=-20(&|$)", link(visitor)) and time.monotonic() < end:
        page.wait_for_timeout(200)
    assert re.search(r"[?&]yaw=-20(&|$)", link(visitor))
    assert page.get_attribute(".stage", "data-state") == "done"
    assert visitor.answer() != turned
    page.focus(".turns [name=yaw]")
    page.keyboard.press("Home")
    page.wait_for_function("document.querySelector('.stage .answer').src.startsWith('data:image/webp')")
    page.wait_for_function(
        "document.querySelector('.stage .answer').src.startsWith('data:image/png') "
        "&& document.querySelector('.stage .status').textContent === ''"
    )
    # A link says the picture, the options, the seed and what was turned.
    assert re.search(r"[?&]yaw=-25(&|$)", link(visitor))


def test_another_seed_each_time_unless_one_is_typed(
    visitor: Visitor, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    G = stylegan.load(tiny)
    monkeypatch.setattr(work, "_network", lambda name: (G, threading.Lock()))
    visitor.page.click(".examples [data-name=cat]")
    visitor.choose_network()
    visitor.page.click("button:has-text('More')")
    assert visitor.page.get_by_label("Seed").input_value() == ""
    seeds = []
    for typed in ("", "", "7"):
        visitor.page.get_by_label("Seed").fill(typed)
        visitor.page.click("#find")
        visitor.page.wait_for_selector(f".gallery li:nth-child({len(seeds) + 1})")
        visitor.page.wait_for_selector(DONE)
        seeds.append(re.findall(r"[?&]seed=(\d+)", link(visitor))[0])
    assert seeds[0] != seeds[1]
    assert seeds[2] == "7"


def test_samples_and_tricks(visitor: Visitor, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    G = stylegan.load(tiny)
    monkeypatch.setattr(work, "_network", lambda name: (G, threading.Lock()))
    page = visitor.page
    page.click(".examples [data-name=cat]")
    visitor.choose_network()
    page.click("button:has-text('More')")
    # Gradio forgets what is typed in the first 50 ms after it has opened a part. No visitor is that quick.
    page.wait_for_timeout(500)
    page.fill("#samples input[type=number]", "3")
    page.click("#find")
    page.wait_for_selector(DONE)
    assert len(page.query_selector_all(".gallery li")) == 3
    assert page.inner_text(".stage .words").startswith("Sample 1 of 3.")
    assert page.locator(".gallery .map").evaluate("(map) => map.complete && map.naturalWidth > 256")
    with page.expect_download() as download:
        page.click("[data-get=map]")
    assert download.value.suggested_filename == "map.png"
    assert pictures.read_text(download.value.path())["synthetic"] == "true"
    first = visitor.answer()
    page.click(".gallery li:nth-child(2) button")
    page.wait_for_function("document.querySelector('.stage .words').textContent.startsWith('Sample 2 of 3.')")
    assert visitor.answer() != first
    assert re.search(r"[?&]samples=3&shown=1(&|$)", link(visitor))
    # A trick that gives several faces of its own has no samples.
    page.click("button:has-text('Tricks')")
    assert page.is_hidden("#stages")
    page.check("#trick input[value=iterate]")
    page.wait_for_selector("#stages input[type=number]")
    page.wait_for_function("document.querySelector('#samples input[type=number]').disabled")
    page.fill("#stages input[type=number]", "2")
    page.keyboard.press("Tab")
    page.check("#soften input")
    page.click("#find")
    page.wait_for_function("document.querySelector('.stage .words').textContent.startsWith('Stage 2.')")
    assert len(page.query_selector_all(".gallery li")) == 5
    assert page.is_hidden("[data-get=map]")
    assert page.is_hidden(".gallery .map")
    assert re.search(r"[?&]trick=iterate&stages=2&soften=1&shown=1(&|$)", link(visitor))


def test_a_link_reproduces_the_result(visitor: Visitor, browser: Any) -> None:
    visitor.page.click(".examples [data-name=frog]")
    visitor.choose_network()
    visitor.page.click("#find")
    visitor.page.wait_for_selector(DONE)
    address = link(visitor)
    assert address.startswith(visitor.url)
    other = Visitor(browser, visitor.url, address[len(visitor.url) :])
    other.page.wait_for_selector(DONE)
    assert torch.equal(other.board, _bytes_of(sprites.load("frog")))
    assert other.answer() == visitor.answer()
    other.close()


def test_bad_files_are_one_sentence_and_the_page_goes_on(visitor: Visitor) -> None:
    cat = png(sprites.load("cat"))
    visitor.read("cat.png", cat)
    for name, data in (
        ("words.png", b"no picture at all"),
        ("cut.png", cat[:60]),
        ("empty.png", b""),
        ("bomb.png", _bomb()),
        ("large.png", bytes(600_000)),
    ):
        visitor.read(name, data)
        visitor.page.wait_for_selector(".board .notes.bad")
        assert re.fullmatch(r"[^.].*\.", visitor.notes()), name
        assert visitor.notes().count(". ") == 0
        assert torch.equal(visitor.board, _bytes_of(sprites.load("cat")))
    assert torch.equal(visitor.read("dog.png", png(sprites.load("fox"))), _bytes_of(sprites.load("fox")))


def test_of_two_files_given_at_once_the_second_stays(visitor: Visitor) -> None:
    before = int(visitor.page.evaluate("document.querySelector('#board [data-ready]').dataset.settled"))
    for name in ("cat", "frog"):
        visitor.give(f"{name}.png", png(sprites.load(name)))
    visitor.page.wait_for_function(f"document.querySelector('#board [data-ready]').dataset.settled >= {before + 2}")
    assert torch.equal(visitor.board, _bytes_of(sprites.load("frog")))


def _bomb() -> bytes:
    """A PNG of few bytes that would be 400 megapixels."""
    file = io.BytesIO()
    Image.new("1", (20000, 20000)).save(file, "PNG")
    return file.getvalue()


def test_a_lost_connection_costs_no_drawing(server: Any, browser: Any) -> None:
    # A question has half a minute for its answer; here it has less.
    hurry = "const set = setTimeout; setTimeout = (f, t, ...more) => set(f, t === 30000 ? 500 : t, ...more);"
    visitor = Visitor(browser, server.url, script=hurry)
    page = visitor.page
    page.click(".board canvas")
    drawn = visitor.board
    assert (drawn != 255).any()
    broken = re.compile("gradio_api/(run|app_id)")
    page.route(broken, lambda route: route.abort())
    visitor.give("cat.png", png(sprites.load("cat")))
    page.wait_for_function("document.querySelector('.notes.bad')?.textContent.startsWith('There is no answer')")
    assert torch.equal(visitor.board, drawn)
    with page.expect_navigation():
        page.unroute(broken)
    page.wait_for_selector("#board [data-ready]", state="attached")
    assert torch.equal(visitor.board, drawn)
    cat = sprites.load("cat")
    assert torch.equal(visitor.read("cat.png", png(cat)), _bytes_of(cat))
    # The browser complains of the lost connection, and of nothing else.
    assert all("ERR_FAILED" in said for said in visitor.wrong), visitor.wrong
    visitor.wrong.clear()
    visitor.close()


def test_a_second_picture_of_the_same_name_is_another(visitor: Visitor) -> None:
    for how in ("choose", "drop", "paste"):
        for name in ("ghost", "robot"):
            sprite = sprites.load(name)
            assert torch.equal(visitor.read("same.png", png(sprite), how), _bytes_of(sprite)), (how, name)


def test_a_sheet_is_cut_and_a_head_is_taken(visitor: Visitor) -> None:
    names = ("cat", "fox", "frog", "robot")
    sheet = torch.ones(1, 3, 36, 36)
    for i, name in enumerate(names):
        y, x = 1 + 18 * (i // 2), 1 + 18 * (i % 2)
        sheet[..., y : y + 16, x : x + 16] = sprites.load(name)
    visitor.read("sheet.png", png(sheet))
    settled = visitor.page.get_attribute("#board [data-ready]", "data-settled")
    visitor.page.select_option(".take select", "sheet")
    visitor.page.wait_for_selector(f"#board [data-ready]:not([data-settled='{settled}'])")
    assert "into 4 sprites" in visitor.notes()
    assert len(visitor.page.query_selector_all(".pieces button")) == 4
    first = visitor.board
    visitor.page.click(".pieces button:nth-child(3)")
    assert not torch.equal(visitor.board, first)
    # Gradio has it too: the next stroke is on this sprite.
    visitor.page.click(".examples [data-name=cat]")
    assert visitor.page.is_hidden(".pieces")
    assert visitor.page.is_hidden(".take")


def test_three_visitors_at_once(server: Any, browser: Any) -> None:
    visitors = [Visitor(browser, server.url) for _ in range(3)]
    names = ("knight", "alien", "wizard")
    for one, name in zip(visitors, names, strict=True):
        one.page.click(f".examples [data-name={name}]")
        one.choose_network()
    for one in visitors:
        one.page.click("#find")
    answers = []
    for one in visitors:
        one.page.wait_for_selector(DONE)
        answers.append(one.answer())
        assert len(one.page.query_selector_all(".gallery li")) == 1
    for one, name, answer in zip(visitors, names, answers, strict=True):
        small = downsample(pictures.read_picture(Image.open(io.BytesIO(answer))), size=16)
        errors = [float((small - sprites.load(each)).square().mean()) for each in names]
        assert names[errors.index(min(errors))] == name
        one.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_in_light_and_dark(server: Any, browser: Any, scheme: str) -> None:
    phone = Visitor(browser, server.url, color_scheme=scheme, has_touch=True)
    phone.page.set_viewport_size({"width": 375, "height": 740})
    phone.page.wait_for_timeout(300)
    assert phone.page.evaluate("document.documentElement.scrollWidth") == 375
    box = phone.page.locator(".board canvas").bounding_box()
    phone.page.touchscreen.tap(box["x"] + box["width"] / 32, box["y"] + box["height"] / 32)
    assert (phone.board[0, 0] != 255).any()
    ground = phone.page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = sum(map(int, re.findall(r"\d+", ground)[:3])) / 3
    assert light > 200 if scheme == "light" else light < 60
    # A finger needs room.
    small = phone.page.evaluate(
        "[...document.querySelectorAll('.board button, .stage button, #find, #stop')].filter((b) => b.offsetParent)"
        ".map((b) => b.getBoundingClientRect()).filter((r) => Math.min(r.width, r.height) < 24).length"
    )
    assert small == 0
    phone.close()


def test_everything_has_a_name_and_can_be_reached_by_keyboard(visitor: Visitor) -> None:
    nameless = visitor.page.evaluate(
        """[...document.querySelectorAll('.board *, .stage *, .gallery *, .examples *')].filter((one) =>
            one.matches('button, input, select, canvas') &&
            !(one.ariaLabel || one.textContent.trim() || one.title || one.labels?.[0]?.textContent.trim()
              || one.querySelector('img')?.alt)).map((one) => one.outerHTML)"""
    )
    assert nameless == []
    reached = set()
    for _ in range(90):
        visitor.page.keyboard.press("Tab")
        found = visitor.page.evaluate(
            """(() => {
                const e = document.activeElement;
                if (e.closest('#find')) return 'find';
                if (e.tagName === 'CANVAS') return 'canvas';
                if (e.type === 'file') return 'file';
                return e.role === 'radio' && e.dataset.colour ? 'palette' : e.dataset.name || '';
            })()"""
        )
        reached.add(found)
        if "find" in reached:
            break
    assert {"knight", "canvas", "palette", "file", "find"} <= reached


def test_a_visitor_who_leaves_is_forgotten(server: Any, browser: Any) -> None:
    one = Visitor(browser, server.url)
    one.page.click(".examples [data-name=king]")
    one.page.click("#find")
    one.page.wait_for_selector(".stage[data-state=working] .answer[src]")
    job = server.page.pool._working[0]
    one.close()
    end = time.monotonic() + 60
    while not job.done and time.monotonic() < end:
        time.sleep(0.1)
    assert job.done
    assert job.stopped
    while server.page.shelf.of(job.owner) and time.monotonic() < end:
        time.sleep(0.1)
    assert server.page.shelf.of(job.owner) == []
