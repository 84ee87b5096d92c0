"""Several processes that train one network, as torchrun starts them: each on its part of every batch."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, distributed, nn


@contextmanager
def processes(device: str) -> Iterator[str]:
    """Joins the processes that torchrun started, if it did; yields this process's device.

    "cuda" becomes the GPU of the process's number on its machine. They talk by NCCL on GPUs and by gloo on CPUs.
    """
    if "WORLD_SIZE" not in os.environ or distributed.is_initialized():
        yield device
        return
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield device
    finally:
        distributed.destroy_process_group()


def rank() -> int:
    """This process's number; 0 where there is one process."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def world_size() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


@contextmanager
def rank_zero_first() -> Iterator[None]:
    """The block is run by process 0, and by the others when that is through."""
    if rank() > 0:
        distributed.barrier()
    yield
    if rank() == 0 and world_size() > 1:
        distributed.barrier()


@torch.no_grad()
def average(tensor: Tensor) -> Tensor:
    """The mean of a tensor over the processes."""
    if world_size() == 1:
        return tensor
    summed = tensor.clone()
    distributed.all_reduce(summed)
    return summed / world_size()


@torch.no_grad()
def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes, sent as one flat tensor."""
    if world_size() == 1:
        return
    # Which losses reach a parameter depends on the step alone, so the list is the same in every process.
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return
    flat = average(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, mean in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def any_process(flag: bool, device: torch.device) -> bool:
    """Whether the flag is set in any process, so that all of them stop at the same step."""
    if world_size() == 1:
        return flag
    told = torch.tensor(float(flag), device=device)
    distributed.all_reduce(told, op=distributed.ReduceOp.MAX)
    return bool(told > 0)
