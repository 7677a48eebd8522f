"""The photo that the example workflow opens."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import folder_paths

#: Its name in ComfyUI's folder of inputs, where Load Image looks.
NAME = "gpen_example.jpg"


def place_photo(photo: Path) -> None:
    """Copy a photo of a face to where the example workflow finds it, once."""
    folder = Path(folder_paths.get_input_directory())
    if (folder / NAME).exists():
        return
    with contextlib.suppress(OSError):  # the nodes do without
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(photo, folder / NAME)
