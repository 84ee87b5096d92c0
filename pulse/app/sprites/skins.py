"""Four skins, each from its light to its shadow."""

LIGHT = {"h": "fde0c4", "s": "eebb96", "d": "cf9270", "D": "a0654c"}
TAN = {"h": "f0bf8e", "s": "d79a66", "d": "b27747", "D": "85532f"}
BROWN = {"h": "b98055", "s": "99633e", "d": "774a2d", "D": "53311e"}
DARK = {"h": "8f5b3e", "s": "6f432c", "d": "52301f", "D": "372015"}
