"""Films of answers: what their first and last frames show, how long they last, and what they say of themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import pulse
from pulse.fit_portrait import NAMES, to_normal, to_unit
from pulse.pictures import read_text
from stylegan import portraits
from stylegan.networks.stylegan2 import Generator
from stylegan.portraits.tint import TINTED, Tint

_SIDE = 32


@pytest.fixture(scope="module")
def G() -> Generator:
    torch.manual_seed(0)
    made = Generator(32, 0, 16, 16, mapping_kwargs={"num_layers": 2}, synthesis_kwargs={"channel_max": 8}).eval()
    made.gaussian_fit = {"mean": torch.zeros(16), "std": torch.ones(16)}
    return made


def _painted(seed: int) -> pulse.Result:
    """A drawn answer with paint on its skin."""
    u = portraits.as_characters(portraits.sample(1, torch.Generator().manual_seed(seed)))
    paint = torch.zeros(1, len(TINTED), 3, 16, 16)
    paint[:, TINTED.index("skin"), seed % 3] = 0.4
    v = to_normal(u)
    image = portraits.render(to_unit(v), _SIDE, Tint(paint, to_unit(v)))
    small = pulse.downsample(image, size=8)
    one = torch.zeros(1)
    return pulse.Result(
        images=image,
        downsampled=small,
        target=small.clamp(0, 1),
        loss=one,
        l2=one,
        reached=one < 1,
        reached_at=one.long(),
        best_at=one.long(),
        start=one.long(),
        latents=v[:, None],
        ws=torch.zeros(1, 0, 0),
        noise=[],
        history={"loss": one[:, None], "l2": one[:, None]},
        seed=seed,
        settings={"finish": "drawn", "resolution": _SIDE, "eps": 0.002, "seed": seed},
        paint=paint,
        painted_at=v,
    )


def test_a_morph_begins_with_the_pixels_and_ends_with_the_face(tmp_path: Path) -> None:
    answer = _painted(3)
    film = pulse.film_of_morph(answer, side=_SIDE)
    frames = list(film)
    assert len(frames) == len(film) == len(film.seconds)
    assert torch.equal(frames[0], answer.target[0].repeat_interleave(4, 1).repeat_interleave(4, 2))
    torch.testing.assert_close(frames[-1], answer.images[0])
    # It becomes sharper from frame to frame.
    detail = [float((frame - answer.images[0]).square().mean()) for frame in frames]
    assert detail[0] > 2 * detail[len(detail) // 2]
    assert detail == sorted(detail, reverse=True)
    film.save(tmp_path / "a.webp")
    text = read_text(tmp_path / "a.webp")
    assert text["again"] == "pulse.film_of_morph(pulse.draw('the picture', seed=3, resolution=32))"
    assert text["synthetic"] == "true"


def test_a_morph_of_painted_answers_keeps_their_paint() -> None:
    ends = [_painted(3), _painted(4)]
    first, middle, last = pulse.morph(ends, frames=3)
    torch.testing.assert_close(first, ends[0].images[0])
    torch.testing.assert_close(last, ends[1].images[0])
    assert not torch.allclose(middle, first, atol=0.05)
    film = pulse.film_of_morph(ends, side=_SIDE)
    frames = list(film)
    assert len(frames) == len(film)
    torch.testing.assert_close(frames[-1], ends[1].images[0])


def test_a_film_of_stages_says_how_to_make_them_all(G: Generator) -> None:
    stages = pulse.iterate(torch.rand(1, 3, 8, 8), 3, generator=G, steps=1, seed=4, grid="off")
    film = pulse.film_of_morph(stages, side=16, generator=G)
    assert film.text["again"].startswith("pulse.film_of_morph(pulse.iterate('the picture', 3, generator=")
    assert film.text["again"].endswith("seed=4))")
    assert len(list(film)) == len(film)


def test_a_head_turns_from_side_to_side_and_the_film_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = _painted(3)
    angles: list[float] = []
    redraw = pulse.Result.redraw

    def watched(self: pulse.Result, i: int = 0, **how: Any) -> pulse.Result:
        made = redraw(self, i, **how)
        angles.append(float(to_unit(made.latents[0])[0, NAMES.index("yaw")]))
        return made

    monkeypatch.setattr(pulse.Result, "redraw", watched)
    frames = list(pulse.film_of_turn(answer, side=_SIDE))
    # Each pose is drawn once, and shown on the way there and back.
    assert len(set(angles)) == len(angles) < len(frames)
    assert min(angles) < 0.1 < 0.9 < max(angles)
    # It begins near the pose of the answer, and no step is larger than others: also not from the end to the beginning.
    steps = [float((a - b).abs().mean()) for a, b in zip(frames, [*frames[1:], frames[0]], strict=True)]
    assert steps[-1] < 2 * max(steps[:-1])
    own = float(to_unit(answer.latents[0])[0, NAMES.index("yaw")])
    assert abs(angles[0] - own) == min(abs(angle - own) for angle in angles)


def test_a_record_films_the_search_that_it_watched(G: Generator) -> None:
    target = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    told: list[int] = []
    record = pulse.SearchRecord(lambda step, state: told.append(step), side=_SIDE)
    with pytest.raises(ValueError, match="The record has seen no search"):
        record.film(_painted(3))
    result = pulse.search(G, target, method="bounded", steps=12, starts=2, seed=1, callback=record)
    assert max(told) == 12
    frames = list(record.film(result))
    assert frames[0].shape == (3, _SIDE, 2 * _SIDE)
    assert all(torch.equal(frame[:, :, :_SIDE], frames[0][:, :, :_SIDE]) for frame in frames)
    right = [frame[:, :, _SIDE:] for frame in frames]

    def error(face: Tensor) -> float:
        return float((pulse.downsample(face[None], size=8) - target).square().mean())

    assert len(frames) > 2
    assert error(right[0]) > error(right[-1])
    assert not torch.equal(right[0], right[-1])


def test_a_long_search_is_thinned_out(G: Generator) -> None:
    from pulse.films import answers

    record = pulse.SearchRecord(side=16)
    result = pulse.search(G, torch.rand(1, 3, 8, 8), steps=1, starts=1, seed=1, callback=record)
    image, latents = record._seen[0][1], record._seen[0][0]
    record._seen = [(latents, image)] * (2 * answers._MOST + 1)
    assert len(record.film(result)) <= answers._MOST + 1


def test_what_cannot_be_filmed_is_one_sentence(G: Generator) -> None:
    found = pulse.search(G, torch.rand(1, 3, 8, 8), steps=0, seed=1)
    with pytest.raises(ValueError, match=r"A network's face cannot be turned; only drawn answers can\."):
        pulse.film_of_turn(found)
    with pytest.raises(ValueError, match="The side of the film is 4; give 16 to 1024 pixels"):
        pulse.film_of_morph(found, side=4)
    with pytest.raises(ValueError, match="A morph needs an answer"):
        pulse.film_of_morph([])


def test_a_zoom_shows_ever_less_of_the_picture_and_a_face_for_each(G: Generator) -> None:
    picture = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    notes: list[str] = []
    film = pulse.film_of_zoom(
        picture, times=4, faces=3, side=_SIDE, generator=G, steps=2, seed=1, grid="off", notes=notes
    )
    frames = list(film)
    assert len(frames) == len(film) == 13
    assert frames[0].shape == (3, _SIDE, 2 * _SIDE)
    # The whole picture at first; in the end a quarter of each side, about the eyes.
    torch.testing.assert_close(frames[0][:, ::4, :_SIDE:4], picture, atol=1 / 255, rtol=0)
    assert frames[-1][:, :, :_SIDE].flatten(1).unique(dim=1).shape[1] <= 9
    again = pulse.depixelize(picture, generator=G, steps=2, seed=1, grid="off")
    torch.testing.assert_close(
        torch.nn.functional.avg_pool2d(frames[0][:, :, _SIDE:], 2), again.images[0], atol=0.15, rtol=0
    )
    assert film.text["again"].startswith("pulse.film_of_zoom('the picture', generator=")
    for wrong in ({"faces": 1}, {"times": 9}, {"side": 2}):
        with pytest.raises(ValueError, match="give"):
            pulse.film_of_zoom(picture, generator=G, **wrong)


def test_a_zoom_that_is_ended_shows_what_was_found(G: Generator) -> None:
    seen: list[int] = []

    def end(step: int, state: pulse.SearchState) -> bool:
        seen.append(step)
        return seen.count(0) == 2

    film = pulse.film_of_zoom(
        torch.rand(3, 8, 8), faces=4, side=_SIDE, generator=G, steps=2, seed=1, grid="off", callback=end
    )
    assert film.interrupted
    assert len(list(film)) == len(film) == 7


def test_the_example_writes_its_films(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    script = root / "examples" / "films" / "face.py"
    command = [sys.executable, "-W", "error", str(script), str(tmp_path), "--kind", "people", "--side", "32"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split(":")[0] for line in done.stdout.splitlines()[1:]] == ["search", "morph", "turn"]
    assert {path.name for path in tmp_path.iterdir()} == {"search.webp", "morph.webp", "turn.webp"}
