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


_WRONG = [
    "--film spin",
    "--film turn,",
    "--film-size 4",
    "--engine feedforward --film turn",
    "--engine feedforward --zoom",
]
_WRONG += ["--samples 0", "--samples 2 --iterate 2", "--sheet x", "--crop 1,2", "--format avi", "--engine feedforward"]


@pytest.mark.parametrize("wrong", _WRONG)
def test_what_makes_no_sense_is_one_sentence(wrong: str, at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cat.png", *wrong.split(), *(["--network", "gone"] if "engine" in wrong else [])) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not Path("o").exists()


def test_films_stand_beside_the_faces_and_a_run_goes_on(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pulse

    asked = ["cat.png", "--samples", "2", "--film", "search,morph", "--zoom", "--film-size", "32", "--format", "gif"]
    assert run(*asked, "--json") == 0
    films = {"search": "cat.search.gif", "morph": "cat.morph.gif", "zoom": "cat.zoom.gif"}
    assert names() == {"cat.png", "cat-2.png", "cat.samples.png", "cat.disagreement.png", *films.values()}
    told = json.loads(capsys.readouterr().out)
    assert told["pictures"][0]["films"] == {name: f"o/{file}" for name, file in films.items()}
    assert {f"o/{name}" for name in names()} == set(told["written"])
    for name, file in films.items():
        text = read_text(Path("o", file))
        assert (text["synthetic"], text["interrupted"]) == ("true", "false")
        again: Any = eval(text["again"], {"pulse": pulse})
        again.save("again.gif")
        for frame in (0, Image.open("again.gif").n_frames - 1):  # type: ignore[attr-defined]
            assert _frame("again.gif", frame) == _frame(f"o/{file}", frame), name
    before = {name: Path("o", name).read_bytes() for name in names()}
    Path("o/cat.morph.gif").unlink()
    assert run(*asked) == 0
    assert {name: Path("o", name).read_bytes() for name in names()} == before
    capsys.readouterr()
    assert run(*asked, "--json") == 0
    assert {**told["pictures"][0], "done_before": True, "notes": []} == {**_only(capsys), "notes": []}


def _only(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(capsys.readouterr().out)["pictures"][0]
    return made


def _frame(path: str, number: int) -> bytes:
    with Image.open(path) as film:
        film.seek(number)
        return film.convert("RGB").tobytes()


@pytest.mark.usefixtures("few_renderings")
def test_the_head_of_a_drawn_answer_turns(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = ["cat.png", "-o", "o", "--seed", "1", "--kind", "people", "--resolution", "16", "--starts", "1"]
    asked = ["depixelize", *drawn, "--film", "turn,search", "--film-size", "16", "--caption"]
    assert cli.main([*asked, "--format", "apng"]) == 0
    assert names() == {"cat.png", "cat.turn.png", "cat.search.png"}
    assert Image.open("o/cat.turn.png").n_frames > 10  # type: ignore[attr-defined]
    assert read_text("o/cat.turn.png")["again"].startswith("pulse.film_of_turn(pulse.depixelize('cat.png', ")
    capsys.readouterr()
    assert run("cat.png", "--film", "turn") == 2
    assert capsys.readouterr().err == (
        "A network's face cannot be turned; leave --film turn out, or choose --finish drawn.\n"
    )


def test_a_signal_while_a_film_is_drawn_keeps_the_faces(at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import signal

    from pulse.films import answers

    def slow(*given: Any) -> Any:
        yield torch.zeros(3, 32, 32)
        os.kill(os.getpid(), signal.SIGTERM)
        yield torch.zeros(3, 32, 32)
        raise AssertionError("the film went on")

    with monkeypatch.context() as patch:
        patch.setattr(answers, "_sharpened", slow)
        assert run("cat.png", "--film", "morph", "--film-size", "32") == 143
    assert names() == {"cat.png"}
    assert read_text("o/cat.png")["interrupted"] == "true"
    assert run("cat.png", "--film", "morph", "--film-size", "32") == 0
    assert names() == {"cat.png", "cat.morph.webp"}
    assert read_text("o/cat.png")["interrupted"] == "false"


def test_several_processes_do_what_one_does(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from stylegan.common.processes import with_threads

    Path("bad.png").write_text("no picture")
    asked = ["bad.png", "sheet.png", "cat.png", "--film", "search", "--film-size", "16", "--contact-sheet", "--json"]
    told = []
    for jobs in ("1", "2"):
        with with_threads(1):
            assert run(*asked, "--jobs", jobs) == 2
        printed = capsys.readouterr()
        told.append([json.loads(printed.out), sorted(printed.err.splitlines())])
        Path("o").rename(f"o{jobs}")
    assert told[0] == told[1]
    assert len(told[0][0]["pictures"]) == 2
    here, there = ({path.name: path.read_bytes() for path in Path(f"o{n}").iterdir()} for n in (1, 2))
    assert here == there
    assert len(here) == 5
    Path("o2").rename("o")
    Path("o/cat.png").unlink()
    assert run("cat.png", "--film", "search", "--film-size", "16", "--json", "--jobs", "2") == 0
    assert json.loads(capsys.readouterr().out)["written"] == ["o/cat.png", "o/cat.search.webp"]
    assert run("cat.png", "--jobs", "0") == 2
