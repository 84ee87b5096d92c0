"""Sprites of the heroes of a game: a knight, a wizard, a pirate and others."""

from pulse.app.sprites.skins import BROWN, DARK, LIGHT, TAN

SPRITES: dict[str, tuple[dict[str, str], str]] = {
    "knight": (
        {
            **LIGHT,
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
            **TAN,
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
    "wizard": (
        {
            **LIGHT,
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
            **BROWN,
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
    "queen": (
        {
            **DARK,
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
