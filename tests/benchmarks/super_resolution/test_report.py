"""The whole command, on two portraits and on a folder of pictures, and the form of its report."""

import json
import re
from pathlib import Path

import pytest
import torch

from benchmarks.super_resolution import weighted
from benchmarks.super_resolution.__main__ import main
from benchmarks.super_resolution.document import Cell, Gallery, Heading, Paragraph, Points, Table, write
from benchmarks.super_resolution.methods import METHODS, Method, Task
from stylegan import portraits
from stylegan.common.png import write_png

SMALL = ["--methods", "nearest", "bicubic", "--draws", "2", "--reader-test", "20"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("report")
    options = ["-o", str(output), "--count", "3", "--others", "1", "--degradations", "bicubic", "mismatched", *SMALL]
    assert main(options) == 0
    return output


def test_the_page_needs_no_other_file(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]{0,40})', page)
    assert sources
    assert all(source.startswith(("data:image/", "#")) for source in sources)
    assert "<script" not in page
    for words in ("PSNR", "Who pays?", "Monk 8-10", "What was found", "python -m benchmarks.super_resolution"):
        assert words in page


def test_the_markdown_shows_pictures_that_are_there(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert len(shown) >= 4
    assert all((folder / path).is_file() for path in shown)


def test_the_numbers_are_those_of_the_methods(folder: Path) -> None:
    data = json.loads((folder / "report.json").read_text())
    answers = data["degradations"]["bicubic"]["answers"]
    assert list(answers) == ["the truth", "generator, told all", "nearest", "bicubic"]
    assert answers["bicubic"]["psnr"][0] > answers["nearest"]["psnr"][0] > 15
    assert answers["the truth"]["psnr"][0] == 100
    assert answers["the truth"]["down"][0] < 1e-5 < answers["nearest"]["down"][0]
    assert answers["the truth"]["sharpness"][0] == pytest.approx(0)
    assert answers["bicubic"]["sharpness"][0] < -3
    assert answers["bicubic"]["swd"][0] > 1
    low, high = answers["bicubic"]["ssim"][1:]
    assert low < answers["bicubic"]["ssim"][0] < high
    # Blur and noise that nobody is told of keep even the truth from fitting.
    assert data["degradations"]["mismatched"]["answers"]["the truth"]["down"][0] > 1e-4
    shift = data["fairness"]["tone"]["the truth"]
    assert shift["lighter"] == shift["darker"] == []
    assert set(data["fairness"]["parity"]["UCPR"]["sex"]) == {"nearest", "bicubic"}
    # Interpolations are told nothing, so that they cannot be asked for what is covered.
    assert data["fairness"]["parity"]["UCPR, face covered"]["sex"] == {}


def test_methods_that_are_told_are_asked_about_a_covered_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def enlarged(questions: torch.Tensor, task: Task) -> torch.Tensor:
        operator = task.operator(questions.shape[-1])
        assert operator.A(torch.zeros(1, 3, 128, 128)).shape[1:] == questions.shape[1:]
        asked.append(tuple(questions.shape[2:]))
        return torch.full((len(questions), 3, 128, 128), 0.5)

    monkeypatch.setitem(METHODS, "nearest", Method("nearest", ("nearest",), enlarged, "One.", random=True, told=True))
    options = ["-o", str(tmp_path), "--count", "2", "--others", "1", "--degradations", "bicubic", "--tiny", "0", *SMALL]
    assert main(options) == 0
    assert asked == [(16, 16), (4, 4), (1, 4)]
    parity = json.loads((tmp_path / "report.json").read_text())["fairness"]["parity"]
    assert parity["UCPR, face covered"]["sex"]["nearest"]["count"] == parity["UCPR"]["sex"]["nearest"]["count"] == 2
    assert "UCPR, face covered: answer" in (tmp_path / "report.md").read_text()


def test_a_second_run_measures_nothing_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("benchmarks.super_resolution.measures.measure", never)
    options = ["-o", str(folder), "--count", "2", "--others", "1", "--degradations", "bicubic", *SMALL]
    assert main(options) == 0
    data = json.loads((folder / "report.json").read_text())
    assert data["degradations"]["bicubic"]["count"] == 2


def test_of_pictures_of_a_folder_nothing_is_said_about_groups(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "faces"
    images.mkdir()
    u = portraits.sample(2, torch.Generator().manual_seed(1))
    for i, image in enumerate(portraits.render(u, 160)):
        write_png(images / f"{i}.png", image[:, :, : 150 + i])
    write_png(images / "small.png", torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0)))
    options = ["-o", str(tmp_path / "out"), "--images", str(images), "--degradations", "area", "--methods", "bicubic"]
    assert main(options) == 0
    assert "small.png is left out: its shorter side has 40 pixels" in capsys.readouterr().err
    data = json.loads((tmp_path / "out" / "report.json").read_text())
    assert data["fairness"] is None
    assert data["degradations"]["area"]["count"] == 2
    assert "Whose faces these are is not known" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--images", "no/such/folder"], "There is no folder no/such/folder"),
        (["--count", "0"], "--count is 0"),
        (["--size", "4"], "give 8 to 64"),
        (["--method", "no_such_module:f"], "no_such_module:f"),
        (["--methods", "checkpoint"], "no file was given by --checkpoint"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-o", str(tmp_path), *options]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1


def test_a_report_escapes_what_it_shows_and_marks_the_best(tmp_path: Path) -> None:
    image = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    blocks = [
        Heading("a < b", 1),
        Paragraph("run `x & y`"),
        Points(["one", "two"]),
        Table(["name", "value"], [["m|n", Cell("1.0", "0.9 to 1.1", best=True)]], caption="All.", folded="More"),
        Gallery(["question", "answer"], [[image, None]], ["first"], "Two.", "two"),
    ]
    write(blocks, tmp_path, "a < b")
    page, text = (tmp_path / "report.html").read_text(), (tmp_path / "report.md").read_text()
    assert "<h1>a &lt; b</h1>" in page
    assert "<code>x &amp; y</code>" in page
    assert "<b>1.0</b><small>0.9 to 1.1</small>" in page
    assert "<summary>More</summary>" in page
    assert "| m\\|n | **1.0** (0.9 to 1.1) |" in text
    assert (tmp_path / "pictures" / "two.png").is_file()


def test_metrics_without_weights_are_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "pyiqa" else object())
    found, missing = weighted.at_hand()
    assert found == {}
    assert missing == [
        f"LPIPS was not measured because its weights, alexnet-owt-7be5be79.pth, are not in {tmp_path / 'checkpoints'}.",
        "NIQE was not measured because the package pyiqa is not installed.",
    ]


def test_metrics_with_weights_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "alexnet-owt-7be5be79.pth").touch()
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if name == "lpips" else None)
    monkeypatch.setattr(weighted, "_lpips", lambda: lambda answers, truths: (answers - truths).abs().mean((1, 2, 3)))
    found, missing = weighted.at_hand()
    assert list(found) == ["LPIPS"]
    assert len(missing) == 1
