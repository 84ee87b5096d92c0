"""Portraits drawn by several processes."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest
import torch

from pulse.fit_portrait.drawing import _parts, _rendered, drawn, use_helpers
from stylegan import portraits
from stylegan.common.processes import Helpers, with_threads
from stylegan.portraits import blocks
from stylegan.portraits.tint import TINTED, Tint

# The package's function of that name hides the module.
trace = sys.modules["stylegan.portraits.trace"]


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


def test_portraits_are_shared_out_in_equal_parts_so_that_two_have_as_much_to_do() -> None:
    assert [_parts(count, 32) for count in (1, 32, 33, 104, 128, 129, 300)] == [1, 1, 2, 2, 2, 4, 6]
    assert [_parts(count, 512) for count in (1, 2, 3, 4)] == [1, 2, 3, 4]
    assert _parts(0, 32) == 1


def test_threads_share_out_the_rays_of_one_large_portrait_to_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    # Few rays at a time, or a picture of this size is one piece of work.
    monkeypatch.setattr(blocks, "_ON_CPU", 2**13)
    rng = torch.Generator().manual_seed(0)
    u = portraits.sample(1, rng, "characters")
    tint = Tint(0.2 * torch.randn(1, len(TINTED), 3, 4, 4, generator=rng), u)
    workers = set()
    evaluate = trace.evaluate

    def watched(*given: Any) -> Any:
        workers.add(threading.get_ident())
        return evaluate(*given)

    monkeypatch.setattr(trace, "evaluate", watched)
    pictures = []
    for threads in (1, 2):
        with with_threads(threads):
            pictures.append(drawn(u, 256, tint))
            assert torch.get_num_threads() == threads
        assert len(workers - {threading.get_ident()}) == (0 if threads == 1 else 2)
    assert torch.equal(*pictures)
