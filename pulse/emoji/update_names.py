"""Makes names.tsv, the list of all emoji, anew from a release of emojibase-data (Miles Johnson, MIT).

    npm pack emojibase-data && tar xf emojibase-data-*.tgz
    python -m pulse.emoji.update_names package

emojibase-data joins Unicode's emoji-test.txt with the keywords of CLDR. A line of names.tsv has five columns: the code
points, the group, the sub-group, the name, and the keywords joined by commas. The order is that of keyboards.
"""

import json
import sys
from pathlib import Path
from typing import Any

from stylegan.common.files import write_text

NAMES = Path(__file__).with_name("names.tsv")


def lines(package: Path) -> list[str]:
    """The lines of names.tsv by the unpacked package."""
    said = json.loads((package / "en" / "messages.json").read_text(encoding="utf-8"))
    groups = {row["order"]: row["message"].title().replace("Components", "Component") for row in said["groups"]}
    subgroups = {row["order"]: row["key"] for row in said["subgroups"]}
    rows: list[tuple[int, str]] = []
    for base in json.loads((package / "en" / "data.json").read_text(encoding="utf-8")):
        # Letters that only pairs of which are flags have no group.
        if "group" not in base:
            continue
        for one in (base, *base.get("skins", ())):
            rows.append((one["order"], _line(one, base, groups, subgroups)))
    return [line for _, line in sorted(rows)]


def _line(one: dict[str, Any], base: dict[str, Any], groups: dict[int, str], subgroups: dict[int, str]) -> str:
    points = " ".join(f"{ord(character):X}" for character in one["emoji"])
    words = ",".join(base.get("tags", ()))
    return "\t".join([points, groups[one["group"]], subgroups[one["subgroup"]], one["label"], words])


if __name__ == "__main__":
    write_text(NAMES, "\n".join(lines(Path(sys.argv[1]))) + "\n")
