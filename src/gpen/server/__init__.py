"""The web page and the HTTP interface: a thin server over the public names of gpen.

docs/http.md says what it offers. Modules, from the outside in:

    http_server     sockets, slow clients, shutdown
    application     puts everything together
    middleware      hosts, origins, tokens; headers of every response
    *_routes        paths; openapi_document describes them
    visitors        who asks: places, turns and jobs of one's own
    uploads         request bodies to files
    option_schema   settings as clients see them
    request_queue   photos that wait; fair_pool: whose turn it is
    decode_process  photos to pixels, in processes that can be killed
    kept_files      uploads of visits; photo_visits: decoded, with what the networks said
    image_requests  restores and describes one photo, in a thread
    video_queue     video jobs; webhooks tell of their end
    state           what requests share: folder, queue, models, results
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
    webhook_hosts: Collection[str] = (),
) -> FastAPI:
    """The application, for any ASGI server.

    Args:
        settings: What clients do not set; the networks they name are those that are used.
        limits: What a client may ask for.
        token: What clients have to show; None lets everybody in who reaches the server.
        hosts: Names that requests may call the server by, beside "localhost" and addresses.
        webhook_hosts: Hosts, such as "example.org" or "localhost:8000", that clients may let the
            server call when a video job has ended.

    Raises:
        MissingExtraError: The extra `web` is not installed.
        WriteError: The folder for temporary files cannot be written.
    """
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401
    except ImportError:
        raise MissingExtraError("The web server", extra="web") from None
    from .application import build_app

    return build_app(settings or Settings(), limits or Limits(), token, hosts, webhook_hosts)
