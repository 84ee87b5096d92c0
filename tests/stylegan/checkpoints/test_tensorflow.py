"""TensorFlow-era pickles of StyleGAN2."""

import pickle
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import stylegan
from stylegan import CheckpointError, Discriminator
from stylegan.networks.stylegan2 import Generator

DATA = Path(__file__).parents[2] / "data"
CHECKPOINT = DATA / "stylegan2_tf_64.pkl"
SMALL = {"channel_base": 128, "channel_max": 12}


def error(ours: torch.Tensor, golden: np.ndarray) -> float:
    return float((ours.detach() - torch.from_numpy(golden)).abs().max() / np.abs(golden).max())


def test_golden() -> None:
    golden = dict(np.load(DATA / "stylegan2_tf_64.npz"))
    generator = stylegan.load(CHECKPOINT)
    image = generator.synthesis(torch.from_numpy(golden["ws"]), noise_mode="const")
    assert error(image, golden["image_const_noise"]) < 1e-4
    truncated = generator.mapping(torch.from_numpy(golden["z"]), truncation_psi=0.7)
    assert error(truncated, golden["ws_of_z_truncated_0_7"]) < 1e-4
    assert error(generator.mapping.w_avg, golden["w_avg"]) < 1e-4
    discriminator = stylegan.load(CHECKPOINT, which="D")
    assert error(discriminator(torch.from_numpy(golden["image_const_noise"])), golden["discriminator_of_image"]) < 1e-4


def _pickle(path: Path, networks: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    class Network:
        def __init__(self, state: dict[str, Any]) -> None:
            self.__dict__.update(state)

    Network.__module__, Network.__qualname__ = "dnnlib.tflib.network", "Network"
    module = types.ModuleType("dnnlib.tflib.network")
    module.__dict__["Network"] = Network
    for name, part in (("dnnlib", "dnnlib"), ("dnnlib.tflib", "tflib")):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(part))
    monkeypatch.setitem(sys.modules, "dnnlib.tflib.network", module)

    def build(state: Any) -> Any:
        if state is None:
            return None
        components = {name: build(part) for name, part in state.get("components", {}).items()}
        return Network(
            state | {"components": components, "build_module_src": "raise SystemExit", "build_func_name": "f"}
        )

    path.write_bytes(pickle.dumps(tuple(build(state) for state in networks), protocol=4))


def _array(tensor: torch.Tensor) -> Any:
    return np.array(tensor.detach().numpy(), order="C") if tensor.ndim else np.float32(tensor.item())


def _conv(weight: torch.Tensor, flip: bool = False) -> Any:
    return _array((weight.flip(2, 3) if flip else weight).permute(2, 3, 1, 0))


def _modulated(layer: Any, name: str, flip: bool = False) -> list[tuple[str, Any]]:
    variables = [(f"{name}/weight", _conv(layer.weight, flip)), (f"{name}/bias", _array(layer.bias))]
    variables += [(f"{name}/mod_weight", _array(layer.affine.weight.t()))]
    variables += [(f"{name}/mod_bias", _array(layer.affine.bias - 1))]
    if hasattr(layer, "noise_strength"):
        variables.append((f"{name}/noise_strength", _array(layer.noise_strength)))
    return variables


