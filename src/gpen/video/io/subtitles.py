"""Converts subtitles between text formats."""

from __future__ import annotations

import re

#: The text format that each container takes.
TEXT_FORMATS = {".mp4": "mov_text", ".mov": "mov_text", ".mkv": "subrip", ".webm": "webvtt"}
#: Codecs whose packets `read_text` understands.
READABLE = {"subrip", "text", "webvtt", "mov_text", "ass", "ssa"}

_TAG = re.compile(r"<[^>]*>")
_OTHER_TAG = re.compile(r"<(?!/?[biu]>)[^>]*>")
_ASS_OVERRIDE = re.compile(r"\{[^}]*\}")


def read_text(codec: str, data: bytes) -> str:
    """The text of a subtitle packet; "" for the gaps that mp4 stores.

    Args:
        codec: One of `READABLE`.
        data: Bytes of the packet.
    """
    if codec == "mov_text":
        data = data[2 : 2 + int.from_bytes(data[:2], "big")]
    text = data.decode("utf-8", "replace").strip("\0")
    if codec in ("ass", "ssa"):  # order, layer, style, name, three margins, effect, text
        text = text.split(",", 8)[-1]
        text = _ASS_OVERRIDE.sub("", text).replace(r"\N", "\n").replace(r"\n", "\n")
    return text.strip()


def write_text(codec: str, text: str) -> bytes:
    """The packet of a text. Bold, italic and underline stay where the format has tags for them.

    Args:
        codec: A value of `TEXT_FORMATS`.
        text: The text.
    """
    if codec == "mov_text":
        data = _TAG.sub("", text).encode("utf-8")[:65535]
        return len(data).to_bytes(2, "big") + data
    return (_OTHER_TAG.sub("", text) if codec == "webvtt" else text).encode("utf-8")
