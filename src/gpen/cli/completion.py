"""Shell completion of option values, such as names of models.

Shells run gpen anew for every Tab, so that nothing heavy is imported here, and no error is shown.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from gpen.errors import GpenError
from gpen.settings import DEFAULT_DETECTOR

if TYPE_CHECKING:
    from gpen.models.kinds import Role


def restorers(incomplete: str) -> list[str]:
    """Names of the restorers in the models folders that begin like this."""
    return _names("restorer", incomplete)


def detectors(incomplete: str) -> list[str]:
    """Names of the detectors that begin like this."""
    own = [DEFAULT_DETECTOR] if DEFAULT_DETECTOR.startswith(incomplete) else []
    return own + [name for name in _names("detector", incomplete) if name not in own]


def embeddings(incomplete: str) -> list[str]:
    """Names of the face embeddings that begin like this."""
    return _names("identity", incomplete)


def upscalers(incomplete: str) -> list[str]:
    """Names of the upscalers that begin like this."""
    return _names("upscaler", incomplete)


def offers(incomplete: str) -> list[tuple[str, str]]:
    """Names of what can be fetched that begin like this, each with what it is."""
    from gpen.models.catalogue import OFFERS

    return [(offer.name, offer.title) for offer in OFFERS if offer.name.startswith(incomplete)]


def _names(role: Role, incomplete: str) -> list[str]:
    from gpen.models import find_role

    with contextlib.suppress(GpenError):
        stems = dict.fromkeys(path.stem for path in find_role(role))
        return [stem for stem in stems if stem.startswith(incomplete)]
    return []
