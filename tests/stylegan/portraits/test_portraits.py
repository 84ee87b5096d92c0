"""Portraits: that they are faces, framed as promised, smooth in their coordinates, and that their truth holds."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stylegan import portraits
from stylegan.common.grid import grid
from stylegan.portraits.__main__ import main
from stylegan.portraits.colours import skin_colour
from stylegan.portraits.coordinates import decode
from stylegan.portraits.distance import evaluate
from stylegan.portraits.head import build

_PREDICTOR = Path("/usr/share/dlib/shape_predictor_68_face_landmarks.dat")
_SWITCHES = ("tone", "glasses", "hat")
# Where landmark i goes when the picture is mirrored.
_MIRROR = [
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
]


def _sample(count: int, seed: int, **fixed: float) -> torch.Tensor:
    return _with(portraits.sample(count, torch.Generator().manual_seed(seed)), **fixed)


def _with(u: torch.Tensor, **fixed: float) -> torch.Tensor:
    u = u.clone()
    for name, value in fixed.items():
        u[:, portraits.COORDINATES.index(name)] = value
    return u


@pytest.fixture(scope="module")
def sixty() -> tuple[torch.Tensor, torch.Tensor]:
    u = _sample(60, 20_240)
    return u, portraits.render(u)


@pytest.fixture(scope="module")
def found(sixty: tuple[torch.Tensor, torch.Tensor]) -> list[tuple[int, np.ndarray, object]]:
    """Of each picture in which dlib finds a face: its number, its enlargement, and the face."""
    import dlib

    detector = dlib.get_frontal_face_detector()
    faces = []
    for i, picture in enumerate((sixty[1] * 255).round().byte().permute(0, 2, 3, 1).numpy()):
        large = np.array(Image.fromarray(picture).resize((384, 384), Image.Resampling.BICUBIC))
        faces += [(i, large, max(boxes, key=lambda box: box.area())) for boxes in [detector(large, 0)] if len(boxes)]
    return faces


def test_pictures_are_pictures(sixty: tuple[torch.Tensor, torch.Tensor]) -> None:
    _, pictures = sixty
    assert pictures.shape == (60, 3, 128, 128)
    assert pictures.dtype == torch.float32
    assert float(pictures.min()) >= 0
    assert float(pictures.max()) <= 1
    assert float(pictures.flatten(1).std(dim=1).min()) > 0.03


def test_a_detector_trained_on_photographs_finds_the_faces(found: list[tuple[int, np.ndarray, object]]) -> None:
    assert len(found) >= 57


@pytest.mark.skipif(not _PREDICTOR.exists(), reason="dlib's landmark predictor is not installed")
def test_landmarks_lie_where_a_predictor_trained_on_photographs_sees_them(
    sixty: tuple[torch.Tensor, torch.Tensor], found: list[tuple[int, np.ndarray, object]]
) -> None:
    import dlib

    predictor = dlib.shape_predictor(str(_PREDICTOR))
    truths = portraits.truth(sixty[0])
    errors = []
    for i, large, box in found:
        seen = predictor(large, box)
        points = np.array([(seen.part(k).x, seen.part(k).y) for k in range(68)])
        ours = truths[i].landmarks.numpy() * 3 + 1
        errors.append(np.linalg.norm(points - ours, axis=1) / np.linalg.norm(ours[45] - ours[36]))
    inner, jaw = (np.mean(errors, axis=1, where=where) for where in (np.arange(68) > 16, np.arange(68) < 17))
    assert inner.mean() < 0.05
    assert np.median(jaw) < 0.11


def test_the_same_portrait_is_the_same_picture() -> None:
    u = _sample(2, 1)
    assert torch.equal(u, _sample(2, 1))
    assert not torch.equal(u, _sample(2, 2))
    assert torch.equal(portraits.render(u, 32), portraits.render(u, 32))


def test_a_batch_gives_what_each_alone_would_give() -> None:
    u = _sample(5, 3)
    together = portraits.render(u, 48)
    alone = torch.cat([portraits.render(one[None], 48) for one in u])
    assert float((together - alone).abs().max()) < 2e-3
    facts, fact = portraits.truth(u, 48), portraits.truth(u[3:4], 48)[0]
    torch.testing.assert_close(facts[3].landmarks, fact.landmarks, atol=1e-3, rtol=0)
    assert facts[3].attributes == fact.attributes


@pytest.fixture(scope="module")
def eight() -> torch.Tensor:
    return _sample(8, 4242)


def test_people_look_as_the_generator_in_the_box_was_taught(eight: torch.Tensor) -> None:
    with Image.open(Path(__file__).parents[2] / "data" / "people.png") as sheet:
        taught = torch.from_numpy(np.array(sheet)).permute(2, 0, 1) / 255
    drawn = grid(portraits.render(eight, 128), columns=4)
    assert float((drawn - taught).square().mean()) < 1e-4


def test_renderings_of_all_sizes_reduce_alike(eight: torch.Tensor) -> None:
    def reduced(resolution: int) -> torch.Tensor:
        images = portraits.render(eight[2:7], resolution)
        return torch.nn.functional.interpolate(images, size=(16, 16), mode="bicubic", antialias=True)

    large = reduced(256)
    for resolution, most in ((16, 6e-4), (32, 2e-4), (48, 2e-4), (64, 1e-4), (128, 5e-5)):
        assert float((reduced(resolution) - large).square().mean()) < most, resolution


def test_a_portrait_smaller_than_its_coarsest_grid_is_drawn() -> None:
    assert portraits.render(_sample(1, 3), 8).isfinite().all()


def test_no_portraits_are_no_pictures() -> None:
    assert portraits.render(_sample(0, 1), 32).shape == (0, 3, 32, 32)
    assert portraits.truth(_sample(0, 1)) == []


def test_a_small_step_is_a_small_change() -> None:
    u = _sample(8, 4) * 0.9 + 0.05
    step = torch.randn(u.shape, generator=torch.Generator().manual_seed(5))
    step = _with(torch.nn.functional.normalize(step, dim=1), **dict.fromkeys(_SWITCHES, 0.0))
    here = portraits.render(u, 48)
    far, near = (
        (portraits.render((u + size * step).clamp(0, 1), 48) - here).abs().flatten(1).mean(1) for size in (0.04, 0.01)
    )
    assert float(far.max()) < 0.05
    assert float(near.mean()) < 0.4 * float(far.mean())


def test_distances_are_never_deeper_than_the_head() -> None:
    """A point inside a thin part, such as an ear, must not send a ray away."""
    shape = build(decode(_sample(4, 14)))
    points = torch.rand(3, 4, 20_000, generator=torch.Generator().manual_seed(15)) * 2.4 - 1.2
    assert float(evaluate(shape.solid, *points).nearest().min()) > -1.5


def test_pictures_are_framed_like_ffhq(sixty: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Karras et al. 2019, appendix C: the square that the landmarks ask for is the picture itself."""
    for fact in portraits.truth(sixty[0]):
        points = (fact.landmarks + 0.5) / 128
        left, right = points[36:42].mean(0), points[42:48].mean(0)
        eyes, across = (left + right) / 2, right - left
        down = (points[48] + points[54]) / 2 - eyes
        x = across - torch.stack([-down[1], down[0]])
        half = max(float(across.norm()) * 2.0, float(down.norm()) * 1.8)
        torch.testing.assert_close(eyes + 0.1 * down, torch.tensor([0.5, 0.5]), atol=2e-3, rtol=0)
        assert half == pytest.approx(0.5, abs=2e-3)
        assert float(x[1] / x[0]) == pytest.approx(0, abs=2e-3)
        assert 0.43 < float(eyes[1]) < 0.49
        assert 0.17 < float(across.norm()) < 0.26


