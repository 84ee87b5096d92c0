"""The command `pulse depixelize`: its files, what they say, and what it does with what is there already."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pulse.app import cli, sprites
from pulse.pictures import read_picture, read_text, write_picture

torch = pytest.importorskip("torch")
pytest.importorskip("typer")


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a sprite, a sheet of two, and a generator of 16 px that is searched in a moment."""
    import stylegan
    from stylegan.networks.stylegan2 import Generator

    torch.manual_seed(0)
    G = Generator(32, 0, 16, 16, mapping_kwargs={"num_layers": 2}, synthesis_kwargs={"channel_max": 8})
    G.gaussian_fit = {"mean": torch.zeros(16), "std": torch.ones(16)}
    stylegan.save(G, tmp_path / "g.safetensors")
    write_picture(tmp_path / "cat.png", sprites.load("cat")[0])
    write_picture(tmp_path / "sheet.png", torch.cat([sprites.load("cat")[0], sprites.load("knight")[0]], 2))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> int:
    more = ["--generator", "g.safetensors", "--steps", "2", "-o", "o", "--seed", "1"]
    return cli.main(["depixelize", *arguments, *more])


def names() -> set[str]:
    return {str(path.relative_to("o")) for path in Path("o").rglob("*") if path.is_file()}


def test_samples_explore_and_a_run_that_goes_on(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["cat.png", "--samples", "2", "--explore", "--contact-sheet"]
    assert run(*asked) == 0
    all_of_it = {"cat.png", "cat-2.png", "cat.samples.png", "cat.disagreement.png", "cat.explore.png"}
    assert names() == {*all_of_it, "contact_sheet.png"}
    assert all(read_text(Path("o", name))["synthetic"] == "true" for name in names())
    before = {name: Path("o", name).read_bytes() for name in all_of_it}
    # As if the run had been killed before its last file.
    Path("o/cat.png").unlink()
    assert run(*asked) == 0
    assert {name: Path("o", name).read_bytes() for name in all_of_it} == before
    capsys.readouterr()
    assert run(*asked) == 0
    assert "5 done by an earlier run" in capsys.readouterr().out
    assert run("cat.png", "--samples", "2") == 2


def test_the_text_makes_the_face_again(at: Path) -> None:
    import pulse

    assert run("sheet.png", "--sheet", "2x1", "--soften") == 0
    assert names() == {"sheet/1-1.png", "sheet/1-2.png"}
    call = read_text("o/sheet/1-2.png")["again"]
    again: Any = eval(call, {"pulse": pulse})
    assert call.startswith("pulse.depixelize(pulse.soften(pulse.cut_sheet('sheet.png', '2x1')[1].picture")
    assert again.to_pil().tobytes() == Image.open("o/sheet/1-2.png").tobytes()


def test_stages(at: Path) -> None:
    assert run("cat.png", "--iterate", "3", "--caption") == 0
    assert names() == {"cat.png", "cat.stage-1.png", "cat.stage-2.png", "cat.stages.png"}
    assert read_text("o/cat.png")["again"].endswith("[2]")
    assert read_picture("o/cat.png").shape == (1, 3, 16, 16)


def test_one_object_for_scripts_and_a_bad_file_at_the_end(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.png").write_text("no picture")
    assert run("bad.png", "cat.png", "--json") == 2
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert (told["exit"], told["written"]) == (2, ["o/cat.png"])
    assert "bad.png" in told["failures"][0]
    assert "bad.png" in printed.err
    assert told["pictures"][0]["seed"] == 1


def test_an_animation_becomes_a_film(at: Path) -> None:
    first = Image.open("cat.png").convert("RGB")
    second = first.copy()
    second.paste((200, 30, 30), (4, 4, 9, 9))
    first.save("walk.gif", save_all=True, append_images=[second], duration=100)
    assert run("walk.gif", "--contact-sheet", "--format", "gif") == 0
    assert names() == {"walk.gif", "contact_sheet.png"}
    assert Image.open("o/walk.gif").n_frames == 2  # type: ignore[attr-defined]
    assert read_text("o/walk.gif")["synthetic"] == "true"
    made = Path("o/walk.gif").read_bytes()
    assert run("walk.gif", "--contact-sheet", "--format", "gif") == 0
    assert Path("o/walk.gif").read_bytes() == made


_WRONG = ["--samples 0", "--samples 2 --iterate 2", "--sheet x", "--crop 1,2", "--format avi", "--engine feedforward"]


@pytest.mark.parametrize("wrong", _WRONG)
def test_what_makes_no_sense_is_one_sentence(wrong: str, at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cat.png", *wrong.split(), *(["--network", "gone"] if "engine" in wrong else [])) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not Path("o").exists()
