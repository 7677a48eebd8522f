"""ComfyUI's folders of weights. A folder is listed by names only: the menus are asked for often."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths

import gpen

#: Folder keys of ComfyUI with the folder below its models folder, by what is kept there.
_RESTORERS = {"facerestore_models": "facerestore_models", "gpen": "GPEN"}
_DETECTORS = {"facedetection_models": "facedetection"}
_UPSCALERS = {"upscale_models": "upscale_models"}
#: Of one model in several files the first is preferred, as in gpen.
_SUFFIXES = (".onnx", ".safetensors", ".pth", ".pt", ".ckpt")


def register_folders() -> None:
    """Tell ComfyUI of the folders, so that extra_model_paths.yaml can add to them."""
    for key, name in (_RESTORERS | _DETECTORS).items():
        path = Path(folder_paths.models_dir) / name
        folder_paths.add_model_folder_path(key, str(path))
    (Path(folder_paths.models_dir) / "facerestore_models").mkdir(parents=True, exist_ok=True)


def restorers() -> list[str]:
    """File names to choose from, the model that gpen brings first."""
    return [gpen.Settings().model, *sorted(_files(_RESTORERS), key=str.casefold)]


def detectors() -> list[str]:
    """Likewise for face detectors."""
    return [gpen.Settings().detector, *sorted(_files(_DETECTORS), key=str.casefold)]


def upscalers() -> list[str]:
    """Likewise for upscalers, after nothing, which stands for none."""
    return [gpen.Settings().background, *sorted(_files(_UPSCALERS), key=str.casefold)]


def path_of(name: str) -> str:
    """What gpen opens for a name: the file of ComfyUI's folders, else gpen looks for it itself."""
    found = (_files(_RESTORERS) | _files(_DETECTORS) | _files(_UPSCALERS)).get(name)
    return str(found) if found else name


def _files(keys: dict[str, str]) -> dict[str, Path]:
    """Weight files by name; of two with one name the first folder's."""
    files: dict[str, Path] = {}
    for folder in _folders(keys):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.suffix.lower() in _SUFFIXES and path.is_file():
                files.setdefault(path.name, path)
    return files


def _folders(keys: dict[str, str]) -> list[Path]:
    """The folders of some keys, whatever other node packs have made of the keys since."""
    named: list[str] = []
    for key, name in keys.items():
        paths, _ = folder_paths.folder_names_and_paths.get(key, ([], set()))
        named += [*paths, str(Path(folder_paths.models_dir) / name)]
    named += [path for path in os.environ.get("GPEN_MODELS", "").split(os.pathsep) if path]
    return [Path(path) for path in dict.fromkeys(named)]
