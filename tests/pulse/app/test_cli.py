"""The command line: every input mode comes out as a PNG, every mistake as one sentence and exit code 2."""

import errno
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import pulse
import stylegan
from pulse import depixelizer
from pulse.app import cli, sprites
from pulse.batch import one
from pulse.pictures import read_picture, read_text, to_pil, write_picture
from stylegan.common import files

Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def run(tiny: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Calls `pulse search` with three steps on the tiny generator; gives the exit code and both outputs' lines."""

    def call(*arguments: object) -> tuple[int, list[str], list[str]]:
        given = ["search", "--steps=3", "--size=8", "--seed=1", f"--generator={tiny}", *map(str, arguments)]
        code = cli.main(given)
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two sprites in it."""
    for name in ("knight", "cat"):
        write_picture(tmp_path / "in" / f"{name}.png", sprites.load(name)[0])
    return tmp_path / "in"


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_every_input_mode_becomes_a_png(tmp_path: Path, run: Run) -> None:
    sprite = to_pil(sprites.load("hero")[0]).resize((40, 30))
    (tmp_path / "in").mkdir()
    for mode in ("1", "L", "LA", "P", "RGBA"):
        sprite.convert(mode).save(tmp_path / "in" / f"{mode}.png")
    for mode in ("CMYK", "RGB"):
        sprite.convert(mode).save(tmp_path / "in" / f"{mode}.jpg")
    sprite.convert("L").convert("I;16").save(tmp_path / "in" / "I16.png")
    sprite.save(tmp_path / "in" / "G.gif")
    code, out, err = run(tmp_path / "in", "-o", tmp_path / "out")
    assert (code, err) == (0, [])
    assert len(out) == 9
    assert _files(tmp_path / "out") == sorted(f"{Path(name).stem}.png" for name in _files(tmp_path / "in"))
    assert read_picture(tmp_path / "out" / "LA.png").shape == (1, 3, 16, 16)


def test_the_png_says_where_it_comes_from(tmp_path: Path, folder: Path, run: Run) -> None:
    run(folder / "knight.png", "-o", tmp_path / "out")
    text = read_text(tmp_path / "out" / "knight.png")
    assert text["synthetic"] == "true"
    assert "ynthetic" in text["Description"]
    assert text["generator"] == "tiny.safetensors"
    assert text["seed"] == "1"
    assert text["reached"] in ("true", "false")
    assert float(text["loss"]) > 0
    assert json.loads(text["settings"])["steps"] == 3
    assert str(tmp_path) not in "".join(text.values())


def test_a_result_is_that_of_the_library_with_the_same_seed(tmp_path: Path, folder: Path, run: Run, tiny: Path) -> None:
    run(folder, "-o", tmp_path / "out")
    result = pulse.depixelize(folder / "knight.png", generator=str(tiny), size=8, steps=3, seed=1)
    torch.testing.assert_close(read_picture(tmp_path / "out" / "knight.png"), result.images, atol=0.51 / 255, rtol=0)


def test_sheet_and_whole_results(tmp_path: Path, folder: Path, run: Run) -> None:
    out = tmp_path / "out"
    assert run(folder, "-o", out, "--sheet", "--save-result")[0] == 0
    assert _files(out) == ["cat.png", "cat.safetensors", "contact_sheet.png", "knight.png", "knight.safetensors"]
    assert pulse.Result.load(out / "cat.safetensors").images.shape == (1, 3, 16, 16)


def test_sheets_and_whole_results_of_another_request_are_kept(tmp_path: Path, folder: Path, run: Run) -> None:
    out = tmp_path / "out"
    run(folder, "-o", out, "--sheet", "--save-result")
    before = {name: (out / name).read_bytes() for name in ("contact_sheet.png", "cat.safetensors")}
    # A folder that has grown is the same request.
    shutil.copy(folder / "cat.png", folder / "new.png")
    assert run(folder, "-o", out, "--sheet", "--save-result")[0] == 0
    sheet = (out / "contact_sheet.png").read_bytes()
    assert sheet != before["contact_sheet.png"]
    # With another seed the sheet is in the way before anything is searched; without a sheet, each whole result is.
    (out / "cat.png").unlink()
    code, lines, err = run(folder, "-o", out, "--sheet", "--seed=2")
    assert (code, lines, len(err), "contact_sheet.png" in err[0]) == (2, [], 1, True)
    code, _, err = run(folder / "cat.png", "-o", out, "--save-result", "--seed=2")
    assert (code, "cat.safetensors is a result of another request" in err[0]) == (2, True)
    assert (out / "contact_sheet.png").read_bytes() == sheet
    assert (out / "cat.safetensors").read_bytes() == before["cat.safetensors"]
    # A file that merely has the name is no whole result.
    run(folder / "cat.png", "-o", out)
    (out / "cat.safetensors").write_text("mine")
    assert run(folder / "cat.png", "-o", out, "--save-result")[0] == 2
    assert (out / "cat.safetensors").read_text() == "mine"


def test_inputs_of_one_stem_do_not_overwrite_each_other(tmp_path: Path, folder: Path, run: Run) -> None:
    Image.new("RGB", (9, 9), "red").save(folder / "knight.bmp")
    Image.new("RGB", (9, 9), "blue").save(folder / "KNIGHT_2.gif")
    assert run(folder, folder / "knight.png", "-o", tmp_path / "out")[0] == 0
    assert _files(tmp_path / "out") == ["KNIGHT_2.png", "cat.png", "knight.png", "knight_3.png"]


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path, folder: Path, run: Run) -> None:
    out = tmp_path / "out"
    run(folder, "-o", out)
    (out / "cat.png").unlink()
    before = (out / "knight.png").stat().st_mtime_ns
    code, lines, _ = run(folder, "-o", out, "--sheet")
    assert code == 0
    assert lines[0].startswith(str(out / "cat.png"))
    assert lines[1].startswith("1 done by an earlier run")
    assert (out / "knight.png").stat().st_mtime_ns == before
    # Another picture behind the same words brings its face up to date; --overwrite does all of them again.
    write_picture(folder / "cat.png", sprites.load("robot")[0])
    assert run(folder, "-o", out)[1][0].startswith(str(out / "cat.png"))
    assert len(run(folder, "-o", out, "--overwrite")[1]) == 2


def test_a_face_of_another_request_is_kept(tmp_path: Path, folder: Path, run: Run) -> None:
    out = tmp_path / "out"
    run(folder, "-o", out)
    before = (out / "cat.png").read_bytes()
    for other in ("--seed=2", "--steps=2", "--framing=crop"):
        code, lines, err = run(folder, "-o", out, other)
        assert (code, lines, len(err)) == (2, [], 2)
        assert "result of another request" in err[0]
    assert (out / "cat.png").read_bytes() == before
    assert run(folder, "-o", out, "--seed=2", "--overwrite")[0] == 0
    assert (out / "cat.png").read_bytes() != before


def test_another_generator_in_the_same_file_does_it_again(tmp_path: Path, folder: Path, run: Run, tiny: Path) -> None:
    path = tmp_path / "g.safetensors"
    path.write_bytes(tiny.read_bytes())
    arguments = (folder / "cat.png", "-o", tmp_path / "out", f"--generator={path}")
    assert run(*arguments)[0] == 0
    assert run(*arguments)[1][0].startswith("1 done by an earlier run")
    G = stylegan.load(path)
    with torch.no_grad():
        next(G.synthesis.parameters()).mul_(0.5)
    stylegan.save(G, path)
    assert run(*arguments)[1][0].startswith(str(tmp_path / "out" / "cat.png"))


@pytest.mark.parametrize("damage", ["no loss", "words for loss", "no verdict", "cut off", "another size", "huge"])
def test_a_planted_or_damaged_result_is_no_answer(tmp_path: Path, folder: Path, run: Run, damage: str) -> None:
    out = tmp_path / "out"
    run(folder / "cat.png", "-o", out)
    path = out / "cat.png"
    text, image = read_text(path), read_picture(path)[0]
    if damage == "words for loss":
        text["loss"] = "low"
    elif damage in ("no loss", "no verdict"):
        del text["loss" if damage == "no loss" else "reached"]
    elif damage == "another size":
        image = image[:, :8, :8]
    write_picture(path, image, text)
    if damage == "cut off":
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "huge":
        data = bytearray(path.read_bytes())
        data[16:24] = struct.pack(">II", 200_000, 200_000)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
        path.write_bytes(data)
    code, lines, err = run(folder / "cat.png", "-o", out, "--sheet")
    assert (code, err) == (0, [])
    assert lines[0].startswith(f"{path}  loss ")
    assert read_picture(path).shape == (1, 3, 16, 16)


def test_bad_paths_do_not_spoil_the_others(tmp_path: Path, folder: Path, run: Run) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "b.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "dangling.png").symlink_to("gone.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "empty").mkdir()
    bad = [tmp_path / name for name in ("a.png", "dangling.png", "pipe.png", "empty")]
    code, out, err = run(*bad, folder, "-o", tmp_path / "out")
    assert (code, len(out), len(err)) == (2, 2, 4)
    for path, line in zip(bad, err, strict=True):
        assert str(path) in line
        assert line.endswith(".")


def test_what_is_passed_over_in_a_folder_is_said_once(tmp_path: Path, folder: Path, run: Run) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "c.png").write_bytes(b"")
    (folder / "d.png").symlink_to("gone.png")
    (folder / "e.svg").write_text("<svg/>")
    (folder / "notes.txt").write_text("")
    (folder / ".hidden.png").write_text("")
    code, out, err = run(folder, "-o", tmp_path / "out")
    assert (code, len(out), len(err)) == (0, 2, 1)
    for name in ("sub (a folder)", "d.png (a link that leads nowhere)", "e.svg (", "notes.txt ("):
        assert name in err[0]


def test_strange_names(tmp_path: Path, folder: Path, run: Run) -> None:
    long, longer = "y" * 251, "y" * 250 + "z"
    names = [b"caf\xe9", b"\x1b[31mred", long.encode(), longer.encode(), ("ü" * 125).encode()]
    for name in names:
        shutil.copy(folder / "cat.png", os.path.join(os.fsencode(folder), name + b".png"))
    code, out, err = run(folder, "-o", tmp_path / "out", "--sheet", "--save-result")
    assert (code, err) == (0, [])
    assert all(line.isprintable() for line in out)
    made = [name for name in os.listdir(os.fsencode(tmp_path / "out")) if name.endswith(b".png")]
    assert len(made) == len(names) + 3
    assert b"caf\xe9.png" in made
    # All of them are found again.
    assert run(folder, "-o", tmp_path / "out", "--save-result")[1][0].startswith("7 done by an earlier run")


def test_a_full_disk_ends_the_batch(tmp_path: Path, folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("x", "y", "z"):
        shutil.copy(folder / "cat.png", folder / f"{name}.png")
    real, tried = files.os.replace, []

    def full(part: Any, path: Any) -> None:
        tried.append(path)
        if len(tried) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(part, path)

    monkeypatch.setattr(files.os, "replace", full)
    code, out, err = run(folder, "-o", tmp_path / "out")
    assert (code, len(out), len(tried)) == (2, 1, 2)
    assert "disk is full" in err[0]
    assert "knight.png" in err[0]
    assert err[1] == "1 are done; not begun: x.png, y.png, z.png."
    assert _files(tmp_path / "out") == ["cat.png"]


def test_notes_and_verdict(tmp_path: Path, folder: Path, run: Run) -> None:
    Image.new("RGB", (16, 16), "blue").save(folder / "cat.png")
    code, out, err = run(folder, "-o", tmp_path / "out")
    assert (code, len(out), len(err)) == (0, 2, 1)
    assert "cat.png: It is of one colour" in err[0]
    text = read_text(tmp_path / "out" / "cat.png")
    assert "one colour" in text["notes"]
    # One short line for each picture; the verdict is in the PNG, and on the terminal with -v.
    assert all(len(line) < len(str(tmp_path)) + 80 for line in out)
    assert "of 255 grey levels" in text["verdict"]
    assert f"  {text['verdict']}" in run(folder, "-o", tmp_path / "out", "--overwrite", "-v")[1]


def test_foreign_files_are_not_replaced(tmp_path: Path, folder: Path, run: Run) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cat.png").write_text("mine")
    code, _, err = run(folder, "-o", tmp_path / "out")
    assert code == 2
    assert len(err) == 1
    assert (tmp_path / "out" / "cat.png").read_text() == "mine"
    assert (tmp_path / "out" / "knight.png").exists()
    assert run(folder, "-o", tmp_path / "out", "--overwrite")[0] == 2
    assert (tmp_path / "out" / "cat.png").read_text() == "mine"


def test_a_batch_goes_on_past_bad_files(tmp_path: Path, folder: Path, run: Run) -> None:
    (folder / "broken.png").write_bytes(b"no picture")
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    code, out, err = run(folder, folder / "gone.png", "-o", tmp_path / "out")
    assert code == 2
    assert len(out) == 2
    assert [name in line for name, line in zip(("gone.png", "broken.png", "dot.png"), err, strict=True)] == [True] * 3
    assert _files(tmp_path / "out") == ["cat.png", "knight.png"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["empty"],
        ["missing.png"],
        ["broken.png"],
        ["dot.png"],
        ["in", "--generator=nobody"],
        ["in", "--generator=broken.png"],
        ["in", "--size=32"],
        ["in", "--size=0"],
        ["in", "--steps=-5"],
        ["in", "--steps", "-5"],
        ["in", "--steps=many"],
        ["in", "--starts=0"],
        ["in", "--eps=-1"],
        ["in", "--kernel=magic"],
        ["in", "--framing=squash"],
        ["in", "--background=nocolour"],
        ["in", "--loss-str=L7"],
        ["in", "--seed=-1"],
        ["in", "--no-such-option"],
        ["in", "-o", "in"],
        ["in", "-o", "dot.png"],
        ["in", "-o", "dot.png/out"],
        ["in", "--sheet", "-o", "taken"],
        [],
    ],
)
def test_each_mistake_is_one_sentence_and_writes_nothing(
    tmp_path: Path, folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("broken.png").write_bytes(b"no picture")
    Image.new("RGB", (1, 1)).save("dot.png")
    Path("taken").mkdir()
    Path("taken/contact_sheet.png").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    code, _, err = run("-o", "out", *arguments)
    assert code == 2
    assert len(err) == 1, err
    assert err[0].endswith(".")
    assert sorted(tmp_path.rglob("*")) == before


def test_ctrl_c_writes_the_best_so_far(tmp_path: Path, folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any, callback: Callable[[int, Any], object], **options: Any) -> pulse.Result:
        def pressed(step: int, state: Any) -> None:
            if step == 1:
                raise KeyboardInterrupt

        return depixelizer.depixelize(*arguments, callback=pressed, **options)

    monkeypatch.setattr(one, "depixelize", interrupted)
    code, _, err = run(folder, "-o", tmp_path / "out")
    assert code == 130
    assert err == ["1 are done; not begun: knight.png.", "Interrupted: what was found so far is written."]
    assert _files(tmp_path / "out") == ["cat.png"]
    monkeypatch.undo()
    # What was cut short is done again.
    assert len(run(folder, "-o", tmp_path / "out")[1]) == 2
