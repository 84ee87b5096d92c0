"""pulse.search_folder: the command `pulse search` as a function."""

from pathlib import Path
from typing import Any

import pytest
import torch

import pulse
from pulse.batch import one
from pulse.pictures import read_picture


def test_a_folder_in_one_call(tmp_path: Path, folder: Path, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = pulse.search_folder(folder, tmp_path / "out", generator=tiny, seed=1, steps=2, size=8, sheet=True)
    assert [path.name for path in report.written] == [f"{number}.png" for number in range(6)]
    assert len(report.failures) == 1
    assert report.sheet == tmp_path / "out" / "contact_sheet.png"
    assert report.sheet.is_file()
    assert capsys.readouterr() == ("", "")
    alone = pulse.depixelize(folder / "3.png", generator=tiny, seed=1, steps=2, size=8)
    difference = read_picture(report.written[3]) - alone.images
    assert difference.abs().max() < 0.51 / 255
    again = pulse.search_folder([folder / "3.png"], tmp_path / "out", generator=tiny, seed=1, steps=2, size=8)
    assert [path.name for path in again.skipped] == ["3.png"]


def test_it_tells_what_the_command_tells_if_asked_to(
    tmp_path: Path, folder: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = pulse.search_folder(folder / "0.png", tmp_path / "out", generator=tiny, seed=1, steps=0, quiet=False)
    out, _ = capsys.readouterr()
    assert out.startswith(f"{report.written[0]}  loss ")


def test_a_search_has_the_threads_it_was_given_and_leaves_torch_its_own(
    tmp_path: Path, folder: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    had = []

    def depixelize(*arguments: Any, **options: Any) -> pulse.Result:
        had.append(torch.get_num_threads())
        return pulse.depixelize(*arguments, **options)

    monkeypatch.setattr(one, "depixelize", depixelize)
    before = torch.get_num_threads()
    options: dict[str, Any] = {"generator": tiny, "seed": 1, "steps": 0}
    pulse.search_folder(folder / "0.png", tmp_path / "a", threads=before + 1, **options)
    pulse.search_folder(folder / "0.png", tmp_path / "b", **options)
    assert had == [before + 1, before]
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("method", ["bounded", "pulse", "fast"])
def test_every_method_leaves_torch_its_threads(method: str, generator: Any) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 1)
        pulse.search(generator, torch.full((1, 3, 8, 8), 0.4), method=method, steps=1, seed=0)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"threads": 0}, "The number of threads is 0; give a whole number of at least 1."),
        ({"stepz": 3}, "There is no option 'stepz'; did you mean steps"),
        ({"kind": "people", "steps": 3}, "Only drawn answers have kind, and only the network's search has steps"),
        ({"framing": "bend"}, "framing"),
    ],
)
def test_what_is_wrong_for_all_pictures_is_one_sentence(
    tmp_path: Path, folder: Path, tiny: Path, wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        pulse.search_folder(folder, tmp_path / "out", generator=tiny, **wrong)
    assert not (tmp_path / "out").exists()


def test_samples_of_a_posterior_are_a_picture_each(tmp_path: Path, folder: Path, tiny: Path) -> None:
    how: dict[str, Any] = {"generator": tiny, "seed": 1, "steps": 2, "size": 8, "draw": "posterior", "samples": 3}
    report = pulse.search_folder(folder / "3.png", tmp_path / "out", **how)
    assert [path.name for path in report.written] == ["3.png"]
    samples = [read_picture(tmp_path / "out" / name) for name in ("3.png", "3.2.png", "3.3.png")]
    assert not torch.equal(samples[0], samples[1])
    alone = pulse.depixelize(folder / "3.png", **how)
    for sample, image in zip(samples, alone.images, strict=True):
        assert (sample - image).abs().max() < 0.51 / 255
    again = pulse.search_folder(folder / "3.png", tmp_path / "out", **how)
    assert [path.name for path in again.skipped] == ["3.png"]
