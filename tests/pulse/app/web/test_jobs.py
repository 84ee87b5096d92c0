"""The queue of the page's jobs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from pulse.app.web.jobs import Job, Pool, Turns
from pulse.app.web.limits import Limits


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(Limits(jobs=1, waiting=2, seconds=30))
    yield made
    made.close()


def _until_told(job: Job) -> str:
    job.tell("begun")
    while not job.must_end:
        time.sleep(0.005)
    return "the best so far"


def _wait(job: Job) -> Job:
    end = time.monotonic() + 20
    while not job.done and time.monotonic() < end:
        job.wait(0.1)
    assert job.done
    return job


def test_jobs_run_one_after_the_other_and_know_their_place(pool: Pool) -> None:
    first = pool.submit("a", _until_told)
    assert first.wait(20)
    second, third = pool.submit("b", lambda job: 2), pool.submit("c", lambda job: 3)
    assert (pool.before(first), pool.before(second), pool.before(third)) == (0, 1, 2)
    first.stop()
    assert [_wait(job).result for job in (first, second, third)] == ["the best so far", 2, 3]
    assert pool.before(third) == 0


def test_nothing_comes_before_the_job_of_a_free_worker(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    _wait(pool.submit("a", lambda job: 1))
    # The worker has not looked yet.
    monkeypatch.setattr(pool._changed, "notify", lambda: None)
    jobs = [pool.submit(owner, lambda job: 2) for owner in "bc"]
    assert [pool.before(job) for job in jobs] == [0, 1]


def test_the_queue_is_bounded_and_a_visitor_has_one_job(pool: Pool) -> None:
    first = pool.submit("a", _until_told)
    assert first.wait(20)
    with pytest.raises(ValueError, match=r"^Your last picture is still being answered; .*\.$"):
        pool.submit("a", _until_told)
    pool.submit("b", _until_told)
    pool.submit("c", _until_told)
    with pytest.raises(ValueError, match=r"^2 visitors are waiting already; .*\.$"):
        pool.submit("d", _until_told)


def test_a_job_that_waits_is_forgotten_when_it_is_stopped(pool: Pool) -> None:
    first = pool.submit("a", _until_told)
    assert first.wait(20)
    ran = threading.Event()
    second = pool.submit("b", lambda job: ran.set())
    pool.stop("b")
    assert second.stopped
    pool.stop("a")
    assert _wait(first).result == "the best so far"
    assert _wait(pool.submit("b", lambda job: 4)).result == 4
    assert not ran.is_set()


def test_the_time_limit_ends_a_job_with_its_best() -> None:
    pool = Pool(Limits(jobs=1, seconds=0.05))
    job = _wait(pool.submit("a", _until_told))
    assert (job.result, job.stopped, job.out_of_time) == ("the best so far", False, True)
    pool.close()


def test_an_error_leaves_the_worker_alive(pool: Pool) -> None:
    def fails(job: Job) -> None:
        raise RuntimeError("a defect")

    assert isinstance(_wait(pool.submit("a", fails)).error, RuntimeError)
    # Who was told that a job is done may ask for the next at once.
    for i in range(50):
        assert _wait(pool.submit("a", lambda job, i=i: i)).result == i


def test_old_news_is_forgotten(pool: Pool) -> None:
    def talks(job: Job) -> None:
        for i in range(1000):
            job.tell(i)

    job = _wait(pool.submit("a", talks))
    assert job.told == 999


@pytest.mark.parametrize("limits", [{"jobs": 0}, {"waiting": 0}, {"seconds": 0}, {"seconds": float("nan")}])
def test_limits_that_make_no_sense_are_one_sentence(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"^The .* give .*\.$"):
        Limits(**limits)  # type: ignore[arg-type]


def test_a_few_have_their_turn_at_once_some_wait_and_more_are_refused() -> None:
    turns, go, inside, most = Turns(2, 1), threading.Event(), [], []

    def work() -> None:
        with turns:
            inside.append(1)
            most.append(len(inside))
            go.wait(20)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 20
    # A fourth is refused as soon as the third waits.
    while turns.free_places and time.monotonic() < end:
        time.sleep(0.005)
    with pytest.raises(ValueError, match=r"^Many visitors are waiting already; .*\.$"), turns:
        pass
    go.set()
    for thread in threads:
        thread.join(20)
    assert len(most) == 3
    assert max(most) == 2
    with turns:
        pass
