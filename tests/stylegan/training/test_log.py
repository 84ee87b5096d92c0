"""The log of a run: lines of JSON always, curves where TensorBoard is installed."""

import sys
from pathlib import Path

import pytest

from stylegan.training.log import Log, duration


def test_lines_past_the_saved_length_are_forgotten(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.begin(0, 0)
    log.write({"step": 1, "G": 0.5}, 1)
    length = len(log)
    log.write({"step": 2, "G": 0.25}, 2)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 3, "G"')
    again = Log(tmp_path)
    again.begin(length, 1)
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 1, "G": 0.5}\n'


def test_without_tensorboard_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ValueError, match=r'^TensorBoard .* pip install "pulse-latent\[train\]"'):
        Log(tmp_path, tensorboard=True)


def test_curves(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = Log(tmp_path, tensorboard=True)
    log.begin(0, 0)
    for step in (1, 2, 3):
        log.write({"step": step, "G": 0.5 * step}, step)
    log.close()
    again = Log(tmp_path, tensorboard=True)
    # The step after the second is taken again.
    again.begin(0, 3)
    again.write({"step": 3, "G": 9.0}, 3)
    again.close()
    curves = EventAccumulator(str(tmp_path / "tensorboard"))
    curves.Reload()
    assert [(point.step, point.value) for point in curves.Scalars("G")] == [(1, 0.5), (2, 1.0), (3, 9.0)]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59, "59 s"), (61, "1 min"), (3599, "1 h 0 min"), (9000, "2 h 30 min"), (360_000, "4 d 4 h")],
)
def test_lengths_of_time_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
