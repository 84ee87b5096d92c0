"""Images as floats in [-1, 1] or [0, 1], and as bytes. Every conversion in the project is made here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image


def to_bytes(images: Tensor) -> Tensor:
    """Images of any shape in [0, 1] as uint8, rounded to the nearest level; values outside are clamped."""
    return images.detach().float().mul(255).round().clamp(0, 255).to(torch.uint8)


def signed_to_bytes(images: Tensor) -> Tensor:
    """A generator's images, any shape in [-1, 1], as uint8; values outside are clamped."""
    return images.detach().float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)


def bytes_to_signed(images: Tensor) -> Tensor:
    """Images (N, C, H, W) of uint8 as floats in [-1, 1], channels last."""
    return (images.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def to_pil(image: Tensor) -> Image:
    """One image (C, H, W) as an 8-bit Pillow picture, L, RGB or RGBA by the number of its channels.

    The image holds floats in [0, 1], or uint8.
    """
    from PIL import Image as PillowImage

    pixels = (image if image.dtype == torch.uint8 else to_bytes(image)).permute(1, 2, 0).cpu().contiguous().numpy()
    return PillowImage.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