def test_landmarks_lie_in_the_picture() -> None:
    for fact in portraits.truth(_sample(200, 6)):
        assert fact.landmarks.shape == (68, 2)
        assert bool((fact.landmarks[17:] > 0).all())
        assert bool((fact.landmarks[17:] < 127).all())
        assert bool((fact.landmarks[:17, 0].diff() > -6).all())
        assert float(fact.landmarks[8, 1]) > float(fact.landmarks[57, 1])


def test_landmarks_scale_with_the_picture() -> None:
    u = _sample(2, 7)
    small, large = portraits.truth(u, 64)[1].landmarks, portraits.truth(u, 128)[1].landmarks
    torch.testing.assert_close((small + 0.5) * 2, large + 0.5)


def test_a_mirrored_pose_mirrors_the_landmarks() -> None:
    u = _sample(40, 8)
    turned = u.clone()
    for name in ("yaw", "roll"):
        i = portraits.COORDINATES.index(name)
        turned[:, i] = 1 - u[:, i]
    for one, other in zip(portraits.truth(u), portraits.truth(turned), strict=True):
        expected = torch.stack([127 - one.landmarks[_MIRROR, 0], one.landmarks[_MIRROR, 1]], 1)
        torch.testing.assert_close(other.landmarks, expected, atol=0.05, rtol=0)
        assert (other.yaw, other.roll) == pytest.approx((-one.yaw, -one.roll), abs=0.05)


