"""Every option of the networks has a rule for its type and range, and what breaks a rule is refused by name."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.torch import save_file

import stylegan
from stylegan import CheckpointError, Discriminator
from stylegan.checkpoints.formats import configs
from stylegan.networks import dcgan, stylegan1, stylegan2
from stylegan.networks.discriminator import DiscriminatorEpilogue
from stylegan.networks.mapping import MappingNetwork

SMALL = {"channel_base": 64, "channel_max": 8}
GIVEN = {"self", "z_dim", "c_dim", "w_dim", "num_ws", "img_resolution", "img_channels"}


def _arguments(cls: type) -> set[str]:
    return set(inspect.signature(cls.__init__).parameters) - {"self"}  # type: ignore[misc]


def _known(rule: configs.Rule) -> set[str]:
    """Names that a rule for a set of options knows."""
    (rules,) = (c.cell_contents for c in rule.__closure__ or () if isinstance(c.cell_contents, dict))
    return set(rules)


@pytest.mark.parametrize("cls", [stylegan1.Generator, stylegan2.Generator, dcgan.Generator, Discriminator])
def test_every_argument_has_a_rule(cls: Any) -> None:
    assert set(configs.RULES[cls.architecture]) == _arguments(cls)


@pytest.mark.parametrize(
    ("architecture", "part", "cls"),
    [
        ("stylegan1", "mapping_kwargs", stylegan1.MappingNetwork),
        ("stylegan1", "synthesis_kwargs", stylegan1.SynthesisNetwork),
        ("stylegan2", "mapping_kwargs", MappingNetwork),
        ("stylegan2", "synthesis_kwargs", stylegan2.SynthesisNetwork),
    ],
)
def test_every_argument_of_a_part_has_a_rule(architecture: str, part: str, cls: Any) -> None:
    assert _known(configs.RULES[architecture][part]) == _arguments(cls) - GIVEN


def test_every_argument_of_the_discriminators_parts_has_a_rule() -> None:
    rules = configs.RULES["stylegan2-discriminator"]
    assert _known(rules["mapping_kwargs"]) == _arguments(MappingNetwork) - GIVEN - {"w_avg_beta"}
    assert _known(rules["epilogue_kwargs"]) == {
        name for name in _arguments(DiscriminatorEpilogue) if name.startswith("mbstd")
    }


def _written(network: Any, path: Path, *keys: str, value: Any) -> Path:
    """The file of a network, with one value of its configuration replaced."""
    stylegan.save(network, path)
    with safe_open(path, "pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    config = part = json.loads(metadata["config"])
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    save_file(tensors, path, metadata | {"config": json.dumps(config)})
    return path


BAD: list[Any] = ["abc", True, -1, 0.5, 1e300, 10**30, float("nan"), float("inf"), [], [1] * 1000, {}, None]


@pytest.mark.parametrize("value", [*BAD, 12, 10**9], ids=str)
@pytest.mark.parametrize("key", ["z_dim", "width", "img_resolution", "img_channels"])
def test_a_dcgan_is_built_of_what_its_file_holds(key: str, value: Any, tmp_path: Path) -> None:
    path = _written(dcgan.Generator(8, 8, width=2), tmp_path / "n", key, value=value)
    with pytest.raises(CheckpointError, match=r"cannot be built|its own description asks for|lacks|does not have"):
        stylegan.load(path)


@pytest.mark.parametrize("value", BAD, ids=str)
@pytest.mark.parametrize("key", ["z_dim", "c_dim", "w_dim", "img_resolution", "img_channels"])
def test_a_size_is_a_whole_number(key: str, value: Any, tmp_path: Path) -> None:
    path = _written(stylegan2.Generator(8, 0, 8, 8, synthesis_kwargs=SMALL), tmp_path / "n", key, value=value)
    with pytest.raises(CheckpointError, match=f"{key} is .*, not a whole number"):
        stylegan.load(path)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("synthesis_kwargs", "conv_clamp", "abc"),
        ("synthesis_kwargs", "conv_clamp", True),
        ("synthesis_kwargs", "conv_clamp", float("nan")),
        ("synthesis_kwargs", "conv_clamp", -1),
        ("synthesis_kwargs", "num_fp16_res", 10**6),
        ("synthesis_kwargs", "num_fp16_res", -1),
        ("synthesis_kwargs", "architecture", ["skip"]),
        ("synthesis_kwargs", "resample_filter", [1] * 1000),
        ("synthesis_kwargs", "resample_filter", [1, float("inf")]),
        ("synthesis_kwargs", "resample_filter", [1, "3", 3, 1]),
        ("synthesis_kwargs", "channels", [8, -8]),
        ("synthesis_kwargs", "channels", {"8": 8}),
        ("synthesis_kwargs", "surprise", 1),
        ("mapping_kwargs", "num_layers", 10**6),
        ("mapping_kwargs", "lr_multiplier", 0),
        ("mapping_kwargs", "w_avg_beta", "0.9"),
        ("mapping_kwargs", "w_avg_beta", 2),
    ],
)
def test_what_breaks_a_rule_is_refused_by_name(part: str, key: str, value: Any, tmp_path: Path) -> None:
    network = stylegan2.Generator(8, 0, 8, 8, synthesis_kwargs=SMALL)
    with pytest.raises(CheckpointError, match=key):
        stylegan.load(_written(network, tmp_path / "n", part, key, value=value))


def test_a_filter_that_sums_to_nothing_is_refused(tmp_path: Path) -> None:
    network = stylegan2.Generator(8, 0, 8, 8, synthesis_kwargs=SMALL)
    with pytest.raises(CheckpointError, match="filter"):
        stylegan.load(_written(network, tmp_path / "n", "synthesis_kwargs", "resample_filter", value=[1, -1]))


def test_statistics_that_do_not_divide_the_channels_are_refused(tmp_path: Path) -> None:
    network = Discriminator(0, 8, **SMALL)
    path = _written(network, tmp_path / "n", "epilogue_kwargs", "mbstd_num_channels", value=3)
    with pytest.raises(CheckpointError, match="cannot be split into 3 parts"):
        stylegan.load(path, "D")
