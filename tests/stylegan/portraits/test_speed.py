"""Portraits drawn by several processes, and the arithmetic that was made shorter."""

import json
import math
import sys
from operator import neg
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from stylegan import portraits
from stylegan.common.processes import in_processes
from stylegan.portraits import files
from stylegan.portraits.blocks import pack
from stylegan.portraits.camera import rays
from stylegan.portraits.coordinates import decode
from stylegan.portraits.head import build
from stylegan.portraits.landmarks import frame
from stylegan.portraits.parts import distinct, part, select
from stylegan.portraits.smooth import ROUNDING, soft_min, soft_min_of_all
from stylegan.portraits.solids import Ellipsoid, ellipsoid_distances, ellipsoids, monomials, rows_of
from stylegan.portraits.trace import jumps

# The package's function of that name hides the module.
trace_module = sys.modules["stylegan.portraits.trace"]


def test_results_come_in_the_order_of_the_jobs_and_errors_arrive() -> None:
    results = in_processes(math.sqrt, [9.0, 4.0, 1.0, -1.0, 0.0], 2)
    assert [next(results) for _ in range(3)] == [3.0, 2.0, 1.0]
    with pytest.raises(ValueError, match="math domain"):
        next(results)


def test_one_process_is_this_one() -> None:
    seen: list[int] = []
    assert list(in_processes(seen.append, [1, 2], 1)) == [None, None]
    assert seen == [1, 2]


def test_no_processes_are_refused() -> None:
    with pytest.raises(ValueError, match="give one or more"):
        list(in_processes(neg, [1], 0))


