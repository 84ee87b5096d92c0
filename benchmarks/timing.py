"""Time and memory of one call, on the CPU or a GPU."""

import time
from collections.abc import Callable

import torch

_CYCLES_AHEAD = 4_000_000


def timed(call: Callable[[], object], device: str) -> float:
    """Seconds of one call; on a GPU by its own clock, without the time that it waits for Python."""
    if device != "cuda":
        return wall_time(call, device)
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    # Keeps the GPU busy for some milliseconds, so that Python can queue the whole call.
    torch.cuda._sleep(_CYCLES_AHEAD)
    start.record()
    call()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1e3


def wall_time(call: Callable[[], object], device: str) -> float:
    """Seconds of one call, until its result is complete."""
    if device == "cuda":
        torch.cuda.synchronize()
    begun = time.perf_counter()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def largest_allocation(call: Callable[[], object], device: str) -> int:
    """Bytes that a call allocates at its peak, the result included."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return torch.cuda.max_memory_allocated() - before
    with torch.profiler.profile(profile_memory=True) as profile:
        result = call()
    del result
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak
