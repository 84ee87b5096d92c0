"""`pulse search` draws, searches a network, or does both."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pulse import depixelizer
from pulse.app import cli, sprites
from pulse.batch import one
from pulse.pictures import read_text, write_picture

Run = Callable[..., tuple[int, list[str], list[str]]]
_QUICK = ("--size=8", "--seed=1", "--kind=people", "--resolution=16", "--starts=1")


pytestmark = pytest.mark.usefixtures("few_renderings")


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Calls `pulse search` on a sprite; gives the exit code and both outputs' lines."""
    write_picture(tmp_path / "knight.png", sprites.load("knight")[0])

    def call(*arguments: str) -> tuple[int, list[str], list[str]]:
        code = cli.main(["search", str(tmp_path / "knight.png"), "-o", str(tmp_path / "out"), *arguments])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return call


def test_both_answers_stand_side_by_side(tmp_path: Path, run: Run) -> None:
    out = tmp_path / "out"
    both = ("--finish=both", "--steps=1", "--sheet")
    assert run(*_QUICK, *both)[0] == 0
    drawn, network = read_text(out / "knight.png"), read_text(out / "knight.network.png")
    assert (drawn["finish"], network["finish"]) == ("drawn", "network")
    assert drawn["again"] == (
        "pulse.draw('knight.png', starts=1, seed=1, framing='pad', background='#808080', size=8, kind='people', "
        "resolution=16)"
    )
    assert network["again"].startswith(
        "pulse.depixelize('knight.png', generator='default', finish='network', method='fast', steps=1"
    )
    assert (json.loads(drawn["settings"])["kind"], json.loads(network["settings"])["steps"]) == ("people", 1)
    assert Image.open(out / "knight.png").size == (16, 16)
    assert Image.open(out / "knight.network.png").size == (128, 128)
    with Image.open(out / "contact_sheet.png") as sheet:
        width = sheet.width
    # The drawn answer alone is the one that is there.
    code, lines, _ = run(*_QUICK)
    assert (code, lines[0].startswith("1 done by an earlier run")) == (0, True)
    code, lines, _ = run(*_QUICK, *both)
    assert (code, lines[0].startswith("2 done by an earlier run")) == (0, True)
    run(*_QUICK, "--sheet", "--overwrite")
    with Image.open(out / "contact_sheet.png") as sheet:
        assert sheet.width < width
    # The network's picture is another answer, and does not take its place unasked.
    code, _, err = run("--size=8", "--seed=1", "--steps=1")
    assert (code, "knight.png is a result of another request" in err[0]) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--finish=painted"], "The finish is 'painted'"),
        (["--kind=people", "--steps=3"], "Only drawn answers have kind, and only the network's search has steps"),
        (["--finish=drawn", "--kernel=area"], "Only the network's search has kernel"),
        (["--finish=network", "--fidelity=1"], "Only drawn answers have fidelity"),
        (["--finish=both", "--generator=ffhq"], "the generator is 'ffhq'"),
        (["--resolution=4"], "The resolution is 4"),
        (["--fidelity=2"], "The fidelity is 2.0"),
        (["--size=80"], "drawn answers need a square of 8 to 64"),
    ],
)
def test_nothing_that_is_said_is_ignored(tmp_path: Path, run: Run, arguments: list[str], said: str) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8)).save(tmp_path / "knight.png")
    code, _, err = run(*arguments)
    assert (code, len(err)) == (2, 1), err
    assert said in err[0]
    assert not (tmp_path / "out").exists()


def test_a_signal_leaves_the_best_drawn_answer(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any, callback: Callable[[int, Any], object], **options: Any) -> Any:
        def pressed(step: int, state: Any) -> None:
            callback(step, state)
            if step == 1:
                raise KeyboardInterrupt

        return depixelizer.depixelize(*arguments, callback=pressed, **options)

    monkeypatch.setattr(one, "depixelize", interrupted)
    code, _, err = run(*_QUICK, "--finish=both", "--steps=1")
    assert (code, err[-1]) == (130, "Interrupted: what was found so far is written.")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["knight.png"]
    assert read_text(tmp_path / "out" / "knight.png")["interrupted"] == "true"
    monkeypatch.undo()
    assert run(*_QUICK)[1][0].startswith(str(tmp_path / "out" / "knight.png"))
