"""Remembers which licences of published weight files the user has accepted."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from ..files import made_data_dir, written_whole
from .catalogue import Offer


def is_accepted(offer: Offer) -> bool:
    """Whether the terms of an offer, word by word, were accepted before."""
    return _entry(offer) in _entries()


def accept(offer: Offer) -> None:
    """Remember that the terms of an offer were accepted, for all files under the same terms.

    Raises:
        WriteError: The user's data folder cannot be written.
    """
    if is_accepted(offer):
        return
    entries = [*_entries(), _entry(offer)]
    with written_whole(_note()) as temporary:
        temporary.write_text(json.dumps(entries, indent=2), "utf-8")


def _note() -> Path:
    return made_data_dir() / "accepted-licences.json"


def _entry(offer: Offer) -> dict[str, str]:
    return {"licence": offer.licence, "terms": offer.terms, "home": offer.home}


def _entries() -> list[Any]:
    with contextlib.suppress(OSError, ValueError):  # a note that is damaged has accepted nothing
        known = json.loads(_note().read_text("utf-8"))
        if isinstance(known, list):
            return known
    return []