def _generator(generator: Generator, **options: Any) -> dict[str, Any]:
    synthesis: list[tuple[str, Any]] = []
    noises = []
    for r in generator.synthesis.block_resolutions:
        block, at = getattr(generator.synthesis, f"b{r}"), f"{r}x{r}"
        if r == 4:
            synthesis.append(("4x4/Const/const", _array(block.const[None])))
        else:
            synthesis += _modulated(block.conv0, f"{at}/Conv0_up", flip=True)
            noises.append(block.conv0.noise_const)
        synthesis += _modulated(block.conv1, f"{at}/{'Conv' if r == 4 else 'Conv1'}")
        noises.append(block.conv1.noise_const)
        if block.torgb is not None:
            synthesis += _modulated(block.torgb, f"{at}/ToRGB")
        if hasattr(block, "skip"):
            synthesis.append((f"{at}/Skip/weight", _conv(block.skip.weight, flip=True)))
    synthesis += [(f"noise{i}", _array(noise[None, None])) for i, noise in enumerate(noises)]
    mapping = []
    for i in range(generator.mapping.num_layers):
        layer = getattr(generator.mapping, f"fc{i}")
        mapping += [(f"Dense{i}/weight", _array(layer.weight.t())), (f"Dense{i}/bias", _array(layer.bias))]
    if generator.c_dim:
        embed = generator.mapping.embed
        mapping += [("LabelEmbed/weight", _array(embed.weight.t())), ("LabelEmbed/bias", _array(embed.bias))]
    kwargs = {"resolution": generator.img_resolution, "label_size": generator.c_dim} | options
    part = {"version": 5, "name": "G", "static_kwargs": kwargs}
    variables = [("lod", np.float32(0)), ("dlatent_avg", _array(generator.mapping.w_avg))]
    components = {"synthesis": part | {"variables": synthesis}, "mapping": part | {"variables": mapping}}
    return part | {"variables": variables, "components": components}


def _discriminator(network: Discriminator, **options: Any) -> dict[str, Any]:
    variables: list[tuple[str, Any]] = []
    for r in network.block_resolutions:
        block = getattr(network, f"b{r}")
        for name, layer in (("FromRGB", block.fromrgb), ("Conv0", block.conv0), ("Conv1_down", block.conv1)):
            if layer is not None:
                variables += [
                    (f"{r}x{r}/{name}/weight", _conv(layer.weight)),
                    (f"{r}x{r}/{name}/bias", _array(layer.bias)),
                ]
        if hasattr(block, "skip"):
            variables.append((f"{r}x{r}/Skip/weight", _conv(block.skip.weight, flip=True)))
    end = network.b4
    if hasattr(end, "fromrgb"):
        variables += [("4x4/FromRGB/weight", _conv(end.fromrgb.weight)), ("4x4/FromRGB/bias", _array(end.fromrgb.bias))]
    variables += [("4x4/Conv/weight", _conv(end.conv.weight)), ("4x4/Conv/bias", _array(end.conv.bias))]
    for name, layer in (("4x4/Dense0", end.fc), ("Output", end.out)):
        variables += [(f"{name}/weight", _array(layer.weight.t())), (f"{name}/bias", _array(layer.bias))]
    return {"version": 5, "name": "D", "static_kwargs": options, "variables": variables, "components": {}}


def _awake(network: Any) -> Any:
    for tensor in [*network.parameters(), *(b for n, b in network.named_buffers() if n.endswith(("w_avg", "const")))]:
        torch.nn.init.normal_(tensor)
    return network.eval()


