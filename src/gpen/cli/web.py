"""`gpen web`: serves the web page and the HTTP interface."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpen.settings import Settings

from . import console
from .option_parameters import with_options

if TYPE_CHECKING:
    from fastapi import FastAPI

EPILOG = """
**Examples**

`gpen web` — then open http://127.0.0.1:7860

`gpen web --port 8000 --models-dir ~/models --model GPEN-BFR-512`

`gpen web --host 0.0.0.0 --token SECRET` — for other machines too; or set GPEN_WEB_TOKEN

`curl -F file=@old.jpg http://127.0.0.1:7860/v1/restore -o new.jpg`
"""
_LIMITS = "Limits"


@with_options(
    *("model", "models_dir", "background", "background_denoise", "detector", "embedding"),
    *("engine", "device", "precision"),
)
def web(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = 7860,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="GPEN_WEB_TOKEN", help="Token that clients must send.", show_default=False
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Host name that clients may use for this machine."),
    ] = None,
    proxy: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address of a proxy in front, which is believed whom it speaks for; * for any.",
            show_default=False,
        ),
    ] = None,
    allow_webhook: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="Host that may be called when a video has ended."),
    ] = None,
    max_photo: Annotated[
        float, typer.Option(metavar="MIB", help="Largest photo file.", rich_help_panel=_LIMITS)
    ] = 64,
    max_video: Annotated[
        float, typer.Option(metavar="MIB", help="Largest video file.", rich_help_panel=_LIMITS)
    ] = 2048,
    max_pixels: Annotated[
        int, typer.Option(help="Most pixels of a photo, after upscaling.", rich_help_panel=_LIMITS)
    ] = 100_000_000,
    max_seconds: Annotated[
        float, typer.Option(metavar="S", help="Longest video, in seconds.", rich_help_panel=_LIMITS)
    ] = 1800,
    max_frames: Annotated[
        int, typer.Option(help="Most frames of a video.", rich_help_panel=_LIMITS)
    ] = 120_000,
    queue: Annotated[
        int, typer.Option(help="Most photos served or waiting at once.", rich_help_panel=_LIMITS)
    ] = 128,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Photos restored at the same time; default: number of cores, 2 to 8.",
            rich_help_panel=_LIMITS,
            show_default=False,
        ),
    ] = None,
    **options: Any,
) -> None:
    """Serve the web page and the HTTP interface, on this machine only by default."""
    from gpen.server import Limits, create_app

    limits = Limits(
        photo_bytes=int(max_photo * 2**20),
        video_bytes=int(max_video * 2**20),
        pixels=max_pixels,
        clip_s=max_seconds,
        clip_frames=max_frames,
        queue=queue,
        **({} if jobs is None else {"jobs": jobs}),
    )
    token = token or None
    app = create_app(
        Settings(**options),
        limits,
        token=token,
        hosts=[host, *(allow_host or [])],
        webhook_hosts=allow_webhook or [],
    )
    _serve(app, host, port, token, proxy)


def _serve(app: FastAPI, host: str, port: int, token: str | None, proxy: str | None) -> None:
    """Serve until Ctrl-C; leave nothing behind."""
    from gpen.server.http_server import Server, listen

    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # gpen's own log says the rest
    with contextlib.ExitStack() as stack:
        stack.callback(app.state.gpen.close)
        socket = stack.enter_context(listen(host, port))
        _greet(host, socket.getsockname()[1], token)
        with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how a server ends
            Server(app, proxy=proxy).run(sockets=[socket])
    console.say("stopped", to=console.err)
    if not app.state.gpen.ended:  # a network is still busy for nobody
        sys.stdout.flush()
        os._exit(console.EXIT_OK)


def _greet(host: str, port: int, token: str | None) -> None:
    """Where to look, and who else may."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    console.say(f"gpen web · http://{shown}:{port} · Ctrl-C ends it")
    if token is None and host not in ("127.0.0.1", "::1", "localhost"):
        console.say(
            "everybody who reaches this address may use it; --token SECRET asks for one",
            to=console.err,
            style="yellow",
        )
