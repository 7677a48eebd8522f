"""Detects faces for `gpen detect`; prints lines or JSON, or draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gpen import Face, GpenError, Image, Restorer, Settings
from gpen.images.read import find_images, read_image
from gpen.images.write import output_paths, write_image
from gpen.types import Pixels

from . import console
from .output_names import check_folder, folders

BOX_RGB, POINT_RGB = (64, 220, 96), (255, 64, 64)


def detect_photos(
    inputs: Sequence[str],
    settings: Settings,
    *,
    as_json: bool,
    draw: Path | None,
    recursive: bool,
    overwrite: bool,
) -> int:
    """Detect faces in everything named on the command line.

    Returns:
        The exit code: 0 all done, 1 some inputs failed, 3 nothing could be done.
    """
    restorer = Restorer(settings)
    paths, errors = find_images(inputs, recursive=recursive)
    for error in errors:
        console.complain(str(error))
    failed = len(errors)
    several = len(paths) > 1 or (draw is not None and draw.is_dir())
    if several and draw is not None:
        check_folder(str(draw))
    targets = output_paths(paths, draw, as_folder=several, roots=folders(inputs))
    if paths:
        _ = restorer.detector
    with console.progress_bar("Detecting", len(paths)) as bar:
        for path, target in zip(paths, targets, strict=True):
            try:
                image = read_image(path, max_pixels=settings.max_pixels)
                faces = restorer.detect(image)
                _print(path, image, faces, as_json=as_json)
                if draw is not None:
                    drawn = replace(image, pixels=draw_faces(image.pixels, faces))
                    write_image(drawn, target, overwrite=overwrite)
            except GpenError as error:
                console.complain(str(error))
                failed += 1
            bar.advance(bar.task_ids[0])
            if draw is None and not console.out.is_heard:
                break  # `| head` has seen enough, and nothing else is asked for
    if not failed:
        return console.EXIT_OK
    return (
        console.EXIT_SOME_FAILED if failed < len(paths) + len(errors) else console.EXIT_NOTHING_DONE
    )


def draw_faces(pixels: Pixels, faces: Sequence[Face]) -> Pixels:
    """A copy of the image with boxes, points and numbers drawn on it."""
    import cv2

    drawn: Any = np.ascontiguousarray(pixels).copy()  # Any: OpenCV's types know no uint16
    unit = 257 if drawn.dtype == np.uint16 else 1
    box_color = [c * unit for c in BOX_RGB]
    point_color = [c * unit for c in POINT_RGB]
    for number, face in enumerate(faces):
        line = max(1, round(face.size_px / 60))
        x_min, y_min, x_max, y_max = (round(v) for v in face.box_xyxy)
        cv2.rectangle(drawn, (x_min, y_min), (x_max, y_max), box_color, line)
        for x, y in face.points_xy:
            cv2.circle(drawn, (round(x), round(y)), line, point_color, -1, cv2.LINE_AA)
        scale = max(0.35, face.size_px / 250)
        cv2.putText(
            drawn,
            str(number),
            (x_min, y_min - 2 * line),
            cv2.FONT_HERSHEY_SIMPLEX,
            scale,
            box_color,
            line,
            cv2.LINE_AA,
        )
    result: Pixels = drawn
    return result


def _print(path: Path, image: Image, faces: Sequence[Face], *, as_json: bool) -> None:
    width, height = image.size_wh
    if as_json:
        row = {
            "file": str(path),
            "width": width,
            "height": height,
            "faces": [face.to_dict() for face in faces],
        }
        console.say_json(row)
        return
    sizes = ", ".join(f"{face.size_px:.0f} px ({face.score:.2f})" for face in faces)
    n = len(faces)
    console.say(f"{path} · {n} face{'' if n == 1 else 's'}{': ' + sizes if n else ''}")
