"""More sprites of people: a block head, an elf, an astronaut, a ninja and others."""

from pulse.app.sprites.skins import BROWN, DARK, LIGHT, TAN

SPRITES: dict[str, tuple[dict[str, str], str]] = {
    "blockhead": (
        {
            **TAN,
            ".": "8cc8f0",
            ",": "6fb03f",
            "b": "a8402a",
            "B": "d05c38",
            "w": "ffffff",
            "e": "2c7a4c",
            "n": "c08050",
            "m": "7c3a34",
            "t": "f0a83c",
            "T": "c47e28",
        },
        """
        ................
        ..bbbbBbbbbbBb..
        ..bBbbbbbBbbbb..
        ..bbbbBbbbbbbb..
        ..bBhhhBbssssb..
        ..bhhhhhhsssdb..
        ..hhhhhhhssssd..
        ..hwwehhswwedd..
        ..hwwehhswwedd..
        ..hhhhhnnssssd..
        ..hnhnhnnsnsnd..
        ..hhhhhhsssssd..
        ..hhhhmmmmmsdd..
        ,,hhhhhmmsssdD,,
        ,,,,,ttTTTT,,,,,
        ,,ttttttTTTTTT,,
        """,
    ),
    "elf": (
        {
            **LIGHT,
            ".": "3c6b48",
            ",": "2c5238",
            "G": "5cae4a",
            "g": "3d8a3a",
            "k": "2a6430",
            "y": "f4dc72",
            "Y": "d8b048",
            "x": "a87f30",
            "w": "ffffff",
            "e": "2f7a58",
            "m": "c0605a",
        },
        """
        ..........ggk...
        ......GGGGggkk..
        ....GGGGGgggkkk.
        ...GGGGGGgggggk.
        ..GGGGGGgggggkk.
        ..kkkkkkkkkkkkk.
        ..yyyhyyhYyYYx..
        h.yyxxhhsxxsYx.d
        hhhwweshswwedsdd
        .hswweshswwedsd.
        ..shhsshsssssd..
        ..yhsssdsssddY..
        ,.ysshmmmmsdYY.,
        ,,yyhssssddYYx,,
        ,,.yy.sddd.YY.,,
        ,GGGGGsdDggggkk,
        """,
    ),
    "astronaut": (
        {
            **BROWN,
            ".": "14193c",
            ",": "0e1230",
            "*": "f6f3c8",
            "W": "ffffff",
            "w": "e2e8f0",
            "g": "b4c0d2",
            "k": "7c8aa4",
            "K": "4a5670",
            "b": "241812",
            "i": "fbf6ee",
            "e": "24160e",
            "m": "a24c48",
            "r": "e0523e",
        },
        """
        ....WWWWWwww....
        .*.WWWWWwwwwgg..
        ..WWWWwwwwwwwgg.
        .WWWKKKKKKKKgggg
        .WWKbbbbbbbbKggg
        WWKbbbhhssbbbKgk
        WWKhbbhssbbsdKgk
        WWKhiehssiesdKgk
        WWKhiehssiesdKgk
        WwKhhsshsssddKgk
        WwKshsshddsddKgk
        wwgKssmmmmddKggk
        .wggKsmmmmDKggk.
        ,wwggKKKKKKggkk,
        ,,wwrrggggkkkk,,
        ,WWwwwggggggkkkk
        """,
    ),
    "vampire": (
        {
            ".": "3a1f3c",
            ",": "281530",
            "h": "f4f0ee",
            "s": "dcd8e0",
            "d": "b4aec2",
            "D": "857e9c",
            "b": "17131c",
            "B": "332c3e",
            "r": "d8303c",
            "R": "9c1f30",
            "w": "ffffff",
            "m": "7a1c2c",
        },
        """
        ................
        ....bbBBbbbb....
        ...bbBBbbbbbb...
        ..bbBBbbbbbbbb..
        ..bbbbbbbbbbbb..
        ..bbhhbbbbssbb..
        ..bhhhhbbssssb..
        ..hbbbhhsbbbdb..
        .hhwrbhhswrbddD.
        ..hhhsshssssdD..
        ..hhsshdsssddD..
        R.hssshssssddD.R
        Rr.smmmmmmmdD.rR
        Rrr.swmmmwdD.rrR
        ,Rrr.ssddDD.rrR,
        bbRrrbwwwwbrrRbb
        """,
    ),
    "ninja": (
        {
            **LIGHT,
            ".": "b8c4a0",
            ",": "98a884",
            "K": "3c4262",
            "k": "282c48",
            "n": "191b30",
            "r": "e0483c",
            "R": "a82c34",
            "b": "2c1c16",
            "w": "ffffff",
            "e": "241410",
        },
        """
        ................
        .....KKKKkk.....
        ...KKKKKKkkkk...
        ..KKKKKKkkkkkk..
        ..KKKKKKkkkkkk..
        ..rrrrrrrrrrrR..
        ..rrrrrrrrrrRRr.
        ..hbbbhhsbbbdnrR
        ..hwwehsswweDn.R
        ..hhsshhssddDn..
        ..KKKKKKkkkkkn..
        ..KKKKKKkkkkkn..
        ,..KKKKKkkkkn..,
        ,,.KKKKkkkknn.,,
        ,,,.KKKkkknn.,,,
        ,KKKKKkkkkknnnn,
        """,
    ),
    "princess": (
        {
            **LIGHT,
            ".": "c8e4f4",
            ",": "a8d0e8",
            "y": "ffe68a",
            "Y": "f0be4c",
            "x": "c08430",
            "g": "ffd24a",
            "r": "f05a8a",
            "b": "9a6428",
            "w": "ffffff",
            "e": "3a74b8",
            "p": "f4a0a0",
            "m": "d84860",
            "q": "f48cc0",
            "Q": "c85c98",
        },
        """
        ....g..gg..g....
        ....ggggggrg....
        ...yggrgggggY...
        ..yyyyyyYYYYYx..
        ..yyyyyyyYYYYx..
        .yyyyhhyYYYYYxx.
        .yyhhhhhssYYYxx.
        .yyhbbhhsbbsYxx.
        .yyhwehhsewdYxx.
        .yyhwehhsewdYxx.
        .yypphshsspdYxx.
        .yyphssssdpdYYx.
        ,yyysshmmssdYYx,
        ,yyyyshmmddYYxx,
        ,yyyy.sddd.YYxx,
        ,yyqqqsdDQQQYxx,
        """,
    ),
    "viking": (
        {
            **LIGHT,
            ".": "5f88b0",
            ",": "46688c",
            "c": "fbf2d8",
            "C": "d4c49c",
            "G": "c8ccd0",
            "g": "9098a4",
            "k": "5c6472",
            "y": "d8a848",
            "o": "f08a3c",
            "O": "cc6224",
            "x": "984014",
            "w": "ffffff",
            "e": "28506c",
            "m": "7c2c24",
        },
        """
        c..............c
        cc...GGGGgg...cC
        cCc.GGGGGggg.cCC
        .cCGGGGGggggkCC.
        ..cGGGGGgggggk..
        ..yyyyyyyyyyyy..
        ..kkkkkkkkkkkk..
        ..ohxxhhsxxDOO..
        ..ohwehsswedOO..
        ..ohhsshsssdOO..
        ..oohsshddddOO..
        ..oooooooOOOOO..
        ,.ooommmmmmOOx.,
        ,,oooommmOOOOx,,
        ,,.oooooOOOOx.,,
        ,kkkooooOOOxkkk,
        """,
    ),
    "king": (
        {
            **DARK,
            ".": "7c3048",
            ",": "5c2038",
            "y": "ffe27a",
            "Y": "e0a83a",
            "x": "a8702a",
            "r": "e2415c",
            "u": "4a9ae0",
            "v": "f2f0ec",
            "V": "c8c6c8",
            "U": "98949c",
            "w": "fbf6f0",
            "e": "1a100c",
            "m": "a04848",
        },
        """
        ..y..y.yy.Y..Y..
        ..yy.yyyYY.YYY..
        ..yyyyyyYYYYYx..
        ..yruyyrYYuYrx..
        ..yyyyyYYYYYxx..
        ..VhhhhhssssdU..
        ..Vhhhhhssssdu..
        ..vhvvhhsvvddU..
        ..vhwehhsweddU..
        ..vhhhshssdddU..
        ..vvhsshdsDdVU..
        ..vvvvvvVVVVVU..
        ,.vvvmmmmmVVUU.,
        ,,vvvvvvVVVVUU,,
        ,,.vvvvVVVVUU.,,
        ,rrrvvvVVVUrrrr,
        """,
    ),
}