def test_processes_draw_what_one_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "cores", lambda: 2)
    monkeypatch.setattr(files, "_WORTH_A_PROCESS", 10)
    files.draw(20, 5, 16, tmp_path)
    table = json.loads((tmp_path / "portraits.json").read_text())["portraits"]
    u = portraits.sample(20, torch.Generator().manual_seed(5))
    assert torch.equal(torch.tensor([row["point"] for row in table]), u)
    expected = (portraits.render(u, 16) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    drawn = np.stack([np.asarray(Image.open(tmp_path / row["file"])) for row in table])
    # Another number of threads may add up in another order.
    assert np.abs(drawn.astype(int) - expected).max() <= 1


def test_smooth_minima_follow_their_formulas_and_keep_their_arguments() -> None:
    a, b = torch.randn(2, 3, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    kept = a.clone(), b.clone()
    h = (1 - (a - b).abs() / 0.3).clamp(min=0)
    torch.testing.assert_close(soft_min(a, b, 0.3), torch.minimum(a, b) - h * h * 0.3 / 4)
    both = torch.stack([a, b], 1)
    torch.testing.assert_close(soft_min_of_all(both, 0.3), -0.3 * torch.logsumexp(both / -0.3, 1))
    torch.testing.assert_close(torch.stack([a, b]), torch.stack(kept), rtol=0, atol=0)


def test_rows_that_are_equal_are_found_whatever_parts_they_have() -> None:
    a = torch.tensor([[1.0], [2.0], [1.0], [1.0]])
    worn = part(torch.tensor([True, True, True, False]), lambda: torch.tensor([[5.0], [5.0], [5.0], [9.0]]))
    first, like = distinct((a, worn))
    assert first.tolist() == [0, 1, 3]
    assert like.tolist() == [0, 1, 0, 2]
    alone = distinct(torch.rand(7, 3, generator=torch.Generator().manual_seed(0)))
    assert [rows.tolist() for rows in alone] == [list(range(7))] * 2


def test_portraits_that_differ_in_colour_alone_are_traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    names = portraits.COORDINATES
    u = portraits.sample(1, torch.Generator().manual_seed(6)).repeat(6, 1)
    for row, name in enumerate(("tone", "hair_hue", "iris_hue", "background_hue"), 1):
        u[row, names.index(name)] = 1 - u[row, names.index(name)]
    u[5, names.index("yaw")] = 1 - u[5, names.index("yaw")]
    traced = []
    march = trace_module.march

    def counted(*args: Any, **more: Any) -> Any:
        traced.append(len(args[3]))
        return march(*args, **more)

    monkeypatch.setattr(trace_module, "march", counted)
    together = portraits.render(u, 24)
    assert traced == [2]
    alone = torch.cat([portraits.render(one[None], 24) for one in u])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)


def test_rays_arrive_where_they_would_without_a_smaller_picture_that_foretells_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    u = portraits.sample(3, torch.Generator().manual_seed(7), "characters")
    monkeypatch.setattr(trace_module, "_HALVED", 2000)
    expected = portraits.render(u, 288)
    monkeypatch.setattr(trace_module, "_HALVED", 1)
    drawn = portraits.render(u, 288)
    off = (drawn - expected).abs().amax(1)
    assert float(off.mean()) < 1e-3
    assert float((off > 0.02).float().mean()) < 2e-3


def test_depths_that_jump_are_told_from_slopes() -> None:
    depth = torch.arange(6.0).repeat(6, 1)
    depth[:, 4:] += 3
    seen = jumps(depth.view(1, -1), 6, torch.tensor([[2.5]])).view(6, 6)
    assert seen.any(0).tolist() == [False, False, False, True, True, False]


def test_chosen_rays_are_those_of_the_whole_picture() -> None:
    shape = build(decode(portraits.sample(2, torch.Generator().manual_seed(8))))
    place = torch.tensor([[3, 90], [143, 0]])
    origin, every = rays(shape.rotation, frame(shape), 12, (0.25, -0.5))
    chosen_origin, chosen = rays(shape.rotation, frame(shape), 12, (0.25, -0.5), place)
    torch.testing.assert_close(chosen_origin, origin)
    torch.testing.assert_close(chosen, every.gather(2, place.expand(3, -1, -1)))


def test_what_nobody_has_is_not_made_and_rows_keep_what_they_have() -> None:
    asked = []

    def make() -> dict[str, torch.Tensor]:
        asked.append(1)
        return {"size": torch.arange(4.0)[:, None], "place": torch.arange(8.0).view(4, 2)}

    nobody = part(torch.zeros(4, dtype=torch.bool), make)
    assert not asked
    assert not nobody.worn
    assert select(nobody, torch.tensor([3, 0])).slot.tolist() == [-1, -1]
    some = select(part(torch.tensor([True, False, True, True]), make), torch.tensor([3, 1, 0, 3]))
    assert (some.slot.tolist(), some.rows.tolist()) == ([0, -1, 1, 2], [0, 2, 3])
    assert some.values["size"].tolist() == [[3.0], [0.0], [3.0]]
    assert some.values["place"].tolist() == [[6.0, 7.0], [0.0, 1.0], [6.0, 7.0]]
    every = select(part(torch.ones(4, dtype=torch.bool), make), torch.tensor([2, 2, 1]))
    assert (every.worn_by_all, every.values["size"].tolist()) == (True, [[2.0], [2.0], [1.0]])


def test_blocks_never_share_a_pixel() -> None:
    mask = torch.rand(3, 500, generator=torch.Generator().manual_seed(9)) < 0.5
    packed = pack(mask)
    seen = [set(row.tolist()) for row in packed.flat]
    assert sum(len(row) for row in seen) == int(mask.sum())
    assert set().union(*seen) == set(mask.view(-1).nonzero()[:, 0].tolist())


def test_many_ellipsoids_are_those_that_each_alone_is() -> None:
    rng = torch.Generator().manual_seed(10)
    centre, radii = torch.randn(3, 2, 3, generator=rng), 0.2 + torch.rand(3, 2, 3, generator=rng)
    frame = torch.linalg.qr(torch.randn(2, 3, 3, generator=rng))[0]
    shapes = [
        Ellipsoid(centre[0], radii[0]),
        Ellipsoid(centre[1], radii[1], True),
        Ellipsoid(centre[2], radii[2], False, frame),
    ]
    rows = rows_of(*ellipsoids(*shapes))
    points = torch.randn(3, 2, 50, generator=rng)
    got = ellipsoid_distances(rows, monomials(*points))
    for i, shape in enumerate(shapes):
        away = points.permute(1, 2, 0) - shape.centre[:, None]
        if shape.mirrored:
            away[..., 0] = (points[0] ** 2 + ROUNDING).sqrt() - shape.centre[:, :1]
        if shape.frame is not None:
            away = away @ shape.frame
        k0, k1 = ((away / shape.radii[:, None] ** power).norm(dim=2) for power in (1, 2))
        torch.testing.assert_close(got[:, i], k0 * (k0 - 1) / k1, atol=2e-3, rtol=1e-3)
