"""The jobs of a page: a bounded queue, few that work at once, each stopped by its owner or by the time limit."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pulse.app.web.limits import Limits


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        part: from 0 to 1.
        words: what it is doing.
        preview: the best face so far, or several of them in a square, as a WebP; None where there is none yet.
    """

    part: float
    words: str
    preview: bytes | None = None


class Job:
    """Something that works for one visitor; its worker tells of it, and its visitor may stop it.

    Attributes:
        told: the last thing that the worker told of.
        result: what the work returned, once it is done.
        error: what it raised instead.
        left: whether its owner has gone, so that nobody wants what it finds.
    """

    def __init__(self, owner: str, work: Callable[[Job], Any], seconds: float) -> None:
        self.owner, self.work, self.seconds = owner, work, seconds
        self.told: Any = None
        self.result: Any = None
        self.error: BaseException | None = None
        self.stopped = self.left = False
        self.started: float | None = None
        self.done = False
        self._changed = threading.Condition()
        self._news = False

    def tell(self, what: Any) -> None:
        """Of the worker: how far it is. What nobody has looked at yet is forgotten."""
        with self._changed:
            self.told, self._news = what, True
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Waits for news, for at most so long; whether there are any."""
        with self._changed:
            self._changed.wait_for(lambda: self._news or self.done, seconds)
            news, self._news = self._news or self.done, False
            return news

    def stop(self) -> None:
        """Asks the worker to end with its best so far."""
        with self._changed:
            self.stopped = self._news = True
            self._changed.notify_all()

    @property
    def out_of_time(self) -> bool:
        return self.started is not None and time.monotonic() - self.started > self.seconds

    @property
    def over(self) -> bool:
        """Whether it has ended, or will never begin."""
        return self.done or (self.stopped and self.started is None)

    @property
    def must_end(self) -> bool:
        """Whether the worker is to end with its best so far."""
        return self.stopped or self.out_of_time

    def run(self) -> None:
        """Works, in the worker's thread; `finish` tells of it."""
        self.started = time.monotonic()
        try:
            self.result = self.work(self)
        except BaseException as error:
            self.error = error

    def finish(self) -> None:
        """Tells its visitor that it is done."""
        with self._changed:
            self.done = True
            self._changed.notify_all()


class Pool:
    """Worker threads, and the jobs that wait for them, first come, first served."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._working: list[Job] = []
        self._closed = False
        for _ in range(limits.jobs):
            threading.Thread(target=self._work, daemon=True, name="pulse app worker").start()

    def submit(self, owner: str, work: Callable[[Job], Any]) -> Job:
        """Queues a job: `work` is called with it, and calls `Job.tell` and looks at `Job.must_end`.

        Raises:
            ValueError: in one sentence, if too many wait, or the owner has a job that is not done.
        """
        job = Job(owner, work, self.limits.seconds)
        with self._changed:
            if any(other.owner == owner for other in (*self._waiting, *self._working)):
                raise ValueError("Your last picture is still being answered; stop it first, or wait for it.")
            if self._closed or len(self._waiting) >= self.limits.waiting:
                raise ValueError(f"{len(self._waiting)} visitors are waiting already; come back in a few minutes.")
            self._waiting.append(job)
            self._changed.notify()
        return job

    def before(self, job: Job) -> int:
        """How many jobs must end before this one begins; 0 once it works, or a worker is free."""
        with self._changed:
            if job not in self._waiting:
                return 0
            return max(0, list(self._waiting).index(job) + len(self._working) - self.limits.jobs + 1)

    def stop(self, owner: str, *, left: bool = False) -> None:
        """Stops the owner's job; one that waits is forgotten. `left` is whether the owner has gone."""
        with self._changed:
            mine = [job for job in (*self._waiting, *self._working) if job.owner == owner]
            self._waiting = deque(job for job in self._waiting if job.owner != owner)
        for job in mine:
            job.left = job.left or left
            job.stop()

    def close(self) -> None:
        """Stops everything, and lets the workers end."""
        with self._changed:
            self._closed = True
            jobs = [*self._waiting, *self._working]
            self._waiting.clear()
            self._changed.notify_all()
        for job in jobs:
            job.stop()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                job = self._waiting.popleft()
                self._working.append(job)
            job.run()
            with self._changed:
                self._working.remove(job)
            # Only now, so that its owner can ask for the next.
            job.finish()


class Turns:
    """Work that visitors wait for, a few of them at once; used in a `with` statement.

    Args:
        at_once: how many work at once.
        waiting: how many more may wait.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self._turn = threading.Semaphore(at_once)
        self._lock = threading.Lock()
        self.free_places = at_once + waiting

    def __enter__(self) -> None:
        """Waits for its turn.

        Raises:
            ValueError: in one sentence, if too many wait.
        """
        with self._lock:
            if not self.free_places:
                raise ValueError("Many visitors are waiting already; try again in a minute.")
            self.free_places -= 1
        self._turn.acquire()

    def __exit__(self, *_: object) -> None:
        self._turn.release()
        with self._lock:
            self.free_places += 1
