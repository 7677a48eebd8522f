"""Which of several media types a client likes best (RFC 9110, section 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_QUALITY = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")


def preferred(accept: str, offers: Sequence[str]) -> str | None:
    """The offer that an `Accept` header prefers; None where it takes none of them.

    Of equally liked offers the one that is named outright wins, then the first.
    """
    ranges = _ranges(accept) or {"*/*": 1.0}
    liked = [(*_liking(offer, ranges), -place, offer) for place, offer in enumerate(offers)]
    quality, _, _, offer = max(liked)
    return offer if quality > 0 else None


def _ranges(accept: str) -> dict[str, float]:
    """Media ranges with their quality."""
    found = {}
    for part in accept.lower().split(","):
        media_range, *parameters = (piece.strip() for piece in part.split(";"))
        qualities = [match for one in parameters if (match := _QUALITY.fullmatch(one))]
        if media_range:
            found[media_range] = float(qualities[0][1]) if qualities else 1.0
    return found


def _liking(offer: str, ranges: dict[str, float]) -> tuple[float, int]:
    """Quality of an offer, by the range that fits it most closely, and how closely that fits."""
    fits = (offer, f"{offer.partition('/')[0]}/*", "*/*")
    for closeness, media_range in zip((2, 1, 0), fits, strict=True):
        if media_range in ranges:
            return ranges[media_range], closeness
    return 0.0, 0
