"""Exports ONNX files under the names that other programs expect, for the crops that they feed.

Every one of them feeds one face of fixed size per run: input `input`, float32 (1, 3, S, S) RGB in
[-1, 1]; output `output` of the same shape, clipped by them. What differs is the name, and how the
face was cut out:

    facefusion  `gpen_bfr_{S}.onnx` with `gpen_bfr_{S}.hash`, eight hex digits of CRC-32; template
                `ffhq_512`, but for 256 px `arcface_128`, which cuts chins and foreheads off: gpen
                writes 512 px or more
    reactor     `GPEN-BFR-{S}.onnx`; template `ffhq_512`; crops are 1024 or 2048 px where the name
                says so, else 512
    visomaster  `GPEN-BFR-{S}.onnx`; the template is up to its user

A network for other crops than a program feeds is written with what cuts its own out of theirs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from ..errors import SettingsError, WeightsError
from ..models import find_model
from ..models.conversion import convert_framed
from ..models.graph.framing import Framing

Program = Literal["facefusion", "reactor", "visomaster"]

#: Sizes of crops that each program can feed.
SIZES: dict[Program, tuple[int, ...]] = {
    "facefusion": (512, 1024, 2048),
    "reactor": (512, 1024, 2048),
    "visomaster": (256, 512, 1024, 2048),
}
#: Templates of the programs that always cut in one way.
TEMPLATES: dict[Program, str] = {"facefusion": "ffhq_512", "reactor": "ffhq_512"}


def size_for(program: Program, size: int) -> int:
    """The side of the crops that a program is to feed a network of a size, in pixels.

    Args:
        program: "facefusion", "reactor" or "visomaster".
        size: Side of the network's image, in pixels.

    Raises:
        SettingsError: There is no such program, or it runs no network of this size.
    """
    if program not in SIZES:
        raise SettingsError(
            f"program is {program!r}; expected one of {', '.join(get_args(Program))}"
        )
    fitting = [s for s in SIZES[program] if s == size or (s > size and program in TEMPLATES)]
    if not fitting:
        expected = "at most 2048" if program in TEMPLATES else "256, 512, 1024 or 2048"
        raise SettingsError(
            f"{program} runs no GPEN network of {size} px; expected {expected}: choose another "
            "model"
        )
    return fitting[0]


def file_name(program: Program, size: int) -> str:
    """The name under which a program runs a GPEN file.

    Args:
        program: "facefusion", "reactor" or "visomaster".
        size: Side of the network's image, in pixels.

    Raises:
        SettingsError: There is no such program, or it runs no network of this size.
    """
    there = size_for(program, size)
    return f"gpen_bfr_{there}.onnx" if program == "facefusion" else f"GPEN-BFR-{there}.onnx"


def export_for(
    program: Program,
    model: str | Path,
    folder: str | Path,
    *,
    models_dir: str | Path | None = None,
    half: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write a GPEN network as the file that another program runs.

    Args:
        program: "facefusion", "reactor" or "visomaster".
        model: A path or the name of a model.
        folder: The program's folder of models; it has to be there.
        models_dir: A folder to look in first.
        half: Store f16: half the size. The file still computes in f32.
        overwrite: Replace a file that is there.

    Returns:
        The ONNX file written; for facefusion its `.hash` lies beside it.

    Raises:
        SettingsError: The program is unknown, or runs no network of this size.
        OutputExistsError: The file is there and `overwrite` is false.
        WriteError: The folder is missing, full or not writable; nothing is left behind.
        UnknownModelError: There is no such model.
        WeightsError: The model takes another size than it returns, or was not made by gpen.
    """
    info = find_model(model, models_dir)
    if info.size is None or info.in_size != info.size:
        raise WeightsError(
            f"{info.path.name} takes {info.in_size} px and returns {info.size}; expected one size "
            f"for both, as {program} does: choose another model",
            path=info.path,
        )
    target = Path(folder).expanduser() / file_name(program, info.size)
    is_hashed = program == "facefusion"
    framing = None
    if program in TEMPLATES:
        framing = Framing(size_for(program, info.size), TEMPLATES[program])
    return convert_framed(
        info.path, target, framing, half=half, write_hash=is_hashed, overwrite=overwrite
    )
