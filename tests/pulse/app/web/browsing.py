"""A visitor of the page in a real browser."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from PIL import Image

from pulse import pictures

# Of a machine with many other things to do, in milliseconds.
LONG = 240_000
DONE = ".stage[data-state=done]"


class Visitor:
    """A page that is open, and what it asked for and complained of."""

    def __init__(self, browser: Any, url: str, query: str = "", script: str = "", **context: Any) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True, **context)
        self.context.set_default_timeout(LONG)
        self.context.add_init_script(script)
        self.page = self.context.new_page()
        self.asked: list[str] = []
        self.wrong: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("websocket", lambda socket: self.asked.append(socket.url))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", lambda said: self.wrong.append(said.text) if said.type == "error" else None)
        self.url = url
        self.page.goto(url + query)
        for part in ("board", "stage"):
            self.page.wait_for_selector(f"#{part} [data-ready]", state="attached")

    def close(self) -> None:
        self.context.close()
        assert self.wrong == []
        home = urlsplit(self.url).netloc
        away = [
            url for url in self.asked if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).netloc != home
        ]
        assert away == []

    @property
    def board(self) -> torch.Tensor:
        """The pixels on the drawing board, (side, side, 3)."""
        told = self.page.evaluate(
            "() => { const c = document.querySelector('.board canvas');"
            "return [c.width, [...c.getContext('2d').getImageData(0, 0, c.width, c.width).data]]; }"
        )
        return torch.tensor(told[1], dtype=torch.uint8).view(told[0], told[0], 4)[..., :3]

    def give(self, name: str, data: bytes, how: str = "choose") -> None:
        """Drops, pastes or chooses a file."""
        if how == "choose":
            file = {"name": name, "mimeType": "image/png", "buffer": data}
            self.page.set_input_files(".board input[type=file]", file)
            return
        self.page.evaluate(
            """([name, data, how]) => {
                const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0)), holds = new DataTransfer();
                holds.items.add(new File([bytes], name, { type: "image/png" }));
                const usual = { bubbles: true, cancelable: true };
                const event = how === "drop" ? new DragEvent("drop", { dataTransfer: holds, ...usual })
                    : new ClipboardEvent("paste", { clipboardData: holds, ...usual });
                document.body.dispatchEvent(event);
            }""",
            [name, base64.b64encode(data).decode(), how],
        )

    def read(self, name: str, data: bytes, how: str = "choose") -> torch.Tensor:
        """The board after a picture was given."""
        settled = "Number(document.querySelector('#board [data-ready]').dataset.settled || 0)"
        before = self.page.evaluate(settled)
        self.give(name, data, how)
        self.page.wait_for_function(f"{settled} > {before}")
        return self.board

    def notes(self) -> str:
        return str(self.page.inner_text(".board .notes"))

    def choose_network(self) -> None:
        """A network answers in a fraction of a second."""
        self.page.click("#maker input")
        self.page.click("ul[role=listbox] li:has-text('Network default')")

    def number(self) -> int:
        """Of the answer that is shown."""
        return int(self.page.evaluate("document.querySelector('.gallery [aria-current=true]').title.match(/\\d+/)[0]"))

    def answer(self) -> bytes:
        """The file that the button PNG saves."""
        with self.page.expect_download() as download:
            self.page.click("[data-get=png]")
        return Path(download.value.path()).read_bytes()


def png(sprite: torch.Tensor, scale: int = 1) -> bytes:
    """A sprite (1, 3, s, s) as an enlarged PNG."""
    file = io.BytesIO()
    picture = pictures.to_pil(sprite[0])
    picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()


def link(visitor: Visitor) -> str:
    """What the button Copy link copies."""
    visitor.page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    visitor.page.click("[data-get=link]")
    visitor.page.wait_for_function("window.copied")
    return str(visitor.page.evaluate("window.copied"))
