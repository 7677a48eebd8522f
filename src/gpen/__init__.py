"""Face restoration: turns a blurred, tiny, old or compressed face into a sharp one.

    >>> import gpen
    >>> gpen.restore("old.jpg").save("new.jpg")  # doctest: +SKIP
    >>> gpen.restore_video("video.mp4", "restored.mp4")  # doctest: +SKIP

Importing this package is light: networks, OpenCV and Pillow are loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import (
    AlignError,
    ConfigError,
    DetectionError,
    EngineError,
    GpenError,
    MismatchError,
    MissingExtraError,
    OutputExistsError,
    ReadError,
    SettingsError,
    TrainingError,
    UnknownModelError,
    UnsafeFileError,
    WeightsError,
    WriteError,
)
from .settings import ColorSettings, Settings, VideoSettings
from .version import VERSION

__version__ = VERSION

if TYPE_CHECKING:
    from .colorizing import Colorizer, colorize
    from .models import ModelInfo, convert, find_model, list_models
    from .pipeline import Restorer, restore
    from .result import Restoration, RestoredFace
    from .types import Crop, Face, Image, Metadata
    from .video.run import restore_video
    from .video.video_result import VideoResult

__all__ = [
    "AlignError",
    "ColorSettings",
    "Colorizer",
    "ConfigError",
    "Crop",
    "DetectionError",
    "EngineError",
    "Face",
    "GpenError",
    "Image",
    "Metadata",
    "MismatchError",
    "MissingExtraError",
    "ModelInfo",
    "OutputExistsError",
    "ReadError",
    "Restoration",
    "RestoredFace",
    "Restorer",
    "Settings",
    "SettingsError",
    "TrainingError",
    "UnknownModelError",
    "UnsafeFileError",
    "VideoResult",
    "VideoSettings",
    "WeightsError",
    "WriteError",
    "__version__",
    "colorize",
    "convert",
    "find_model",
    "list_models",
    "restore",
    "restore_video",
]

_LAZY = {
    "Colorizer": "colorizing",
    "colorize": "colorizing",
    "VideoResult": "video.video_result",
    "Crop": "types",
    "Face": "types",
    "Image": "types",
    "Metadata": "types",
    "ModelInfo": "models",
    "Restoration": "result",
    "RestoredFace": "result",
    "Restorer": "pipeline",
    "convert": "models",
    "find_model": "models",
    "list_models": "models",
    "restore": "pipeline",
    "restore_video": "video.run",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name in _LAZY:
        value = getattr(import_module(f".{_LAZY[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
