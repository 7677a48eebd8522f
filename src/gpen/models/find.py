"""Finds weight files by name, and lists what the models folders hold."""

from __future__ import annotations

import contextlib
import difflib
import functools
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import UnknownModelError, WeightsError
from ..files import data_dir, sha256
from .catalogue import OFFERS
from .kinds import GENERATOR_KINDS, Role
from .load import SUFFIXES, Weights, load_weights
from .notes import GRAPH_NOTE, TEMPLATE_NOTE

_log = logging.getLogger("gpen")

#: The weights that gpen brings. Their names are reserved: other files are used by path only.
ASSETS = Path(__file__).resolve().parents[1] / "assets"
#: `ModelInfo.source` of the weights that gpen brings.
SHIPPED = "gpen"
_RESERVED = "its name is that of a model that comes with gpen; rename it, or give its path"
#: Models named in an error.
_NAMED = 8
#: Where other programs keep theirs, below the current folder.
OTHER_TOOLS = (
    *("models/GPEN", "models/facerestore_models", ".assets/models", "weights"),
    *("models/upscale_models", "models/ESRGAN", "models/RealESRGAN"),
)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A weight file that was found.

    Attributes:
        name: Its name without suffix; names a model wherever a path does.
        path: The file.
        source: Where it was found: a folder, "path" where it was named outright, or "gpen" where
            it comes with gpen.
        kind: What it is: "gpen", "gpen-sr", "gpen-described", "gpen-subpixel", "gpen-modular",
            "onnx-restorer", "yunet", "stable-diffusion", …
        role: What gpen can use it for: "restorer", "upscaler", "detector", "identity",
            "landmarks", "reliability" or "none".
        size: Side of the image a restorer returns, in pixels.
        in_size: Side of the image it takes; smaller for super-resolution variants.
        dtype: What most of its values are stored in.
        sha256: Of the whole file, in hex.
        template: Alignment a restorer was trained with: "gpen" or "ffhq_512".
        usable: Whether gpen can use it.
        reason: Why not, in one line; empty where it can.
        factor: How many times an upscaler enlarges; None where only running it will tell.
    """

    name: str
    path: Path
    source: str
    kind: str
    role: Role = "none"
    size: int | None = None
    in_size: int | None = None
    dtype: str | None = None
    sha256: str | None = None
    template: str = "gpen"
    usable: bool = False
    reason: str = ""
    factor: int | None = None


def model_folders(models_dir: str | Path | None = None) -> list[Path]:
    """The folders that exist among those searched, in order.

    `models_dir`; those in `GPEN_MODELS`; `./models`; the user's data folder; the folders of other
    tools below the current one; the files that gpen brings.

    Raises:
        WeightsError: `models_dir` is no folder.
    """
    if models_dir is not None and not Path(models_dir).is_dir():
        raise WeightsError(
            f"{models_dir} is no folder; expected one with weight files", path=models_dir
        )
    folders = [Path(models_dir)] if models_dir is not None else []
    folders += [Path(p) for p in os.environ.get("GPEN_MODELS", "").split(os.pathsep) if p]
    folders += [Path("models"), data_dir() / "models"]
    folders += [*map(Path, OTHER_TOOLS), ASSETS]
    seen: dict[Path, Path] = {}
    for folder in folders:
        if folder.is_dir():
            seen.setdefault(folder.resolve(), folder)
    return list(seen.values())


def list_models(models_dir: str | Path | None = None) -> list[ModelInfo]:
    """What the models folders hold, in the order of the search.

    Args:
        models_dir: A folder to look in first.

    Raises:
        WeightsError: `models_dir` is no folder.
    """
    return [_describe(path, folder) for folder, path in _weight_files(models_dir)]


def find_model(
    name: str | Path, models_dir: str | Path | None = None, *, role: Role = "restorer"
) -> ModelInfo:
    """Find a weight file and check that it can do its work.

    Args:
        name: A path, or a file name with or without suffix, in upper or lower case. The names of
            the weights that gpen brings always mean those, wherever else there is such a file.
        models_dir: A folder to look in first.
        role: What it is needed for.

    Raises:
        UnknownModelError: There is none of that name; the error knows those there are.
        UnsafeFileError: It would run code when loaded. Nothing is run.
        MismatchError: Its tensors do not fit together.
        WeightsError: It is something else, or damaged.
    """
    weights, source = load_named(name, models_dir, role=role)
    return _info(weights, source)


def load_named(
    name: str | Path, models_dir: str | Path | None = None, *, role: Role | None = None
) -> tuple[Weights, str]:
    """Open the file that a name means, and say where it was found; see `ModelInfo.source`.

    Of several files of one name, those that cannot be used are passed over with a warning.

    Args:
        name: As in `find_model`.
        models_dir: A folder to look in first.
        role: What it has to be able to do; None takes any.

    Raises:
        WeightsError: As in `find_model`, of the first file where none can be used.
    """
    refused: list[WeightsError] = []
    for path, source in find_files(name, models_dir):
        try:
            weights = load_weights(path)
        except WeightsError as error:
            refused.append(error)
            continue
        if role is not None and not weights.serves_as(role):
            refused.append(WeightsError(_refusal(weights, role), path=path))
            continue
        for reason in refused:
            _log.warning("%s; %s is used instead", reason, path)
        return weights, source
    raise refused[0]


def find_role(role: Role, models_dir: str | Path | None = None) -> list[Path]:
    """Files of the models folders that can do some work, in the order of the search; ONNX first.

    Args:
        role: What is needed.
        models_dir: A folder to look in first.

    Raises:
        WeightsError: `models_dir` is no folder.
    """
    found = []
    for _, path in _weight_files(models_dir):
        with contextlib.suppress(WeightsError):  # `gpen models` tells what is wrong with it
            if load_weights(path).role == role:
                found.append(path)
    return sorted(found, key=lambda path: path.suffix.lower() != ".onnx")


def find_file(name: str | Path, models_dir: str | Path | None = None) -> tuple[Path, str]:
    """The first file that a name means, unread, and where it was found; see `find_files`.

    Raises:
        UnknownModelError: There is none.
        WeightsError: `models_dir` is no folder.
    """
    return find_files(name, models_dir)[0]


def find_files(name: str | Path, models_dir: str | Path | None = None) -> list[tuple[Path, str]]:
    """The files that a name means, unread, each with where it was found; at least one.

    Raises:
        UnknownModelError: There is none.
        WeightsError: `models_dir` is no folder.
    """
    text = str(name)
    path = Path(text).expanduser()
    looks_like_a_path = len(path.parts) > 1 or path.suffix.lower() in SUFFIXES
    if path.is_file() and (looks_like_a_path or not _is_reserved(text)):
        return [(path, "path")]
    files = list(_weight_files(models_dir))
    named = [
        (folder, file)
        for folder, file in files
        if text.casefold() in (file.name.casefold(), file.stem.casefold())
    ]
    if _is_reserved(text):
        _warn_of(file for folder, file in named if not _is_ours(folder))
        named = [(folder, file) for folder, file in named if _is_ours(folder)]
    if named:
        return [(file, _source(folder)) for folder, file in named]
    known = list(dict.fromkeys(file.stem for _, file in files))
    if looks_like_a_path:
        hint = "expected a weight file"
    else:
        hint = "expected a path or a name that `gpen models` lists"
    folded = {stem.casefold(): stem for stem in known}
    close = difflib.get_close_matches(path.stem.casefold(), folded, n=3)
    if close:
        hint += f"; did you mean {' or '.join(folded[match] for match in close)}?"
    elif known:
        more = "" if len(known) <= _NAMED else f" and {len(known) - _NAMED} more"
        hint += f"; found {', '.join(known[:_NAMED])}{more}"
    if offer := next((o for o in OFFERS if o.name.casefold() == text.casefold()), None):
        hint = f"`gpen models get {offer.name}` fetches it"
    raise UnknownModelError(f"no model {text!r}: {hint}", name=text, known=known)


def _weight_files(models_dir: str | Path | None) -> Iterator[tuple[Path, Path]]:
    """Every weight file with its folder; of one model in several files, the preferred first."""
    for folder in model_folders(models_dir):
        try:
            files = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file()]
        except OSError:  # a folder of somebody else's
            continue
        files.sort(key=lambda p: (p.stem.casefold(), SUFFIXES.index(p.suffix.lower())))
        for file in files:
            yield folder, file


def _is_reserved(name: str) -> bool:
    """Whether it is the name, with or without suffix, of a weight file that gpen brings."""
    return name.casefold() in _reserved_names()


@functools.cache
def _reserved_names() -> frozenset[str]:
    files = [file for file in ASSETS.iterdir() if file.suffix in SUFFIXES]
    return frozenset(name.casefold() for file in files for name in (file.name, file.stem))


def _warn_of(files: Iterable[Path]) -> None:
    for file in files:
        _log.warning("%s is not used: %s", file, _RESERVED)


def _is_ours(folder: Path) -> bool:
    return folder.resolve() == ASSETS


def _source(folder: Path) -> str:
    return SHIPPED if _is_ours(folder) else str(folder)


def _describe(path: Path, folder: Path) -> ModelInfo:
    """The file as a row of `gpen models`, whatever is wrong with it."""
    try:
        info = _info(load_weights(path), _source(folder))
    except WeightsError as error:
        return ModelInfo(path.stem, path, _source(folder), "unreadable", reason=str(error))
    if not _is_ours(folder) and _is_reserved(path.stem):
        return replace(info, usable=False, reason=f"{path} is not used: {_RESERVED}")
    return info


def _info(weights: Weights, source: str) -> ModelInfo:
    path = weights.path
    usable = weights.role != "none"
    own_template = (
        weights.kind in GENERATOR_KINDS
        or GRAPH_NOTE in weights.notes
        or "gpen" in path.stem.casefold()
    )
    return ModelInfo(
        name=path.stem,
        path=path,
        source=source,
        kind=weights.kind,
        role=weights.role,
        size=weights.size,
        in_size=weights.in_size,
        dtype=weights.dtype,
        sha256=sha256(path),
        template=weights.notes.get(TEMPLATE_NOTE, "gpen" if own_template else "ffhq_512"),
        usable=usable,
        reason="" if usable else _refusal(weights, "restorer"),
        factor=weights.factor,
    )


def _refusal(weights: Weights, role: Role) -> str:
    wanted = {
        "restorer": "expected a GPEN generator or a face restorer as ONNX",
        "upscaler": "expected an upscaler, such as RealESRGAN_x4plus",
        "detector": "expected a face detector",
        "identity": "expected a face embedding, such as ArcFace for 112 × 112 px",
    }.get(role, "")
    return f"{weights.path.name} is {weights.title}; {wanted}"
