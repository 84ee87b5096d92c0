"""Detail that appears with resolution, and leaves small pictures as they are."""

import sys

import pytest
import torch

from stylegan import portraits
from stylegan.portraits import detail
from stylegan.portraits.coordinates import decode
from stylegan.portraits.head import build
from stylegan.portraits.skin import paint

# The package's function of that name hides the module.
render_module = sys.modules["stylegan.portraits.render"]

_PATTERNS = {
    "strands": lambda x, y, z, pixel: detail.strands(x, y, z, torch.full_like(pixel, 0.5), pixel),
    "bristles": lambda x, y, z, pixel: detail.bristles(x, y, z, pixel),
    "pores": lambda x, y, z, pixel: detail.pores(x, y, z, pixel),
    "fibres": lambda x, y, z, pixel: detail.fibres(x, y, pixel),
    "lip lines": lambda x, y, z, pixel: detail.lip_lines(x, y, pixel),
}


@pytest.mark.parametrize("name", _PATTERNS)
def test_detail_fades_out_before_pixels_are_those_of_128_px(name: str) -> None:
    x, y, z = torch.rand(3, 1, 2000, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.1

    def strength(pixel: float) -> float:
        return float(_PATTERNS[name](x, y, z, torch.tensor([[pixel]])).std())

    # 2.7 decimetres of picture: sides of 1,536, 640, 288 and 144 rays.
    finest, fine, coarse, none = (strength(2.7 / side) for side in (1536, 640, 288, 144))
    assert finest > 0.1
    assert finest >= fine > coarse >= none == 0


def test_pictures_of_one_size_in_a_batch_of_another_zoom_keep_their_detail() -> None:
    x, y, z = torch.rand(3, 2, 500, generator=torch.Generator().manual_seed(1))
    pixel = torch.tensor([[2.7 / 640], [2.7 / 144]])
    both = detail.strands(x, y, z, torch.zeros(2, 1), pixel)
    assert float(both[0].abs().max()) > 0.1
    assert not both[1].any()


def test_large_pictures_show_strands_that_small_ones_do_not() -> None:
    u = portraits.sample(1, torch.Generator().manual_seed(4242))
    large = portraits.render(u, 512)
    blurred = torch.nn.functional.interpolate(large, size=128, mode="bicubic", antialias=True)
    assert float((blurred - portraits.render(u, 128)).square().mean()) < 6e-4
    # Of hair alone: what a picture of 128 px enlarged does not have.
    hair = large[:, :, 150:350, 40:90]
    smooth = torch.nn.functional.interpolate(blurred, size=512, mode="bicubic")[:, :, 150:350, 40:90]
    assert float((hair - smooth).square().mean()) > 1e-3


def test_edges_within_a_head_are_smoother_for_more_rays(monkeypatch: pytest.MonkeyPatch) -> None:
    u = portraits.sample(2, torch.Generator().manual_seed(4245))

    def drawn(side: int, refined_from: int) -> torch.Tensor:
        monkeypatch.setattr(render_module, "_REFINED", refined_from)
        with torch.no_grad():
            return render_module._draw(render_module._scene(u, side))

    many = torch.nn.functional.avg_pool2d(drawn(384, 1000), 3)
    one, four = drawn(128, 1000), drawn(128, 1)
    edges = (one - four).abs().amax(1, keepdim=True).expand_as(one) > 0.02
    assert 0.002 < float(edges.float().mean()) < 0.2
    assert float((four - many)[edges].square().mean()) < 0.7 * float((one - many)[edges].square().mean())


def test_lips_have_no_pores_but_cheeks_do() -> None:
    shape = build(decode(torch.full((1, 64), 0.4)))
    a = shape.features
    x = torch.linspace(-0.08, 0.08, 200)[None]
    heights = {"lip": a.mouth_y - a.gap - 0.5 * a.lip_low, "cheek": a.nose_y}
    change = {}
    for name, y in heights.items():
        across = x + (0.35 if name == "cheek" else 0.0)
        points = torch.stack([across, y.expand_as(x), torch.full_like(x, 0.8)])
        light, edge = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.004]])
        gloss = [
            paint(shape.p, a, shape.colours, points, light, edge, torch.tensor([[pixel]])).gloss
            for pixel in (0.002, 0.02)
        ]
        change[name] = float((gloss[0] - gloss[1]).abs().max())
    assert change["lip"] < 1e-3
    assert change["cheek"] > 0.02
