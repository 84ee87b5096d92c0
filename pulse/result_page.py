"""How a notebook shows a result: pictures, the error over the steps and the verdict as HTML, or a row of pictures."""

from __future__ import annotations

import base64
import html
import io
import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pulse.operators import downsample

if TYPE_CHECKING:
    from PIL.Image import Image

# The most images that are shown, and their size in pixels; more would bloat the notebook's file.
_SHOWN = 6
_SIDE = 160


def html_page(result: Any) -> str:
    """For each image: the target, the image, the image made small, the error over the steps, the verdict.

    The HTML stands alone and holds no script; text from settings is escaped.
    """
    name = result.settings.get("generator")
    head = html.escape(repr(result) + (f" by {str(name)[:100]}" if name else ""))
    rows = "".join(_html_row(result, i) for i in range(min(len(result), _SHOWN)))
    rest = len(result) - _SHOWN
    more = f"<div>and {rest} more; <code>result[i]</code> shows them</div>" if rest > 0 else ""
    return f"<div><div><b>{head}</b></div>{rows}{more}</div>"


def png_sheet(result: Any) -> bytes:
    """The first images side by side as a PNG."""
    from stylegan.common.grid import grid
    from stylegan.common.pixels import to_pil

    return _png(to_pil(grid(torch.stack([_thumbnail(x) for x in result.images[:_SHOWN]]), gap=4, background=1)))


def _html_row(result: Any, i: int) -> str:
    small = (("target", result.target[i]), ("made small", result.downsampled[i]))
    panels = [_html_picture(title, x) for title, x in small]
    made_by = "drawn" if result.made_by == "drawn" else "by the network"
    panels.insert(1, _html_picture(made_by, _thumbnail(result.images[i])))
    if "l2" in result.history:
        panels.append(_html_curve(result.history["l2"][i], result.settings.get("eps", 0.0)))
    words = html.escape(result.verdict(i))
    return f'<div style="display:flex;gap:8px;margin-top:8px">{"".join(panels)}</div><div>{words}</div>'


def _html_picture(title: str, image: Tensor) -> str:
    from stylegan.common.pixels import to_pil

    shown = _as_rgb(image)
    if shown is None:
        return ""
    data = base64.b64encode(_png(to_pil(shown))).decode()
    return (
        f'<div><img alt="{title}" src="data:image/png;base64,{data}" '
        f'style="height:{_SIDE}px;max-width:none;image-rendering:pixelated"><br><small>{title}</small></div>'
    )


def _html_curve(errors: Tensor, eps: float) -> str:
    """The mean squared error over the steps on a logarithmic scale, `eps` dashed."""
    points = [(step, math.log10(e)) for step, e in enumerate(errors.tolist()) if math.isfinite(e) and e > 0]
    if len(points) < 2:
        return ""
    levels = [y for _, y in points] + ([math.log10(eps)] if eps > 0 else [])
    low, high, last = min(levels), max(max(levels), min(levels) + 0.1), points[-1][0]

    def place(y: float) -> str:
        return f"{4 + (high - y) / (high - low) * (_SIDE - 8):.1f}"

    line = " ".join(f"{4 + x / last * (_SIDE - 8):.1f},{place(y)}" for x, y in points)
    floor = ""
    if eps > 0:
        y = place(math.log10(eps))
        floor = f'<line x1="0" x2="{_SIDE}" y1="{y}" y2="{y}" stroke="currentColor" stroke-dasharray="3"/>'
    title = f"l2 from {10 ** points[0][1]:.2g} to {10 ** points[-1][1]:.2g} in {last} steps"
    return (
        f'<div><svg width="{_SIDE}" height="{_SIDE}" role="img" aria-label="{title}">{floor}'
        f'<polyline points="{line}" fill="none" stroke="currentColor"/></svg><br><small>{title}</small></div>'
    )


def _thumbnail(image: Tensor) -> Tensor:
    """The image (3, H, W) with no side over `_SIDE`."""
    factor = max(image.shape[-2:]) / _SIDE
    return downsample(image, factor=factor, kernel="area") if factor > 1 else image


def _as_rgb(image: Tensor) -> Tensor | None:
    """A measurement as a picture of one or three channels; None if it has no height and width."""
    if image.ndim != 3 or image.numel() == 0:
        return None
    channels = image.shape[0]
    return _thumbnail(image if channels in (1, 3) else image[: 1 if channels < 3 else 3])


def _png(picture: Image) -> bytes:
    data = io.BytesIO()
    picture.save(data, "png", optimize=True)
    return data.getvalue()
