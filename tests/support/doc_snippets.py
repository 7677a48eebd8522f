"""The code blocks of the pages in docs/, and a folder with the files that they name."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gpen.cli import app
from support.small_networks import published, save_safetensors

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: Blocks in these languages are run, the others are data or output.
RUN, SHOWN = ("sh", "python", "console"), ("json", "text")
#: Words that only a shell understands.
_SHELL = {"|", "||", "&&", ">", "<", ";"}
#: How a page says that a block is not run, where its readers see it.
NOT_RUN = "Not run by the tests: "
_BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w-]*)(?: title=\"(?P<title>[^\"]*)\")?(?P<rest>[^\n]*)\n"
    r"(?P<code>.*?)^(?P=indent)```$",
    re.M | re.S,
)


@dataclass(frozen=True)
class Snippet:
    """A fenced block of a page.

    Attributes:
        place: Page and line, for messages.
        language: What stands behind the fence.
        code: Its text.
        reason: Why it is not run; empty where it is.
    """

    place: str
    language: str
    code: str
    reason: str


def pages() -> list[str]:
    """All pages with such blocks, relative to docs/; cli.md shows how to call, not calls."""
    found = (path.relative_to(DOCS).as_posix() for path in sorted(DOCS.rglob("*.md")))
    return [page for page in found if page != "cli.md" and snippets(page)]


def snippets(page: str) -> list[Snippet]:
    text = (DOCS / page).read_text(encoding="utf-8")
    found = []
    for block in _BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 1
        title = block["title"] or ""
        reason = title.removeprefix(NOT_RUN) if title.startswith(NOT_RUN) else ""
        language = block["language"] + block["rest"]
        found.append(Snippet(f"docs/{page}:{line}", language, block["code"], reason))
    return found


def to_run(page: str) -> list[Snippet]:
    return [block for block in snippets(page) if block.language in RUN and not block.reason]


def run(snippet: Snippet, folder: Path, names: dict[str, Any]) -> None:
    """Run a block in a folder; Python blocks of a page share their names."""
    if snippet.language == "python":
        exec(compile(snippet.code, snippet.place, "exec"), names)  # noqa: S102
        return
    commands = [shlex.split(line, comments=True) for line in snippet.code.splitlines()]
    if all(words[:1] in ([], ["gpen"]) and not _SHELL & set(words) for words in commands):
        for words in filter(None, commands):
            _run_here(words[1:], snippet)
        return
    # PATH first has the program under test.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", snippet.code],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = f"{snippet.place}\n{snippet.code}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    assert done.returncode == 0, said
    assert "Traceback" not in done.stderr, said


def _run_here(words: list[str], snippet: Snippet) -> None:
    """Run the command line in this process, which saves starting it."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            app.main(words)
        except SystemExit as end:
            code = end.code
    assert code in (0, None), f"{snippet.place}\n{shlex.join(words)}\n{said.getvalue()}"


def names_of_a_script() -> dict[str, Any]:
    return vars(types.ModuleType("__main__"))


def make_workshop(folder: Path) -> None:
    """Small files under the names that the pages use."""
    photo, portrait = (cv2.imread(str(ROOT / f"examples/{n}.jpg")) for n in ("demo", "portrait"))
    for name in ("old.jpg", "group.jpg", "person.jpg", "album/one.jpg", "album/more/two.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "examples/demo.jpg", folder / name)
    cv2.imwrite(str(folder / "group.jpg"), np.hstack([photo, photo[:, 128:384]]))
    cv2.imwrite(str(folder / "selfie.jpg"), portrait)
    cv2.imwrite(str(folder / "crop.png"), cv2.resize(portrait[0:360, 75:435], (256, 256)))
    (folder / "broken.jpg").write_bytes(b"no photo")
    _make_clips(folder, list(_frames(photo)))
    _make_models(folder)


def _frames(photo: Any) -> Iterator[Any]:
    """A camera that moves over the photo."""
    for x in range(5):
        yield np.ascontiguousarray(photo[8:232, 110 + x : 334 + x])


def _make_clips(folder: Path, frames: list[Any]) -> None:
    import av

    for name in ("video.mp4", "film.mkv", "swap.mp4"):
        with av.open(str(folder / name), "w") as file:
            stream = file.add_stream("libx264", rate=8)
            stream.height, stream.width = frames[0].shape[:2]
            stream.pix_fmt = "yuv420p"
            for pixels in frames:
                file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="bgr24")))
            file.mux(stream.encode(None))
    (folder / "frames").mkdir()
    for number, pixels in enumerate(frames[:4], 1):
        cv2.imwrite(str(folder / f"frames/{number:04}.png"), pixels)


def _make_models(folder: Path) -> None:
    """Networks of the published shapes, but narrow and random."""
    import gpen

    (folder / "models").mkdir()
    (folder / "facefusion/.assets/models").mkdir(parents=True)
    narrow = save_safetensors(published(512, widest=16), folder / "narrow.safetensors")
    gpen.convert(narrow, folder / "GPEN-BFR-512.pth")
    narrow.unlink()
    shutil.copy(folder / "GPEN-BFR-512.pth", folder / "models")
