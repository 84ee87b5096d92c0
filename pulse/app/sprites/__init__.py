"""Game sprites, drawn for this project as pixel art in text: the demonstration's inputs.

Each is a 16x16 close-up of a head, framed like the faces that a generator learns from: eyes around rows 7 and 8, mouth
around rows 11 and 12, chin near the lower edge. One letter is one pixel; the palette beside each sprite gives the
letter's colour.
"""

import torch

from pulse.app.sprites import creatures, emoji, heroes, people

_DRAWN = heroes.SPRITES | people.SPRITES | creatures.SPRITES | emoji.SPRITES
# In the order in which the demonstration shows them.
_SPRITES = {
    name: _DRAWN[name]
    for name in (
        *("knight", "hero", "goblin", "robot", "ghost", "smiley", "wizard", "pirate", "cat", "queen"),
        *("blockhead", "elf", "astronaut", "vampire", "skeleton", "frog", "fox", "hearts", "ninja", "princess"),
        *("viking", "king", "orc", "zombie", "alien", "angry", "cool"),
    )
}


def names() -> list[str]:
    """The sprites' names, in the order in which the demonstration shows them."""
    return list(_SPRITES)


def load(name: str) -> torch.Tensor:
    """One sprite as a float tensor (1, 3, 16, 16) in [0, 1]; ValueError when no sprite has that name."""
    if name not in _SPRITES:
        raise ValueError(f"There is no sprite named {name!r}; choose one of {', '.join(_SPRITES)}.")
    palette, drawing = _SPRITES[name]
    pixels = [[list(bytes.fromhex(palette[letter])) for letter in row] for row in drawing.split()]
    return torch.tensor(pixels, dtype=torch.float32).permute(2, 0, 1).unsqueeze(0) / 255
