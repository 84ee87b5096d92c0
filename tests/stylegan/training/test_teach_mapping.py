"""A mapping network that describes portraits."""

import pytest
import torch

from stylegan import portraits
from stylegan.networks.layers import SynthesisLayer
from stylegan.training.networks import grow_into, new_generator
from stylegan.training.options import TrainingOptions
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


def test_teaching_explains_descriptions_and_keeps_styles_near_one() -> None:
    torch.manual_seed(0)
    generator = new_generator(SMALL)
    told: list[float] = []
    teach_mapping(generator, count=256, steps=200, batch_size=64, progress=lambda _, loss: told.append(loss))
    assert told[-1] < 0.5 * told[0]
    w_avg = generator.mapping.w_avg[None]
    assert w_avg.mean() > 1
    for module in generator.synthesis.modules():
        if isinstance(module, SynthesisLayer):
            assert torch.allclose(module.affine(w_avg), torch.ones(1), atol=1e-3)
    # So it is in the layers that a larger network adds.
    large = new_generator(TrainingOptions(**{**vars(SMALL), "resolution": 16}))
    grow_into(generator, large)
    assert torch.allclose(large.synthesis.b16.conv0.affine(w_avg), torch.ones(1), atol=1e-3)


def test_a_short_w_is_refused() -> None:
    with pytest.raises(ValueError, match="longer w_dim"):
        teach_mapping(new_generator(TrainingOptions(**{**vars(SMALL), "w_dim": 32})), count=8, steps=1)
