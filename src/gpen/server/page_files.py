"""Serves the page, its files under names that change with them, so that browsers may keep them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from .http_problems import HttpProblem

PAGE = Path(__file__).parent / "page"
_FOR_EVER = "public, max-age=31536000, immutable"


class PageFiles(StaticFiles):
    """The files of the page, at `/NAME` and, to be kept for ever, at `/VERSION/NAME`.

    Attributes:
        version: Of all files together.
    """

    def __init__(self) -> None:
        super().__init__(directory=PAGE, check_dir=False)
        self.version = _digest(PAGE)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file at a path; see `StaticFiles`."""
        version, _, rest = path.partition(os.sep)
        is_versioned = version == self.version
        response = await super().get_response(rest if is_versioned else path, scope)
        response.headers["Cache-Control"] = _FOR_EVER if is_versioned else "no-cache"
        return response

    def document(self, name: str) -> Response:
        """A document, whose addresses below /static/ become those of this version.

        Raises:
            HttpProblem: It is not installed (404).
        """
        path = PAGE / name
        if not path.is_file():
            raise HttpProblem(404, "this installation has no page; /openapi.json says what it has")
        text = path.read_text("utf-8").replace('"/static/', f'"/static/{self.version}/')
        return HTMLResponse(text, headers={"Cache-Control": "no-cache"})


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]
