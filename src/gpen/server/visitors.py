"""Who asks: the address that a request comes from, and the cookie that knows one's own jobs."""

from __future__ import annotations

import ipaddress
import math
import re
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Request
from starlette.responses import Response

from .http_problems import RETRY_S, HttpProblem

#: The part of anything limited that a single address may take.
_SHARE = 0.75
_COOKIE = "gpen_visitor"
#: How long a browser keeps the cookie, in seconds.
_COOKIE_S = 30 * 24 * 3600


def address_of(request: Request) -> str:
    """The network address that a request comes from; IPv6 in blocks that one customer has."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, 64), strict=False))
        address = address.ipv4_mapped
    return str(address)


def share_of(most: int) -> int:
    """How many of so many places a single address may take; all but some, one at least."""
    return math.ceil(most * _SHARE)


class PlacesByAddress:
    """Counts the places that addresses hold, of those there are."""

    def __init__(self, places: int) -> None:
        self._most, self._held = share_of(places), Counter[str]()

    @contextmanager
    def one(self, address: str) -> Iterator[None]:
        """Hold a place.

        Raises:
            HttpProblem: The address holds its share (429).
        """
        if self._held[address] >= self._most:
            raise HttpProblem(
                429,
                f"your address has {self._held[address]} requests under way, the most for one; "
                "try again when some are done",
                headers={"Retry-After": str(RETRY_S)},
            )
        self._held[address] += 1
        try:
            yield
        finally:
            self._held[address] -= 1
            if not self._held[address]:
                del self._held[address]


def visitor_of(request: Request) -> str:
    """The visitor by the cookie; empty where there is none."""
    cookie = request.cookies.get(_COOKIE, "")
    return cookie if re.fullmatch(r"[\w-]{24}", cookie, re.ASCII) else ""


def remember(request: Request, response: Response, visitor: str) -> None:
    """Give the visitor's browser the cookie."""
    response.set_cookie(
        _COOKIE,
        visitor,
        max_age=_COOKIE_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def new_visitor() -> str:
    """A name that nobody guesses."""
    return secrets.token_urlsafe(18)
