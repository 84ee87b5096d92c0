"""Several processes, started by torchrun, that train one network, each on its part of every batch."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, distributed, nn


def check_device(device: str) -> None:
    """Raises ValueError, in one sentence, for a device that a run cannot train on."""
    if device not in ("cpu", "cuda"):
        raise ValueError(f"There is no device {device!r}; choose cpu or cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("There is no GPU that PyTorch can use; train with --device cpu.")


@contextmanager
def processes(device: str) -> Iterator[str]:
    """Joins the processes of torchrun, if there are any; yields this process's device.

    "cuda" becomes the GPU of the process's number on its machine. The processes exchange tensors by NCCL on
    GPUs and by gloo on CPUs.
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
    """Process 0 runs the block first, and then the others do."""
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
    """Replaces each gradient by its mean over the processes, sent as one flat tensor."""
    if world_size() == 1:
        return
    # Which losses reach a parameter depends on the step alone, so the list is the same in every process.
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return
    flat = average(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, mean in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def share_of_batch(batch_size: int) -> int:
    """How many pictures of a batch this process takes.

    Raises:
        ValueError: if the processes cannot share the batch in groups of 4, as the discriminator compares them.
    """
    share, rest = divmod(batch_size, world_size())
    if rest or share == 0 or (share > 4 and share % 4):
        raise ValueError(
            f"A batch of {batch_size} pictures cannot be shared by {world_size()} processes in groups of 4; choose"
            " another size."
        )
    return share


def any_process(flag: bool, device: torch.device) -> bool:
    """Whether the flag is set in any process, so that all stop after the same step."""
    if world_size() == 1:
        return flag
    told = torch.tensor(float(flag), device=device)
    distributed.all_reduce(told, op=distributed.ReduceOp.MAX)
    return bool(told > 0)