@pytest.mark.parametrize(
    ("arguments", "mapping", "synthesis", "options"),
    [
        ((6, 0, 8, 16), {"num_layers": 3, "layer_features": 10}, {}, {}),
        ((8, 4, 8, 32, 1), {"num_layers": 1, "embed_features": 8}, {"architecture": "orig"}, {}),
        ((8, 0, 8, 16), {"lr_multiplier": 0.1}, {"architecture": "resnet"}, {"mapping_lrmul": 0.1}),
        ((8, 0, 8, 16), {}, {"resample_filter": [1, 2, 1]}, {"resample_kernel": [1, 2, 1]}),
        ((8, 0, 8, 32), {}, {"channels": [4, 7, 3, 5]}, {}),
    ],
)
def test_generators_of_other_settings(
    arguments: Any, mapping: Any, synthesis: Any, options: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    G, Gs = (
        _awake(Generator(*arguments, mapping_kwargs=mapping, synthesis_kwargs=SMALL | synthesis)) for _ in range(2)
    )
    _pickle(tmp_path / "n.pkl", (_generator(G, **options), None, _generator(Gs, **options)), monkeypatch)
    z, c = torch.randn(2, G.z_dim), torch.eye(max(G.c_dim, 2))[:2, : G.c_dim]
    for which, original in (("G", G), ("G_ema", Gs)):
        loaded = stylegan.load(tmp_path / "n.pkl", which)
        expected = original(z, c, truncation_psi=0.7).detach()
        assert torch.allclose(loaded(z, c, truncation_psi=0.7), expected, atol=1e-5 * float(expected.abs().max()))
    with pytest.raises(CheckpointError, match=r"\(G, D, Gs\)"):
        stylegan.load(tmp_path / "n.pkl", "D")


@pytest.mark.parametrize("architecture", ["resnet", "skip", "orig"])
def test_discriminators(architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    original = _awake(
        Discriminator(0, 16, 1, architecture=architecture, epilogue_kwargs={"mbstd_group_size": 2}, **SMALL)
    )
    _pickle(tmp_path / "n.pkl", (None, _discriminator(original, mbstd_group_size=2), None), monkeypatch)
    images = torch.randn(4, 1, 16, 16)
    assert torch.allclose(stylegan.load(tmp_path / "n.pkl", "D")(images), original(images), rtol=1e-4)


@pytest.mark.parametrize("change", ["names", "version"])
def test_stylegan1_is_named(change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = _generator(Generator(8, 0, 8, 16, synthesis_kwargs=SMALL))
    if change == "names":
        state["components"]["synthesis"]["variables"].append(("ToRGB_lod0/weight", np.zeros((1, 1, 4, 3), "f4")))
    else:
        state["version"] = 3
    _pickle(tmp_path / "n.pkl", (state, state, state), monkeypatch)
    with pytest.raises(CheckpointError, match="StyleGAN1 or progressive GAN in TensorFlow's form"):
        stylegan.load(tmp_path / "n.pkl")


def test_an_option_that_is_not_supported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = _generator(Generator(8, 0, 8, 16, synthesis_kwargs=SMALL), nonlinearity="relu")
    _pickle(tmp_path / "n.pkl", (state, None, state), monkeypatch)
    with pytest.raises(CheckpointError, match="nonlinearity is relu"):
        stylegan.load(tmp_path / "n.pkl")


@pytest.mark.parametrize("parts", ["Gs", "G, Gs", "D, Gs", "G, D", "D"])
def test_fewer_than_three_networks(parts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    G, Gs = (_awake(Generator(8, 0, 8, 16, synthesis_kwargs=SMALL)) for _ in range(2))
    D = _awake(Discriminator(0, 16, **SMALL))
    states = {"G": _generator(G), "Gs": _generator(Gs), "D": _discriminator(D)}
    names = parts.split(", ")
    _pickle(tmp_path / "n.pkl", tuple(states[name] for name in names), monkeypatch)
    if len(names) == 1:
        # Not in a tuple, as scripts of the time saved it.
        content = (tmp_path / "n.pkl").read_bytes()
        assert content.endswith((b"\x85.", b"\x85\x94."))
        (tmp_path / "n.pkl").write_bytes(content.removesuffix(b".").removesuffix(b"\x94").removesuffix(b"\x85") + b".")
    for which, wanted in (("G_ema", ("Gs", "G")), ("G", ("G", "Gs"))):
        name = next((name for name in wanted if name in names), None)
        if name is None:
            with pytest.raises(CheckpointError, match=f"holds no network {which}; .* it has D"):
                stylegan.load(tmp_path / "n.pkl", which)
        else:
            expected = (G if name == "G" else Gs).mapping.fc0.weight
            assert torch.equal(stylegan.load(tmp_path / "n.pkl", which).mapping.fc0.weight, expected)
    if "D" in names:
        assert torch.equal(stylegan.load(tmp_path / "n.pkl", "D").b4.out.weight, D.b4.out.weight)
