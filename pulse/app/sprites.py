"""Game sprites, drawn for this project as pixel art in text: the demonstration's inputs.

Each is a 16x16 close-up of a head, framed like the faces that a generator learns from: eyes around rows 7 and 8, mouth
around rows 11 and 12, chin near the lower edge. One letter is one pixel; the palette beside each sprite gives the
letter's colour.
"""

import torch

_SKIN_LIGHT = {"h": "fde0c4", "s": "eebb96", "d": "cf9270", "D": "a0654c"}
_SKIN_TAN = {"h": "f0bf8e", "s": "d79a66", "d": "b27747", "D": "85532f"}
_SKIN_BROWN = {"h": "b98055", "s": "99633e", "d": "774a2d", "D": "53311e"}
_SKIN_DARK = {"h": "8f5b3e", "s": "6f432c", "d": "52301f", "D": "372015"}

_SPRITES: dict[str, tuple[dict[str, str], str]] = {
    "knight": (
        {
            **_SKIN_LIGHT,
            ".": "31466b",
            ",": "26365a",
            "r": "d8433f",
            "R": "9c2433",
            "W": "e4ebf2",
            "G": "aab6c6",
            "g": "6c7a92",
            "k": "39435a",
            "y": "e8c254",
            "b": "6b4429",
            "w": "f6f2ea",
            "e": "234a78",
            "m": "b0524a",
        },
        """
        .......rrR......
        .....rrrRRR.....
        ....GWWyyGGg....
        ...GWWGyyGGgg...
        ..GWWGGyyGGGgg..
        ..GWGGGyyGGGgk..
        ..GGkkkkkkkkgk..
        ..GkbbbshbbbDk..
        ..GkwewhswewDk..
        ..GkhsshssddDk..
        ..GkhssssdsdDk..
        ,.GGsdmmmmdDgk.,
        ,,GGGssmmsDggk,,
        ,,gWGGssddggkk,,
        ,gGWWGGGGgggkkk,
        gGGGWGGGGGggkkkk
        """,
    ),
    "hero": (
        {
            **_SKIN_TAN,
            ".": "9fd4ea",
            ",": "7fbfdc",
            "C": "1f9a8c",
            "c": "2fc2ac",
            "K": "136a66",
            "y": "f6d24c",
            "b": "4a2b1c",
            "B": "6d4328",
            "w": "ffffff",
            "e": "3a2618",
            "n": "e8a27c",
            "m": "9c4a3c",
            "o": "e88a2a",
            "O": "b5621a",
        },
        """
        ................
        ....cccCCCCK....
        ...cccCyyCCCK...
        ..cccCCyyCCCKK..
        ..ccCCCCCCCCKK..
        .cccCCCCCCCCKKK.
        .KKKKKKKKKKKKKK.
        ..bbbbsdssbbbb..
        ..bhwewhswewdB..
        ..shsssnhsssdD..
        ..hhsshnnssddD..
        ,..sBBBnnBBBD..,
        ,,.BBBBBbbbbb.,,
        ,,,.ssmmmmdD.,,,
        ,,oo.sssdDD.OO,,
        ,oooohsdDDOOOOO,
        """,
    ),
    "goblin": (
        {
            ".": "5c4a66",
            ",": "453750",
            "h": "b6dc74",
            "s": "86b84e",
            "d": "5d8c3a",
            "D": "3d6430",
            "b": "26341f",
            "y": "fbe35a",
            "e": "3a1616",
            "p": "d99a86",
            "w": "fbf6dc",
            "m": "5a2a2c",
            "l": "7a4b2c",
            "L": "54331f",
        },
        """
        ................
        .....hhsssd.....
        ...hhhhsssddd...
        ...hhhssssddd...
        h..hhsssssddd..D
        hh.hssssssddd.dD
        shhhbbsssdbbdddD
        sphhybbssbbydDpd
        .pshyeyhsyeydDp.
        .dshsshhssdddDD.
        ..shsshssdsddD..
        ..dssshssddddD..
        ,.dwmmmmmmmmwD.,
        ,,,wsmmmmmmdw,,,
        ,,,LdssssdddDL,,
        ,lllLddddDDLLLL,
        """,
    ),
    "robot": (
        {
            ".": "f2b66a",
            ",": "e09a52",
            "h": "e8eef2",
            "s": "b4c2cc",
            "d": "8596a6",
            "D": "5a6a7c",
            "k": "26303e",
            "c": "3fd6ee",
            "C": "d4fbff",
            "r": "e8483c",
            "R": "ffb0a0",
            "g": "3c4858",
            "w": "dfe9ef",
        },
        """
        ......Rr........
        .......D........
        ...hhhhDsssd....
        ..hhssssssssdD..
        ..hsssssssssdD..
        ..hsddddddddsD..
        ..hskkkdskkksD..
        .DhkcCckkcCckDk.
        DDhkcccddccckDkk
        DDhskkkhskkksDkk
        .DhsssshdssddDk.
        ..hssssddsssdD..
        ..hskwgwgwgkdD..
        ,.hskwgwgwgkdD.,
        ,,.dddddddDDD.,,
        ,,,,,gDdDgg,,,,,
        """,
    ),
    "ghost": (
        {
            ".": "2b2350",
            ",": "1f193f",
            "*": "f4e6a8",
            "h": "ffffff",
            "s": "dfe6fa",
            "d": "b3bde6",
            "D": "8189c4",
            "k": "232046",
            "v": "4b4488",
            "p": "f0b6cc",
            "m": "5a3a6c",
        },
        """
        .*...hhhss......
        ....hhhhssss..*.
        ...hhhhhsssdd...
        ..hhhhhhssssdd..
        ..hhhhhhssssdd..
        ..hhhhhhssssddD.
        .hhhkkhhsskksdD.
        .hhvkkkhsvkkkdD.
        .hhvkkkhsvkkkdD.
        .hhhkkhhsskksdD.
        .hpphhhhssssppD.
        .hhhhhkkkkssddD.
        ,hhhhhkmmkssdDD,
        ,hhhhhhkksssdDD,
        ,hhshhssddsddDD,
        ,h,,shs,,sd,,dD,
        """,
    ),
    "smiley": (
        {
            ".": "dbe8ee",
            ",": "c4d6e0",
            "h": "fff3a0",
            "s": "ffd84a",
            "d": "f4b52e",
            "D": "cf8420",
            "k": "4a2c18",
            "w": "ffffff",
            "p": "f79a5c",
            "m": "8a3420",
            "t": "e2604e",
        },
        """
        .....hhhsss.....
        ...hhhhhssssd...
        ..hhhhhhsssssd..
        .hhhhhsssssssdd.
        .hhhsssssssssdd.
        hhhssssssssssddD
        hhsskwsssskwsddD
        hhsskksssskksddD
        hhsskksssskksddD
        hsssssssssssdddD
        sppssssssssssppD
        .pkkkkkkkkkkkpD.
        .sskwwwwwwwwkdD.
        ,.sdkmttttmkdD.,
        ,,.ddkkkkkkDD.,,
        ,,,,,dddDDD,,,,,
        """,
    ),
    "wizard": (
        {
            **_SKIN_LIGHT,
            ".": "243b4a",
            ",": "1a2c3a",
            "P": "6a3fa0",
            "p": "8f62c8",
            "q": "472873",
            "y": "ffe27a",
            "W": "ffffff",
            "w": "dde2ea",
            "v": "aab3c4",
            "V": "7c869c",
            "e": "24506c",
            "m": "a05048",
        },
        """
        ......pPPq......
        .....ppPPqq.....
        .....pPyPPq.....
        ....ppyyyPqq....
        ...ppPPyPPPqq...
        ..pppPPPPPPqqq..
        pppPPPPPPPPqqqqq
        .qqqqqqqqqqqqqq.
        ..vWWWshsWWWdv..
        ..whWehhsWesdV..
        ..wshhshssddDV..
        ..wWssshhsddwV..
        ,.WWWWWhdWWwwV.,
        ,,WWWwmmmmwwvV,,
        ,,wWWWWwwwwvVV,,
        ,,,wWWWwwwvvV,,,
        """,
    ),
    "pirate": (
        {
            **_SKIN_BROWN,
            ".": "8fc7cf",
            ",": "5a9fb4",
            "r": "e2564a",
            "R": "b8323a",
            "q": "7e1f30",
            "w": "fff4dc",
            "k": "1c1518",
            "e": "2a1a12",
            "b": "2e1d16",
            "y": "f4c842",
            "m": "7c332c",
            "t": "f6efdc",
        },
        """
        ................
        ....rrrRRRRq....
        ...rrwrRRRwRq...
        ..rrrrrRRRRRqq..
        ..rwrrRwRRRwqq..
        ..rrrRRRRRRRqqq.
        ..qqqqqqqqqqqqqq
        ..kbbbshsbbbkkRq
        ..khwewhskkkkDqq
        ..hhssshskkkdD.q
        ..yhsshhssdddD..
        ..yhsbbbbbbddD..
        ,..sbtttytbbD..,
        ,,.bbbmmmbbbb.,,
        ,,,.bbbbbbbb.,,,
        ,wwwrDbbbDDRwww,
        """,
    ),
    "cat": (
        {
            ".": "7a9c84",
            ",": "5f8370",
            "h": "ffc98a",
            "s": "f09a4a",
            "d": "cf7430",
            "D": "9a4f22",
            "b": "7a3c1c",
            "p": "f2a0a0",
            "W": "fff6ea",
            "w": "ecdccb",
            "g": "a8dc5a",
            "k": "1f1a16",
            "n": "d8646c",
            "v": "c2ab98",
        },
        """
        .h............d.
        .hh..........dD.
        .hph........dpD.
        .hpphhbsbsdddpD.
        .hhhhsbsbssdddD.
        .hhhssbsbssdddD.
        .hhsssssssssddD.
        .hggkghssggkgdD.
        .bggkghssggkgbD.
        .hhhssWWWWsdddD.
        .bbhsWWnnWwsdbb.
        .hhWWWWnwwwwwdD.
        ,.WWWWkwwkwwwv.,
        ,,.WWWWkkwwwv.,,
        ,,,.sWWwwwwd.,,,
        ,,,hhsWWwwdDD,,,
        """,
    ),
    "queen": (
        {
            **_SKIN_DARK,
            ".": "d8c2e0",
            ",": "bfa3cf",
            "y": "ffe27a",
            "Y": "e0a83a",
            "x": "a8702a",
            "r": "e2415c",
            "b": "241a24",
            "B": "3e2b38",
            "w": "fbf6f0",
            "e": "1a100c",
            "m": "a8323e",
            "M": "7e2430",
            "g": "7fd0b8",
            "P": "b23a7a",
            "p": "7f2458",
        },
        """
        ...y...yY...Y...
        ...yy.yyYY.YY...
        ...yyryyYrYYx...
        ...yyyyYYYYxx...
        ..BByYyYyYxYbb..
        ..BBBhhhssdbbb..
        .BBBhhhhsssdbbb.
        .BBhbbhhssbbdbb.
        .BBhwewhswewdbb.
        .BBhhshhssddDbb.
        .BBhsshhssddDbb.
        ,BBhsshssdddDbb,
        ,gBBssmmmMddbbg,
        ,yBBBssmMddbbby,
        ,BBBBPdsddDpbbb,
        ,,BPPPPddDppppb,
        """,
    ),
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
