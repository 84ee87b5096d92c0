"""`python -m pulse.run` takes PULSE's flags and writes PULSE's files."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import stylegan
from pulse.app import run, sprites
from pulse.pictures import read_picture, read_text, write_picture

Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stand_in: Any) -> Run:
    """Runs in a folder with two pictures in `input`, on a stand-in for the generator in the box."""
    monkeypatch.chdir(tmp_path)
    write_picture("input/knight.png", sprites.load("knight")[0])
    write_picture("input/cat.png", sprites.load("cat")[0])
    monkeypatch.setattr(stylegan, "load", lambda source: stand_in())

    def call(*arguments: str) -> tuple[int, list[str], list[str]]:
        try:
            code = run.main(arguments)
        except SystemExit as left:
            code = int(left.code or 0)
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return call


def _files(folder: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def test_the_defaults_are_those_of_pulse() -> None:
    assert vars(run._parser().parse_args([])) == {
        "input_dir": "input",
        "output_dir": "runs",
        "cache_dir": "cache",
        "duplicates": 1,
        "batch_size": 1,
        "seed": None,
        "loss_str": "100*L2+0.05*GEOCROSS",
        "eps": 2e-3,
        "noise_type": "trainable",
        "num_trainable_noise_layers": 5,
        "tile_latent": False,
        "bad_noise_layers": "17",
        "opt_name": "adam",
        "learning_rate": 0.4,
        "steps": 100,
        "lr_schedule": "linear1cycledrop",
        "save_intermediate": False,
        # Ours.
        "overwrite": False,
        "verbose": False,
    }


def test_one_png_for_each_picture(script: Run) -> None:
    code, out, err = script("-steps", "2")
    assert (code, err) == (0, [])
    assert _files("runs") == ["cat.png", "knight.png"]
    assert read_picture("runs/cat.png").shape == (1, 3, 32, 32)
    assert read_text("runs/cat.png")["synthetic"] == "true"
    assert json.loads(read_text("runs/cat.png")["settings"])["method"] == "pulse"
    assert sum("CUDA" in line for line in out) == (0 if torch.cuda.is_available() else 1)
    assert sum("generator in the box" in line for line in out) == 1


def test_a_missed_eps_still_gives_a_picture_and_a_sentence(script: Run) -> None:
    _, out, _ = script("-steps", "1", "-eps", "0")
    assert _files("runs") == ["cat.png", "knight.png"]
    assert sum(line.startswith("runs/cat.png") and "does not fit (eps 0)" in line for line in out) == 1


def test_what_is_there_is_kept(script: Run) -> None:
    script("-steps", "1", "-seed", "3")
    before = Path("runs/cat.png").read_bytes()
    # The same words leave it, other words refuse to replace it, and -overwrite replaces it.
    code, out, _ = script("-steps", "1", "-seed", "3")
    assert (code, out[-1].split(";")[0]) == (0, "2 done by an earlier run and left as they are")
    code, _, err = script("-steps", "1", "-seed", "4")
    assert (code, len(err)) == (2, 2)
    assert Path("runs/cat.png").read_bytes() == before
    assert script("-steps", "1", "-seed", "4", "-overwrite")[0] == 0
    assert Path("runs/cat.png").read_bytes() != before
    # What somebody else made is never replaced.
    Path("runs/cat.png").write_text("mine")
    code, _, err = script("-steps", "1", "-seed", "4", "-overwrite")
    assert (code, len(err), "was not made by this program" in err[0]) == (2, 1, True)
    assert Path("runs/cat.png").read_text() == "mine"


def test_what_is_no_png_is_named(script: Run) -> None:
    Image.new("RGB", (8, 8)).save("input/photo.jpg")
    Image.new("RGB", (8, 8)).save("input/LOUD.PNG")
    Path("input/sub").mkdir()
    code, _, err = script("-steps", "1")
    assert code == 0
    assert len(err) == 1
    for name in ("photo.jpg", "LOUD.PNG", "sub (a folder)"):
        assert name in err[0]


def test_a_closed_folder_is_told_in_a_sentence(script: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(folder: Path) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", closed)
    assert script() == (2, [], ["input cannot be looked into: Permission denied; check its permissions."])


def test_intermediate_files_of_another_request_are_kept(script: Run) -> None:
    script("-steps", "2", "-seed", "3", "-save_intermediate")
    first = Path("runs/cat/HR/cat_0.png").read_bytes()
    for name in ("cat", "knight"):
        Path(f"runs/{name}.png").unlink()
    code, _, err = script("-steps", "2", "-seed", "4", "-save_intermediate")
    assert (code, "result of another request" in err[0]) == (2, True)
    assert Path("runs/cat/HR/cat_0.png").read_bytes() == first
    assert script("-steps", "2", "-seed", "4", "-save_intermediate", "-overwrite")[0] == 0
    assert Path("runs/cat/HR/cat_0.png").read_bytes() != first


def test_duplicates_are_numbered_and_differ(script: Run) -> None:
    script("-steps", "2", "-seed", "3", "-duplicates", "2")
    assert _files("runs") == ["cat_1.png", "cat_2.png", "knight_1.png", "knight_2.png"]
    assert (read_picture("runs/cat_1.png") - read_picture("runs/cat_2.png")).abs().amax() > 0.05


def test_a_seed_decides_everything_and_the_batch_size_nothing(script: Run) -> None:
    for folder, size in (("a", "1"), ("b", "1"), ("c", "3")):
        script("-steps", "3", "-seed", "3", "-duplicates", "2", "-batch_size", size, "-output_dir", folder)
    for name in _files("a"):
        assert Path("a", name).read_bytes() == Path("b", name).read_bytes()
        torch.testing.assert_close(read_picture(Path("a", name)), read_picture(Path("c", name)), atol=2 / 255, rtol=0)


@pytest.mark.parametrize(("steps", "first", "last"), [(1, "0", "0"), (10, "0", "9"), (12, "00", "11")])
def test_intermediate_files(script: Run, steps: int, first: str, last: str) -> None:
    script("-steps", str(steps), "-save_intermediate", "-batch_size", "2")
    assert len(_files("runs")) == 2 + 2 * 2 * steps
    for kind, size in (("HR", 32), ("LR", 16)):
        for step in (first, last):
            assert read_picture(f"runs/knight/{kind}/knight_{step}.png").shape == (1, 3, size, size)


def test_pictures_of_several_sizes_and_bad_ones(script: Run) -> None:
    Image.new("LA", (8, 12), (200, 100)).save("input/small.png")
    Image.new("RGB", (33, 8)).save("input/large.png")
    Path("input/broken.png").write_bytes(b"no picture")
    code, _, err = script("-steps", "1", "-batch_size", "4")
    assert code == 2
    # The first is a note: grey on grey is of one colour.
    said = ("small.png: It is of one colour", "broken.png is no picture", "larger than the generator's 32")
    assert [words in line for words, line in zip(said, err, strict=True)] == [True] * 3
    assert _files("runs") == ["cat.png", "knight.png", "small.png"]


def test_weights_in_the_cache_folder_are_used(script: Run, monkeypatch: pytest.MonkeyPatch, stand_in: Any) -> None:
    loaded: list[object] = []
    monkeypatch.setattr(stylegan, "load", lambda source: loaded.append(source) or stand_in())
    Path("weights").mkdir()
    for name in ("synthesis.pt", "mapping.pt"):
        script("-steps", "0", "-cache_dir", "weights")
        Path("weights", name).touch()
    script("-steps", "0", "-cache_dir", "weights")
    assert loaded == ["default", "default", Path("weights")]


@pytest.mark.parametrize(
    "arguments",
    [
        ["-steps", "-1"],
        ["-steps", "many"],
        ["-duplicates", "0"],
        ["-batch_size", "0"],
        ["-seed", "-3"],
        ["-opt_name", "magic"],
        ["-loss_str", "nothing"],
        ["-input_dir", "nowhere"],
        ["-input_dir", "empty"],
        ["-output_dir", "input"],
        ["-output_dir", "input/cat.png"],
        ["--no-such-flag"],
    ],
)
def test_each_mistake_is_one_sentence_and_writes_nothing(script: Run, arguments: list[str]) -> None:
    Path("empty").mkdir()
    before = _files(".")
    code, _, err = script(*arguments)
    assert code == 2
    assert len(err) == 1
    assert err[0].endswith(".")
    assert _files(".") == before
