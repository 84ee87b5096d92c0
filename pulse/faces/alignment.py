"""Photographs of faces as generators of faces know them: each face upright in a square, as in FFHQ."""

import os
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pulse.faces.detect import find_landmarks
from pulse.faces.square import Square, cut, face_square, paste
from pulse.pictures.read import Source, read_picture
from stylegan.common.pixels import to_bytes, to_pil

_SMALLEST, _LARGEST = 8, 4096


@dataclass(frozen=True, eq=False)
class Alignment:
    """The faces of a photograph, the largest first.

    Attributes:
        images: (N, 3, S, S) in [0, 1], each face upright in its square. N is 0 where no face was found.
        landmarks: (N, 68, 2) in iBUG's order, x to the right and y down, in pixels of the photograph; (0, 0) is the
            centre of the top left pixel.
        squares: where each was cut from the photograph.
        photograph: (1, 3, H, W) in [0, 1].
    """

    images: Tensor
    landmarks: np.ndarray
    squares: tuple[Square, ...]
    photograph: Tensor

    def __len__(self) -> int:
        return len(self.squares)

    def to_pil(self, i: int = 0) -> Image.Image:
        """Face `i` as a picture."""
        return to_pil(self.images[i])

    def paste(self, images: Tensor) -> Image.Image:
        """The photograph with each face replaced, for example by what a search found for it.

        Args:
            images: (N, 3, R, R) in [0, 1], one for each face, of any size.

        Raises:
            ValueError: it is not one image for each face.
        """
        if images.ndim != 4 or images.shape[:2] != (len(self), 3):
            raise ValueError(
                f"The faces to paste are {tuple(images.shape)}; give one for each face, floats ({len(self)}, 3, R, R)."
            )
        made = to_pil(self.photograph[0])
        # The largest face last, because it is in front.
        for square, image in reversed(list(zip(self.squares, images, strict=True))):
            made = paste(np.array(made), square, to_pil(image))
        return made


def align(
    picture: Source,
    size: int = 1024,
    *,
    predictor: str | os.PathLike[str] | None = None,
    notes: list[str] | None = None,
) -> Alignment:
    """Finds the faces of a photograph and cuts each out upright, as FFHQ's pictures were (Karras et al. 2019).

        faces = pulse.align("party.jpg", 128)
        result = pulse.search("default", pulse.downsample(faces.images, size=16))
        faces.paste(result.images).save("other-party.png")

    dlib finds the faces and their 68 landmarks. Heads may be tilted. Where the square around a face reaches beyond the
    photograph, the photograph is mirrored and fades out.

    Args:
        picture: a path, a Pillow image, an array or a tensor, as `pulse.pictures.open_picture` takes them.
        size: of the pictures of faces, in pixels, 8 to 4096.
        predictor: the file of dlib's predictor of 68 landmarks; that of Debian's package libdlib-data by default.
        notes: gets a sentence if no face is found, and for other surprises. Without a list they become warnings.

    Raises:
        ValueError: the picture or the size cannot be used, or (`pulse.faces.FaceError`) dlib or its predictor is
            missing.
    """
    check_size(size)
    found: list[str] = []
    image = read_picture(picture, notes=found)
    pixels = to_bytes(image[0]).permute(1, 2, 0).contiguous().numpy()
    faces = [(face_square(points), points) for points in find_landmarks(pixels, predictor)]
    faces.sort(key=lambda face: -face[0].side)
    cuts = [torch.from_numpy(np.array(cut(pixels, square, size))) for square, _ in faces]
    if not faces:
        found.append("No face is found in it.")
    for note in found if notes is None else ():
        warnings.warn(f"About the picture: {note}", stacklevel=2)
    if notes is not None:
        notes.extend(found)
    return Alignment(
        torch.stack(cuts).permute(0, 3, 1, 2).float() / 255 if cuts else torch.zeros(0, 3, size, size),
        np.stack([points for _, points in faces]) if faces else np.zeros((0, 68, 2)),
        tuple(square for square, _ in faces),
        image,
    )


def check_size(size: int) -> None:
    """Raises ValueError unless the pictures of faces can have `size` px."""
    if isinstance(size, bool) or not isinstance(size, int) or not _SMALLEST <= size <= _LARGEST:
        raise ValueError(f"The size of faces is {size!r}; give a whole number from {_SMALLEST} to {_LARGEST}.")
