"""What a visitor asks for, and the links that say it."""

from __future__ import annotations

import base64
import zlib
from typing import Any
from urllib.parse import parse_qsl

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pulse.app.web.asked import DRAWN, SLIDERS, Asked, from_board, from_query, makers, named, to_board
from pulse.app.web.limits import Limits

LIMITS = Limits()


def _asked(side: int = 8, **more: Any) -> Asked:
    rng = torch.Generator().manual_seed(0)
    rgb = torch.randint(0, 256, (3 * side * side,), generator=rng, dtype=torch.uint8)
    return Asked(side, rgb.numpy().tobytes(), **more)


def _opened(query: str) -> Asked | None:
    return from_query(dict(parse_qsl(query)), LIMITS)


@settings(max_examples=30, deadline=None)
@given(
    side=st.integers(8, 64),
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["any", "people"]),
    samples=st.integers(1, 9),
    fidelity=st.sampled_from([0, 0.35, 0.7, 1]),
    resolution=st.sampled_from([256, 512, 1024]),
    name=st.text("abc xyz&?=%#ü", min_size=1, max_size=20),
    yaw=st.integers(-25, 25),
    soften=st.booleans(),
    stages=st.integers(2, 10),
    trick=st.sampled_from(["none", "iterate", "explore"]),
    shown=st.one_of(st.none(), st.integers(0, 99)),
)
def test_a_link_asks_for_the_same(side: int, name: str, yaw: int, samples: int, trick: str, **more: Any) -> None:
    count = samples if trick == "none" else 1
    asked = _asked(side, name=name, changed={"yaw": float(yaw)}, samples=count, trick=trick, **more)
    assert _opened(asked.query()) == asked


def test_a_link_of_a_sprite_is_short() -> None:
    from pulse.app import sprites

    for name in sprites.names():
        board = to_board(sprites.load(name), name)
        assert len(from_board(board, seed=7).query()) < 700


def test_a_query_without_pixels_asks_for_nothing() -> None:
    assert from_query({"__theme": "dark"}, LIMITS) is None


def _link(data: bytes) -> dict[str, str]:
    return {"pixels": base64.urlsafe_b64encode(data).decode().rstrip("=")}


@pytest.mark.parametrize(
    "query",
    [
        {"pixels": ""},
        {"pixels": "%%%"},
        {"pixels": "AAAA"},
        {"pixels": "ü" * 50},
        _link(zlib.compress(b"")),
        _link(zlib.compress(bytes([16]) + bytes(3 * 15 * 16))),
        _link(zlib.compress(bytes([255]) + bytes(3 * 255**2))),
        _link(zlib.compress(bytes([16]) + bytes(3 * 256))[:-3]),
        # Of 16 kB, a hundred megabytes.
        _link(zlib.compress(bytes(10**8), 9)),
    ],
)
def test_a_damaged_link_is_one_sentence(query: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"^The (link|picture) .*\.$"):
        from_query(query, LIMITS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", "-1"),
        ("seed", "one"),
        ("seed", "9" * 50),
        ("samples", "10"),
        ("samples", "0"),
        ("fidelity", "nan"),
        ("fidelity", "2"),
        ("resolution", "4096"),
        ("kind", "horses"),
        ("trick", "horses"),
        ("stages", "11"),
        ("stages", "1"),
        ("soften", "yes"),
        ("shown", "-1"),
        ("shown", "100"),
        ("maker", "/etc/passwd"),
        ("maker", "https://example.org/net.pkl"),
        ("maker", "../portraits128.safetensors"),
        ("maker", "ffhq\x1b[31m"),
        ("yaw", "26"),
        ("yaw", "nan"),
        ("age", "inf"),
    ],
)
def test_a_link_cannot_ask_for_what_the_page_does_not_offer(name: str, value: str) -> None:
    query = dict(parse_qsl(_asked().query())) | {name: value}
    with pytest.raises(ValueError, match=r"\.$") as raised:
        from_query(query, LIMITS)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("trick", ["iterate", "explore"])
def test_a_trick_of_several_faces_has_no_samples(trick: str) -> None:
    with pytest.raises(ValueError, match=rf"^The trick {trick} gives several faces .*\.$"):
        _asked(trick=trick, samples=2)


@pytest.mark.parametrize(
    "value",
    [
        *(None, "pixels", 7, [], {}, {"side": 16}),
        *({"side": "16", "rgb": "00" * 768}, {"side": 16, "rgb": None}, {"side": 16, "rgb": "zz" * 768}),
        *({"side": 16, "rgb": "00"}, {"side": 4, "rgb": "00" * 48}, {"side": 10**6, "rgb": "00"}),
        {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
    ],
)
def test_a_board_that_is_none_is_one_sentence(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^(There is no|The) picture .*\.$"):
        from_board(value)


def test_the_board_shows_what_is_asked_for() -> None:
    asked = _asked(12)
    assert from_board(to_board(asked.target)).rgb == asked.rgb


def test_only_generators_on_this_machine_are_offered(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("PULSE_CACHE", str(tmp_path))
    assert list(makers()) == [DRAWN, "default", "aimoji"]


def test_a_name_has_no_folders_and_nothing_invisible() -> None:
    assert named("C:\\secret\\a.png") == "a.png"
    assert named("../../a\u202egnp.exe") == "a\\u202egnp.exe"
    assert len(named("x" * 1000)) == 80
    assert named(None) == named("") == "picture"


def test_sliders_are_attributes_of_a_portrait() -> None:
    from pulse.fit_portrait import NAMES

    assert set(SLIDERS) <= set(NAMES)
