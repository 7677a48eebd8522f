"""The web page and the HTTP interface: one server, thin over the public names of gpen.

docs/http.md says what it offers. Modules, from the outside in:

    server     sockets, slow clients, the end of the process
    app        puts everything together
    guards     who may ask: hosts, sites, tokens; what every answer carries
    *_routes   paths
    uploads    bodies to files
    options    settings as clients see them
    photos     what is done with a photo, in a thread
    clips      jobs
    house      what the server keeps while it lives: folder, threads, networks, results
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from ..errors import MissingExtraError
from ..settings import Settings
from .limits import Limits

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["Limits", "create_app"]


def create_app(
    settings: Settings | None = None,
    limits: Limits | None = None,
    *,
    token: str | None = None,
    hosts: Collection[str] = (),
) -> FastAPI:
    """The application, for any ASGI server.

    Args:
        settings: What clients do not set; the networks they name are those that are used.
        limits: What a client may ask for.
        token: What clients have to show; None lets everybody in who reaches the server.
        hosts: Names that requests may call the server by, beside "localhost" and addresses.

    Raises:
        MissingExtraError: The extra `web` is not installed.
        WriteError: There is no place for temporary files.
    """
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401
    except ImportError:
        raise MissingExtraError("The web server", extra="web") from None
    from .app import build_app

    return build_app(settings or Settings(), limits or Limits(), token, hosts)
