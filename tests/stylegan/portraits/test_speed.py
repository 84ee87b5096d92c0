"""Portraits drawn by several processes, and the arithmetic that was made shorter."""

import json
import math
from operator import neg
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stylegan import portraits
from stylegan.common.processes import in_processes
from stylegan.portraits import files
from stylegan.portraits.smooth import soft_min, soft_min_of_all


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
