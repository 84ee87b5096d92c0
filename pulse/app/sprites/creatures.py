"""Sprites of creatures: an alien, a fox, a frog and others."""

SPRITES: dict[str, tuple[dict[str, str], str]] = {
    "skeleton": (
        {
            ".": "2e3a4c",
            ",": "222c3c",
            "h": "fbf8ea",
            "s": "e2dcc6",
            "d": "b8b098",
            "D": "867e6a",
            "k": "1c1a1e",
            "r": "d84a3a",
        },
        """
        ................
        .....hhhhss.....
        ...hhhhhhsssd...
        ..hhhhhhhssssd..
        ..hhhhhhhssssd..
        ..hhhhhhhssssd..
        ..hkkkhhskkkdD..
        ..kkkkkhkkkkkD..
        ..kkrkkhkkrkkD..
        ..hkkkhshkkkdD..
        ..hhhhkkkksdDD..
        ...hhskskssdD...
        ,..hkhkhkskdD..,
        ,,.hkhkhkskdD.,,
        ,,..hhssssdD..,,
        ,,,,.kkkkkk.,,,,
        """,
    ),
    "frog": (
        {
            ".": "a8dcec",
            ",": "7cc0d8",
            "h": "a4e060",
            "s": "74c044",
            "d": "4e9834",
            "D": "346e2c",
            "w": "fffbe0",
            "k": "1c2416",
            "m": "8c3038",
            "y": "e8f0a8",
            "Y": "c8d884",
        },
        """
        ................
        ..hhhh....sssd..
        .hhwwhh..sswwsd.
        .hwwwwhhsswwwwd.
        .hwwkkhhsswkkwd.
        .hwwkkhhsswkkwd.
        .hhwwhhhssswwdd.
        .hhhhhhhsssssdD.
        hhhhhkhhsksssddD
        hhhhhhhhssssdddD
        hmhhhhhhsssssdmD
        shmmmmmmmmmmmmdD
        .sshyyyyYYYYddD.
        ,.syyyyyYYYYYD.,
        ,,.ssyyYYYYDD.,,
        ,,,.ddddDDDD.,,,
        """,
    ),
    "fox": (
        {
            ".": "e8e0c8",
            ",": "d0c4a8",
            "h": "f8a050",
            "s": "e87a30",
            "d": "c05a20",
            "D": "8c3c18",
            "p": "3a2420",
            "w": "fffaf0",
            "W": "e8dccc",
            "k": "1c1412",
            "e": "6a4410",
            "m": "7c3c34",
        },
        """
        .p............p.
        .hp..........pd.
        .hhp........pdd.
        .hwhhhhhssssdwd.
        .hhhhhhhsssssdd.
        .hhhhhhhsssssdd.
        hhhkkhhhssskkddD
        hhwkehhhsssekWdD
        hwwwkhhhssskWWdD
        wwwwwwhhssWWWWWD
        wwwwwwwkkWWWWWWd
        .wwwwwwkkWWWWWW.
        ,.wwwwwkkWWWWW.,
        ,,.wwwmmmmWWW.,,
        ,,,.wwwWWWWW.,,,
        ,,,hhhwWWWdddD,,
        """,
    ),
    "orc": (
        {
            ".": "6c5444",
            ",": "4e3c32",
            "h": "a0b478",
            "s": "788c58",
            "d": "56683f",
            "D": "3a482c",
            "b": "1c1a16",
            "B": "38322a",
            "w": "fffbe8",
            "r": "e04838",
            "k": "2a1614",
            "g": "8c929c",
            "G": "5c626c",
        },
        """
        ......bbBb......
        .....bbBBbb.....
        .....hbBBbs.....
        ...hhhbBbssdd...
        ..hhhhhbhsssdd..
        ..hhhhhhhssssd..
        h.hbbhhhsssbbd.D
        hhhbbbbhsbbbbdDD
        .shwrbhhssrwbdD.
        ..hhhsshsssddD..
        ..hhshhhssdddD..
        ..hwhkkkkkkwdD..
        ,.swkkkkkkkwDD.,
        ,,swskkkkkdwDD,,
        ,,.ssssdddDDD.,,
        ,ggGGsddddDGGgg,
        """,
    ),
    "zombie": (
        {
            ".": "44505c",
            ",": "343e48",
            "h": "b8ccb0",
            "s": "90ac90",
            "d": "6a8872",
            "D": "486454",
            "b": "2c2620",
            "B": "483e34",
            "w": "f4f0c8",
            "e": "a03028",
            "k": "2c1e28",
            "r": "a8384c",
            "t": "e0d8b0",
            "c": "5c4878",
            "C": "3e3054",
        },
        """
        ................
        ...bbBbbb.bb....
        ..bbBbbbbbbbb...
        ..bBbbBbbbBbbb..
        .bbhbbbhbbsbbb..
        ..bhhhbhssssdb..
        ..hhhhrrrsssdd..
        ..hkkkhhskkkdD..
        .hhkwwhhswwkdDD.
        ..hkwehhsewkdD..
        ..hhhsshsssdDD..
        ..shhsdsssdddD..
        ,..sktktktkdD..,
        ,,.skkkkkkkdD.,,
        ,,,.ssrrdddD.,,,
        ,cccchsdddCCCCC,
        """,
    ),
    "alien": (
        {
            ".": "1c1440",
            ",": "120c30",
            "*": "f0e8ff",
            "h": "c8f4e0",
            "s": "98dcc4",
            "d": "6ab4a4",
            "D": "448484",
            "k": "100c20",
            "w": "e8fcff",
            "m": "2c5c60",
            "v": "8a54c8",
            "V": "5c3494",
        },
        """
        .....hhhsss...*.
        ...hhhhhsssdd...
        ..hhhhhhssssdd..
        .hhhhhhhsssssdd.
        .hhhhhhhsssssdD.
        .hhhhhhhsssssdD.
        .hkkkhhhssskkkD.
        .kkwkkhhsskwkkk.
        .kkkkkkhskkkkkk.
        ..kkkkkhskkkkkD.
        ..hkkkhhsskkkD..
        *..hhhhsssddD...
        ,...hshmmsdD...,
        ,,..hhssssdD..,,
        ,,,...hsdD...,,,
        ,,vvvvhsdDVVVV,,
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
}