def test_pose_says_which_way_the_face_turns() -> None:
    right = portraits.truth(_sample(1, 9, yaw=1.0, pitch=0.5, roll=0.5))[0]
    down = portraits.truth(_sample(1, 9, yaw=0.5, pitch=1.0, roll=0.5))[0]
    up = portraits.truth(_sample(1, 9, yaw=0.5, pitch=0.0, roll=0.5))[0]
    assert right.yaw == pytest.approx(25.8, abs=0.1)
    assert down.pitch == pytest.approx(-up.pitch)
    assert float(right.landmarks[30, 0] - right.landmarks[36:48, 0].mean()) > 5
    nose_below_eyes = [float(fact.landmarks[30, 1] - fact.landmarks[36:48, 1].mean()) for fact in (down, up)]
    assert nose_below_eyes[0] > nose_below_eyes[1] + 3


def test_tones_are_even_and_independent_of_everything_else() -> None:
    facts = portraits.truth(_sample(2000, 10), 64)
    tones = np.array([fact.tone for fact in facts], dtype=float)
    counts = np.bincount(tones.astype(int), minlength=11)[1:]
    assert len(counts) == 10
    # The 99.9th percentile of chi-square with 9 degrees of freedom.
    assert ((counts - 200) ** 2 / 200).sum() < 27.9
    others = {name: [fact.attributes[name] for fact in facts] for name in facts[0].attributes}
    others |= {name: [getattr(fact, name) for fact in facts] for name in ("yaw", "pitch", "roll")}
    for name, values in others.items():
        # 3.3 standard deviations of the correlation of 2,000 independent pairs.
        assert abs(np.corrcoef(tones, np.array(values, dtype=float))[0, 1]) < 3.3 / 2000**0.5, name


def test_tones_darken_from_one_to_ten() -> None:
    u = _sample(10, 11)
    u[:, portraits.COORDINATES.index("tone")] = (torch.arange(10) + 0.5) / 10
    assert [fact.tone for fact in portraits.truth(u)] == list(range(1, 11))
    light = skin_colour(decode(u)).mean(1)
    # Monk's first three tones are all but equally light.
    assert bool((light[2:].diff() < 0).all())


def test_skin_goes_evenly_from_tone_to_tone() -> None:
    t = torch.linspace(0, 1, 1001)[:, None]
    colours = skin_colour({"tone": t}) ** (1 / 2.2)
    # The middles of the ten tones, and the colours half-way between two of them.
    middles, between = colours[50::100], colours[100:-1:100]
    assert torch.allclose(between, (middles[1:] + middles[:-1]) / 2, atol=1e-5)
    steps = (colours[1:] - colours[:-1]).abs().amax(1)
    assert steps.max() < 1.1 * (middles[1:] - middles[:-1]).abs().max() / 100
    assert torch.allclose(colours[:51], middles[0], atol=1e-5)
    assert torch.allclose(colours[950:], middles[-1], atol=1e-5)


