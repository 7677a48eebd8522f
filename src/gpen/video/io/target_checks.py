"""Checks targets before any work is done."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import OutputExistsError, SettingsError, WriteError
from .containers import check_container
from .image_sequence import folder_pattern, is_folder_target


def check_target(target: Path, *, overwrite: bool = False) -> None:
    """Refuse a target before any work is done.

    Raises:
        SettingsError: It is neither a folder of frames nor a video that can be written.
        OutputExistsError: It is there and `overwrite` is false.
        WriteError: It is a device or its folder is a file.
    """
    if is_folder_target(target):
        folder_pattern(target)
        return
    check_container(target)
    if os.path.lexists(target) and not overwrite:
        raise OutputExistsError(
            f"{target} is already there; choose another name or allow overwriting", path=target
        )
    if target.exists() and not target.is_file():
        raise WriteError(f"cannot write {target}: it is a device or pipe, not a file", path=target)


def check_apart(source: Path, target: Path) -> None:
    """Refuse a target that is an input, under whatever name.

    Raises:
        SettingsError: The file, or the folder of frames, is the same.
    """
    file_or_folder = folder_pattern(target)[0] if is_folder_target(target) else target
    if source.exists() and file_or_folder.exists() and source.samefile(file_or_folder):
        raise SettingsError(
            f"{target} is the input itself, which is never replaced; choose another name"
        )
