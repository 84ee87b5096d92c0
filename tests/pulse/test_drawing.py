"""Portraits drawn by several processes."""

from __future__ import annotations

import torch

from pulse.fit_portrait.drawing import _rendered, drawn, use_helpers
from stylegan import portraits
from stylegan.common.processes import Helpers
from stylegan.portraits.tint import TINTED, Tint


def test_processes_draw_what_threads_draw_to_the_last_bit() -> None:
    rng = torch.Generator().manual_seed(0)
    u = portraits.sample(40, rng, "characters")
    tint = Tint(0.2 * torch.randn(40, len(TINTED), 3, 4, 4, generator=rng), u)
    alone = [drawn(u, 32), drawn(u, 32, tint)]
    shared = []

    class Counted(Helpers):
        def map(self, function, jobs):  # type: ignore[no-untyped-def]
            shared.append((function, len(jobs)))
            return super().map(function, jobs)

    helpers, threads = Counted(1), torch.get_num_threads()
    try:
        use_helpers(helpers)
        together = [drawn(u, 32), drawn(u, 32, tint)]
        # One part is not worth sharing.
        drawn(u[:1], 32)
    finally:
        use_helpers(None)
        helpers.close()
    assert shared[1:] == [(_rendered, 2)] * 2
    assert torch.get_num_threads() == threads
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(*alone)