def test_the_tone_changes_the_skin_and_nothing_else() -> None:
    u = _sample(6, 12, glasses=0.0, beard=0.0, moustache=0.0, stubble=0.0)
    pale, dark = _with(u, tone=0.05), _with(u, tone=0.75)
    before = portraits.render(pale, 64)
    by_tone = (portraits.render(dark, 64) - before).abs().amax(1)
    dressed = _with(pale, cloth_shade=0.0, background_shade=0.0, hair_hue=0.0, hat_hue=0.0)
    other = _with(pale, cloth_shade=1.0, background_shade=1.0, hair_hue=1.0, hat_hue=1.0)
    by_dress = (portraits.render(dressed, 64) - portraits.render(other, 64)).abs().amax(1)
    assert float((by_tone > 0.1).float().mean()) > 0.15
    # Outlines, where skin and dress share a pixel, may answer to both; brows are hair on skin.
    both = ((by_tone > 0.1) & (by_dress > 0.15)).float().mean()
    assert float(both) < 0.04
    one, two = portraits.truth(pale), portraits.truth(dark)
    for light, shaded in zip(one, two, strict=True):
        assert torch.equal(light.landmarks, shaded.landmarks)
        assert light.attributes == shaded.attributes
        assert (light.tone, shaded.tone) == (1, 8)


@pytest.mark.parametrize("call", [portraits.render, portraits.truth])
@pytest.mark.parametrize(
    ("u", "sentence"),
    [
        (torch.zeros(2, 3), "The portraits have shape"),
        (torch.zeros(64), "The portraits have shape"),
        (torch.full((1, 64), 1.5), "not in"),
        (torch.full((1, 64), float("nan")), "not in"),
        ([[0.5] * 64], "are a list"),
    ],
)
def test_points_outside_the_cube_are_refused(call: Callable[..., object], u: torch.Tensor, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call(u)


@pytest.mark.parametrize("call", [portraits.render, portraits.truth])
@pytest.mark.parametrize("resolution", [7, 1025, -128, 64.5, True])
def test_resolutions_that_cannot_be_are_refused(call: Callable[..., object], resolution: int) -> None:
    with pytest.raises(ValueError, match="whole number from 8 to 1024"):
        call(_sample(1, 1), resolution)


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ValueError, match="zero or more"):
        portraits.sample(-1, torch.Generator())


def test_the_command_writes_pictures_and_their_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "folder"
    assert main(["--count", "3", "-o", str(folder), "--seed", "13", "--resolution", "32"]) == 0
    assert capsys.readouterr() == ("", "")
    assert sorted(path.name for path in folder.iterdir()) == [
        *(f"portrait_{i:06d}.png" for i in range(3)),
        "portraits.json",
    ]
    table = json.loads((folder / "portraits.json").read_text())
    u = _sample(3, 13)
    facts = portraits.truth(u, 32)
    assert table["coordinates"] == list(portraits.COORDINATES)
    assert (table["seed"], table["resolution"], len(table["portraits"])) == (13, 32, 3)
    for row, fact, point in zip(table["portraits"], facts, u, strict=True):
        assert (row["tone"], row["attributes"]) == (fact.tone, fact.attributes)
        np.testing.assert_allclose(row["landmarks"], fact.landmarks, atol=1e-3)
        np.testing.assert_allclose(row["point"], point)
    drawn = portraits.render(u[2:], 32)[0].permute(1, 2, 0).numpy()
    with Image.open(folder / table["portraits"][2]["file"]) as picture:
        assert picture.mode == "RGB"
        np.testing.assert_allclose(np.asarray(picture) / 255, drawn, atol=0.01)


@pytest.mark.parametrize(
    "arguments", [["--count", "0"], ["--count", "-3"], ["--resolution", "5"], ["--seed", "-1"], ["-o", "{file}/x"]]
)
def test_the_command_refuses_in_one_sentence(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("not a folder")
    arguments = ["-o", str(tmp_path / "out"), *(a.format(file=blocked) for a in arguments)]
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert message.endswith(".\n")
    assert list(tmp_path.iterdir()) == [blocked]


@pytest.mark.parametrize("arguments", [[], ["-o", "out", "--count", "many"], ["-o", "out", "--wrong"]])
def test_arguments_that_are_not_understood_end_with_2(arguments: list[str]) -> None:
    assert main(arguments) == 2
