"""The method "fast" with several threads: rows are shared out, and what is found does not depend on it."""

from __future__ import annotations

import importlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import pulse
from pulse.fast.shared import parts_of, share, threads_for
from pulse.operators import Downsampler, Grey
from pulse.options import SearchOptions
from pulse.walk import Course
from stylegan.common.processes import one_thread, with_threads
from stylegan.networks.stylegan2 import Generator
from tests.pulse.fast_networks import small_generator, targets_of

prepare = importlib.import_module("pulse.fast.prepare")
walk = importlib.import_module("pulse.fast.walk")


def course(G: Generator, operator: object = None, more: tuple = (), at_once: int = 8) -> Course:
    operator = operator or Downsampler((64, 64), (16, 16))
    nothing = torch.zeros(2, 1, 16)
    return Course(G, torch.zeros(2, 3, 16, 16), nothing, [], None, operator, more, SearchOptions(), at_once=at_once)


@pytest.mark.parametrize(
    ("count", "most", "threads", "expected"),
    [
        (0, 8, 2, []),
        (1, 8, 2, [1]),
        (16, 32, 2, [8, 8]),
        (16, 4, 2, [2] * 8),
        (5, 1, 2, [1] * 5),
        (16, 8, None, [8, 8]),
        (3, 8, 1, [3]),
    ],
)
def test_parts_give_each_thread_its_share_and_hold_no_more_than_before(count, most, threads, expected):
    rows = torch.arange(count)
    parts = parts_of(rows, most, threads)
    assert [len(part) for part in parts] == expected
    if count:
        assert torch.equal(torch.cat(parts), rows)


def test_parts_are_done_in_threads_of_one_thread_each_and_all_is_as_before():
    meeting = threading.Barrier(2, timeout=20)

    def do(part: int) -> tuple[int, int, int]:
        # Passes only if both parts are under way at the same time.
        meeting.wait()
        return part, torch.get_num_threads(), threading.get_ident()

    with with_threads(2):
        (first, one, here), (second, other, there) = share(do, [10, 20], 2)
        assert (first, second, one, other) == (10, 20, 1, 1)
        assert len({here, there, threading.get_ident()}) == 3
        assert torch.get_num_threads() == 2
        later: list[int] = []
        thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert later == [2]


def test_a_part_alone_has_one_thread_of_a_narrow_network_and_all_of_a_wide_one():
    with with_threads(2):
        assert share(lambda part: torch.get_num_threads(), ["alone"], 2) == [1]
        assert share(lambda part: torch.get_num_threads(), ["one", "after the other"], None) == [2, 2]
        assert torch.get_num_threads() == 2


def test_an_error_in_a_part_is_raised():
    def fail(part: int) -> None:
        raise ValueError(f"part {part}")

    with with_threads(2), pytest.raises(ValueError, match="part 1"):
        share(fail, [1, 2], 2)


def test_code_of_the_callers_and_wide_networks_are_left_to_one_thread():
    G = small_generator()
    with with_threads(2):
        assert threads_for(course(G)) == 2
        assert threads_for(course(G, at_once=1)) == 1
        assert threads_for(course(G, operator=Grey())) is None
        assert threads_for(course(G, more=((1.0, lambda *given: given[0].sum()),))) is None
        assert threads_for(course(small_generator(channel_max=256, channel_base=16384))) is None


def test_a_batch_shared_by_two_threads_finds_what_one_finds(tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(prepare, "_remembered", {})
    G = small_generator()
    target = targets_of(G, 5, 16)
    found = []
    for threads in (1, 2):
        with with_threads(threads):
            found.append(pulse.search(G, target, method="fast", steps=4, seed=3, finish="network"))
            assert torch.get_num_threads() == threads
    torch.testing.assert_close(found[0].images, found[1].images, atol=2e-2, rtol=0)
    torch.testing.assert_close(found[0].l2, found[1].l2, atol=1e-4, rtol=1e-2)


def test_a_search_that_begins_while_another_has_one_thread_has_as_many_as_alone():
    G = small_generator()
    with with_threads(2), ThreadPoolExecutor(1) as pool:
        with one_thread():
            assert pool.submit(threads_for, course(G)).result() == 2
        # The same thread, whose own number is from then.
        assert pool.submit(threads_for, course(G)).result() == 2


def test_two_searches_at_once_find_what_each_finds_alone_but_for_rounding(tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(prepare, "_remembered", {})
    G = small_generator()
    target = targets_of(G, 3, 16)
    sizes: list[int] = []
    under_way, other_began = threading.Event(), threading.Event()

    def find(seed: int) -> torch.Tensor:
        return pulse.search(G, target, method="fast", steps=3, seed=seed, finish="network").images

    plain = walk._look

    def look(way, rows, state):
        sizes.append(len(rows))
        under_way.set()
        assert other_began.wait(60)
        return plain(way, rows, state)

    with with_threads(2):
        alone = [find(1), find(2)]
        monkeypatch.setattr(walk, "_look", look)
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(find, 1)
            assert under_way.wait(60)
            counted = walk.threads_for

            def count(course):
                threads = counted(course)
                other_began.set()
                return threads

            monkeypatch.setattr(walk, "threads_for", count)
            second = pool.submit(find, 2)
            together = [first.result(), second.result()]
        assert torch.get_num_threads() == 2
    # The rows are shared out as they are alone. MKL has one number of threads for all, so rounding may differ.
    assert set(sizes) <= {1, 2}
    for image, other in zip(together, alone, strict=True):
        torch.testing.assert_close(image, other, atol=1e-3, rtol=0)
