"""Folders and buckets through fsspec: listing, reading, atomic writing, moving."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path
from typing import Any

from ..errors import MissingExtraError, ReadError, SettingsError
from ..files import os_errors_as, publish

#: Where file systems note which version of a file it is; the first that is there counts.
_VERSION_KEYS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created")


class Storage:
    """A folder on any file system that fsspec knows; names are relative to it, with slashes.

    Attributes:
        url: Its full URL.
    """

    def __init__(self, url: str) -> None:
        """Open the file system; nothing is looked up yet.

        Raises:
            MissingExtraError: fsspec is not installed.
            SettingsError: The protocol is unknown, or its driver is not installed.
        """
        try:
            import fsspec.core  # type: ignore[import-untyped]
        except ImportError:
            raise MissingExtraError("gpen batch", extra="cluster") from None
        try:
            self._fs, root = fsspec.core.url_to_fs(url)
        except ImportError as error:
            raise SettingsError(f"cannot open {url}: {_install_hint(url, error)}") from error
        except ValueError as error:
            raise SettingsError(
                f"cannot open {url}: {error}; expected a path or a URL such as s3://bucket/folder"
            ) from error
        self._root = str(root).rstrip("/")
        self.url = str(self._fs.unstrip_protocol(self._root))
        self.is_local = "file" in _protocols(self._fs)

    @property
    def is_shared(self) -> bool:
        """Whether other processes see it too."""
        return "memory" not in _protocols(self._fs)

    def files(self, *, missing_ok: bool = False) -> dict[str, str]:
        """The name of every file below and its stamp: size and version, as "1234:etag or time".

        Args:
            missing_ok: A folder that is not there has no files.

        Raises:
            ReadError: The folder is not there or cannot be listed.
        """
        with os_errors_as(ReadError, f"cannot list {self.url}", errors=(Exception,)):
            self._fs.invalidate_cache()
            if not self._fs.isdir(self._root):
                if missing_ok and not self._fs.exists(self._root):
                    return {}
                raise ReadError(f"{self.url} is not a folder that can be read; check its name")
            found = self._fs.find(self._root, detail=True)
        start = len(self._root) + 1
        return {str(path)[start:]: _stamp(info) for path, info in found.items()}

    def names(self, folder: str) -> list[str]:
        """The names of all files below a folder; none where it is not there."""
        self._fs.invalidate_cache()
        start = len(self._root) + 1
        return [str(path)[start:] for path in self._fs.find(self._path(folder))]

    def has(self, name: str) -> bool:
        """Whether the file is there now."""
        self._fs.invalidate_cache()
        return bool(self._fs.exists(self._path(name)))

    def size(self, name: str) -> int:
        """Bytes of the file."""
        self._fs.invalidate_cache()
        return int(self._fs.size(self._path(name)))

    def read(self, name: str) -> bytes:
        """The whole file."""
        return bytes(self._fs.cat_file(self._path(name)))

    def upload(self, local: Path, name: str) -> None:
        """Write a local file's bytes under a name that nobody else uses."""
        self._make_parent(name)
        self._fs.put_file(str(local), self._path(name))

    def write_whole(self, name: str, data: bytes, *, replace: bool) -> None:
        """Write a file whole or not at all.

        Raises:
            FileExistsError: It is there and `replace` is false.
        """
        folder, _, last = name.rpartition("/")
        temporary = f"{folder}/.{secrets.token_hex(8)}-{last}.tmp"
        self._make_parent(name)
        self._fs.pipe_file(self._path(temporary), data)
        try:
            self.move(temporary, name, replace=replace)
        except BaseException:
            self.remove(temporary)
            raise

    def move(self, name: str, to: str, *, replace: bool) -> None:
        """Give a file another name: at once on a local disk, elsewhere by copying it whole.

        Raises:
            FileExistsError: The other name is taken and `replace` is false.
            FileNotFoundError: There is no such file.
        """
        self._make_parent(to)
        source, target = self._path(name), self._path(to)
        if self.is_local:
            publish(Path(source), Path(target), replace=replace)
            return
        if not replace and self.has(to):
            raise FileExistsError(to)
        if not self.has(name):
            raise FileNotFoundError(name)
        self._fs.mv(source, target)

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all in it; what is not there is fine."""
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm(self._path(name), recursive=True)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _make_parent(self, name: str) -> None:
        self._fs.makedirs(self._path(name).rpartition("/")[0], exist_ok=True)


def _stamp(info: dict[str, Any]) -> str:
    version = next((info[key] for key in _VERSION_KEYS if info.get(key) is not None), "")
    return f"{info.get('size')}:{version}".replace('"', "")


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def _install_hint(url: str, error: ImportError) -> str:
    """What to install for a protocol whose driver is missing."""
    from fsspec.registry import known_implementations  # type: ignore[import-untyped]

    known = known_implementations.get(url.partition("://")[0], {})
    package = str(known.get("class", "")).partition(".")[0]
    if package in ("", "fsspec"):
        return str(known.get("err", error))
    return f"its driver is not installed: pip install {package}"
