"""Sprites in the manner of emoji: round faces, and their moods."""

SPRITES: dict[str, tuple[dict[str, str], str]] = {
    "angry": (
        {
            ".": "f2ece4",
            ",": "ded6cc",
            "h": "ff9a6a",
            "s": "f46a44",
            "d": "d84430",
            "D": "a82a28",
            "k": "3c1414",
            "w": "ffffff",
        },
        """
        .....hhhsss.....
        ...hhhhhsssss...
        ..hhhhhssssssd..
        .hhhhhsssssssdd.
        .hhhhssssssssdd.
        hhkkssssssskkddD
        hhskkkssskkksddD
        hhsskwkskwkssddD
        hhsskkksskkssddD
        hsssskssssksdddD
        sssssssssssssddD
        .ssskkkkkkksddD.
        .sskkssssskkddD.
        ,.sksssssssdkD.,
        ,,.dddddddDDD.,,
        ,,,,,dddDDD,,,,,
        """,
    ),
    "hearts": (
        {
            ".": "e4f0f4",
            ",": "ccdee8",
            "h": "fff3a0",
            "s": "ffd84a",
            "d": "f4b52e",
            "D": "cf8420",
            "r": "e8304c",
            "R": "b81c3c",
            "p": "ff7a8c",
            "k": "5a2c18",
            "m": "a03428",
            "w": "ffffff",
        },
        """
        .....hhhsss.....
        ...hhhhhsssss...
        ..hhhhhhsssssd..
        .hhhhhhsssssssd.
        .hrrhrrssrrsrrd.
        hhrprrRssrprrRdD
        hhrrrrRssrrrrRdD
        hhsrrRssssrrRddD
        hhssRsssssssRddD
        hsssssssssssdddD
        ssskkkkkkkkkkddD
        .sskwwwwwwwwkdD.
        .ssdkmmmmmmkddD.
        ,.sddkkkkkkddD.,
        ,,.dddddddDDD.,,
        ,,,,,dddDDD,,,,,
        """,
    ),
    "cool": (
        {
            ".": "f0e4f4",
            ",": "dccce4",
            "h": "fff3a0",
            "s": "ffd84a",
            "d": "f4b52e",
            "D": "cf8420",
            "k": "1c1c28",
            "g": "5c6480",
            "m": "7c3c1c",
        },
        """
        .....hhhsss.....
        ...hhhhhsssss...
        ..hhhhhhsssssd..
        .hhhhhsssssssdd.
        .hhhhssssssssdd.
        hkkkkkkkkkkkkkkD
        hhkggkkskkggkkdD
        hhkgkkkskkgkkkdD
        hhkkkkksskkkkkdD
        hssskksssskkdddD
        sssssssssssssddD
        .ssskssssssskdD.
        .ssssmmmmmmmddD.
        ,.sdddddddddDD.,
        ,,.dddddddDDD.,,
        ,,,,,dddDDD,,,,,
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
}
