"""A mapping network that describes portraits."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import stylegan
from stylegan import portraits
from stylegan.cli import main
from stylegan.networks.layers import SynthesisLayer
from stylegan.portraits.coordinates import decode
from stylegan.training import mapping_switches
from stylegan.training.growth import grow_into
from stylegan.training.networks import new_generator, weights_from
from stylegan.training.options import TrainingOptions
from stylegan.training.pairs import coordinates_of
from stylegan.training.teach_mapping import describe, teach_mapping

SMALL = TrainingOptions(resolution=8, w_dim=256, channel_base=64, channel_max=8, mapping_layers=2, mapping_features=64)


def test_the_description_tells_what_is_seen() -> None:
    u = portraits.sample(2, torch.Generator().manual_seed(0))[:1].repeat(3, 1)
    names = portraits.COORDINATES
    u[1, names.index("yaw")] = 1 - u[0, names.index("yaw")]
    u[2, names.index("tone")] = 1 - u[0, names.index("tone")]
    same, turned, toned = describe(u)
    landmarks = slice(-136, None)
    assert (same[landmarks] - turned[landmarks]).abs().max() > 3
    assert torch.allclose(same[landmarks], toned[landmarks], atol=1e-3)
    assert not torch.allclose(same[:-136], toned[:-136], atol=1e-3)


def test_characters_are_described_by_what_counts() -> None:
    u = portraits.sample(14, torch.Generator().manual_seed(0), "characters")
    people, on = len(portraits.COORDINATES), portraits.EXTRAS.index("character") + len(portraits.COORDINATES)
    u[:, [portraits.COORDINATES.index(name) for name in ("sex", "age", "beard")]] = 0.9
    person, character = u.clone(), u.clone()
    person[:, on], character[:, on] = 0.25, 0.75
    plain = person.clone()
    # Of people the other extra coordinates mean nothing.
    plain[:, on + 1 :] = 0.5
    assert torch.equal(describe(person), describe(plain))
    assert torch.allclose(describe(person)[:, -136:], describe(u[:, :people])[:, -136:], atol=1e-3)
    known = describe(character, beyond_people=True)
    turned = character.repeat(len(portraits.TABLE), 1, 1)
    for i in range(1, len(portraits.TABLE)):
        turned[i, :, people + i] = 1 - turned[i, :, people + i]
    told = describe(turned.flatten(0, 1), beyond_people=True).unflatten(0, turned.shape[:2])
    change = (told - known).abs().amax((1, 2))
    silent = [row.name for row, most in zip(portraits.TABLE[1:], change[1:], strict=True) if most < 0.01]
    assert silent == []


@torch.no_grad()
@pytest.mark.parametrize("layers", [3, 4])
def test_switches_are_known_before_anything_is_taught(layers: int) -> None:
    with weights_from(0):
        generator = new_generator(replace(SMALL, z_dim=128, w_dim=400, mapping_layers=layers, mapping_features=160))
    names = mapping_switches.value_names()
    size, rest = torch.full((len(names),), 2.0), torch.full((len(names),), 3.0)
    mapping_switches.write_switches(generator.mapping, (20, 7), list(range(len(names))), size, rest)
    z = torch.randn(512, 128, generator=torch.Generator().manual_seed(0))
    p = decode(coordinates_of(z))
    off, on = generator.mapping(z)[:, 0, 7 : 7 + len(names)], torch.cat([p[name] for name in names], 1)
    wrong = (off - 3 - 2 * on).abs() > 0.45
    # Only near a bound is one between off and on.
    assert wrong.float().mean() < 0.03
    assert on[:, names.index("headgear: crown")].sum() > 5


def test_a_grown_generator_still_draws_people_alike_once_it_is_taught() -> None:
    with weights_from(0):
        small = new_generator(replace(SMALL, w_dim=32, mapping_layers=3)).eval()
        large = new_generator(replace(SMALL, z_dim=128, w_dim=288, mapping_layers=3, mapping_features=224)).eval()
    grow_into(small, large)
    z = torch.randn(2, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, ws = large(z), large.mapping(z)
    told: list[float] = []
    rng = torch.Generator().manual_seed(0)
    teach_mapping(large, rng, 128, 100, batch_size=64, start=small, progress=lambda _, loss: told.append(loss))
    assert sum(told[-10:]) < 0.8 * sum(told[:10])
    with torch.no_grad():
        assert torch.allclose(large(z), before, atol=1e-5)
        assert not torch.allclose(large.mapping(z), ws, atol=0.1)
    assert large.mapping.w_avg[32:].mean() > 1


def test_teaching_explains_descriptions_and_keeps_styles_near_one() -> None:
    with weights_from(0):
        generator = new_generator(SMALL)
    rng, told = torch.Generator().manual_seed(0), []
    teach_mapping(generator, rng, count=256, steps=200, batch_size=64, progress=lambda _, loss: told.append(loss))
    assert sum(told[-10:]) < 0.5 * sum(told[:10])
    w_avg = generator.mapping.w_avg[None]
    assert w_avg.mean() > 1
    for module in generator.synthesis.modules():
        if isinstance(module, SynthesisLayer):
            assert torch.allclose(module.affine(w_avg), torch.ones(1), atol=1e-3)
    # So it is in the layers that a larger network adds.
    large = new_generator(replace(SMALL, resolution=16))
    grow_into(generator, large)
    assert torch.allclose(large.synthesis.b16.conv0.affine(w_avg), torch.ones(1), atol=1e-3)


def test_a_short_w_is_refused() -> None:
    with pytest.raises(ValueError, match="longer w_dim"):
        teach_mapping(new_generator(replace(SMALL, w_dim=32)), torch.Generator(), count=8, steps=1)


def test_the_command_grows_a_generator_of_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start, path = str(tmp_path / "people.safetensors"), str(tmp_path / "characters.safetensors")
    with weights_from(0):
        stylegan.save(new_generator(replace(SMALL, w_dim=32, mapping_layers=3)), start)
    command = ["teach-mapping", path, "--kind", "characters", "--start", start, "--count", "16", "--steps", "2"]
    capsys.readouterr()
    assert main(command) == 2
    assert "longer w_dim" in capsys.readouterr().err
    assert main([*command, "--w-dim", "288"]) == 2
    assert "larger mapping_layers" in capsys.readouterr().err
    assert main([*command, "--w-dim", "288", "--channel-max", "12", "--mapping-features", "224"]) == 0
    grown = stylegan.load(path)
    assert (grown.z_dim, grown.w_dim, grown.img_resolution) == (128, 288, 8)


def test_the_command_writes_a_generator_and_replaces_none_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "taught.safetensors")
    command = ["teach-mapping", path, "--count", "16", "--steps", "2", "--resolution", "8", "--channel-max", "8"]
    assert main(command) == 0
    assert "not explained" in capsys.readouterr().out
    assert stylegan.load(path).img_resolution == 8
    assert main(command) == 2
    assert "overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0
    (tmp_path / "mine.txt").write_text("mine")
    assert main([*command[:1], str(tmp_path / "mine.txt"), *command[2:], "--overwrite"]) == 2
    assert (tmp_path / "mine.txt").read_text() == "mine"
