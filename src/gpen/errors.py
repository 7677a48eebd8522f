"""Every error that gpen raises on purpose.

    GpenError
    ├─ ReadError             a photo could not be read               path
    ├─ WriteError            a result could not be written           path
    │  └─ OutputExistsError  … because something is already there    path
    ├─ SettingsError         an option has a value that means nothing
    │  └─ ConfigError        … in a training config                  key
    ├─ DetectionError        a detector could not run (no face is not an error)
    ├─ AlignError            five points that no face can have
    ├─ WeightsError          a weight file is not usable             path
    │  ├─ UnknownModelError  no such model                           name, known
    │  ├─ UnsafeFileError    the file would run code when loaded     path
    │  └─ MismatchError      tensors that contradict each other      path, keys
    ├─ TrainingError         training cannot start or go on
    ├─ EngineError           an engine could not start or run        engine
    └─ MissingExtraError     an optional package is not installed    extra, command

Each message says what happened, what was expected and what to do, on one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class GpenError(Exception):
    """Base of all errors that gpen raises on purpose."""


class _PathError(GpenError):
    """An error about one file.

    Attributes:
        path: The file, or None where the data came from memory or standard input.
    """

    def __init__(self, message: str, *, path: Path | str | None = None) -> None:
        super().__init__(message)
        self.path = Path(path) if path is not None else None


class ReadError(_PathError):
    """A photo could not be read."""


class WriteError(_PathError):
    """A result could not be written; nothing half-written is left behind."""


class OutputExistsError(WriteError):
    """The output is already there and overwriting was not asked for."""


class SettingsError(GpenError):
    """An option has a value that means nothing."""


class ConfigError(SettingsError):
    """A training config holds something that means nothing.

    Attributes:
        key: The setting, as `section.key`; empty where the file itself is meant.
    """

    def __init__(self, message: str, *, key: str = "") -> None:
        super().__init__(message)
        self.key = key


class TrainingError(GpenError):
    """Training or evaluation cannot start or go on: no faces, a file that is missing, NaN."""


class DetectionError(GpenError):
    """A detector could not run. A photo without a face is not an error."""


class AlignError(GpenError):
    """Five points that no face can have: not finite, or all in one place."""


class WeightsError(_PathError):
    """A weight file is not usable."""


class UnknownModelError(WeightsError):
    """No model of this name was found.

    Attributes:
        name: What was asked for.
        known: The names that would have worked.
    """

    def __init__(self, message: str, *, name: str, known: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.name = name
        self.known = tuple(known)


class UnsafeFileError(WeightsError):
    """A weight file holds more than tensors and would run code when loaded."""


class MismatchError(WeightsError):
    """Tensors that contradict each other or the network they claim to be.

    Attributes:
        keys: The tensors concerned.
    """

    def __init__(
        self, message: str, *, path: Path | str | None = None, keys: Sequence[str] = ()
    ) -> None:
        super().__init__(message, path=path)
        self.keys = tuple(keys)


class EngineError(GpenError):
    """An engine could not start or run.

    Attributes:
        engine: Its name.
    """

    def __init__(self, message: str, *, engine: str) -> None:
        super().__init__(message)
        self.engine = engine


class MissingExtraError(GpenError, ImportError):
    """An optional package is not installed.

    Attributes:
        extra: The extra that brings it.
        command: The command that installs it.
    """

    def __init__(self, what: str, *, extra: str) -> None:
        self.extra = extra
        self.command = f"pip install 'gpen[{extra}]'"
        super().__init__(f"{what} needs the optional part '{extra}': {self.command}")
