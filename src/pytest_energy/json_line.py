"""On which line of a JSON text a member stands: for messages about what is wrong with it."""

from __future__ import annotations

import json
import re


def line_of(text: str, where: tuple[str | int, ...]) -> int:
    """The line on which a member of a JSON text begins.

    json keeps no positions, and this is needed only for a message: so the text, known to be well
    formed, is walked again, member by member, skipping what is not on the way.
    """
    decoder = json.JSONDecoder()
    blank = re.compile(r"[\s,:]*")

    def skip(position: int) -> int:
        found = blank.match(text, position)
        return found.end() if found else position

    position = begun = skip(0)
    for step in where:
        position = skip(position + 1)
        index = 0
        while text[position] not in "]}":
            begun = position
            if isinstance(step, str):
                name, position = decoder.raw_decode(text, position)
                position = skip(position)
                found = name == step
            else:
                found = index == step
            if found:
                break
            position = skip(decoder.raw_decode(text, position)[1])
            index += 1
    return text.count("\n", 0, begun) + 1
