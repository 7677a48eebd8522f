"""The nodes. Each checks for "Cancel" before every image and moves ComfyUI's progress bar."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import comfy.model_management
import comfy.utils
import numpy as np
import torch

import gpen
from gpen.blending.paste import Patch, paste_faces
from gpen.faces.alignment import align_face
from gpen.faces.selection import choose_faces
from gpen.images.transforms import resize
from gpen.wording import worded

from . import image_tensors, inputs, weight_files
from .face_model import FaceModel

_Item = TypeVar("_Item")
_MODEL, _IMAGE = ("FACERESTORE_MODEL",), ("IMAGE",)
#: Side of the crops on which masks of faces that are not restored are drawn.
_MASK_SIZE = 256
_FACES = ("GPEN_FACES", {"tooltip": "Of GPEN Detect; else faces are looked for."})


@contextmanager
def _worded() -> Iterator[None]:
    """Errors name inputs of nodes, not options of the command line."""
    try:
        yield
    except gpen.GpenError as error:
        error.args = (worded(error, "comfyui"),)
        raise


class GPENLoad:
    """Chooses networks; they are opened when the first image comes."""

    TITLE = "Load GPEN Model"
    CATEGORY = "GPEN"
    FUNCTION = "run"
    RETURN_TYPES = ("FACERESTORE_MODEL",)
    DESCRIPTION = (
        "A GPEN network or a restorer as ONNX, for the nodes here and for those of other packs "
        "that take a FACERESTORE_MODEL. Files belong in models/facerestore_models or models/GPEN."
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        """See `inputs.INPUTS`."""
        found = inputs.of(inputs.LOAD)
        return {"required": {"model": found.pop("model")}, "optional": found}

    @_worded()
    def run(self, model: str, **options: Any) -> tuple[FaceModel]:
        """Check that the model can be used."""
        for name in ("detector", "background"):
            if options.get(name):
                options[name] = weight_files.path_of(options[name])
        if options.get("device", "auto") == "auto" and _runs_on_cpu():
            options["device"] = "cpu"
        restorer = gpen.Restorer(model=weight_files.path_of(model), **options)
        _ = restorer.model  # raises here, where the choice was made
        return (FaceModel(restorer),)


class GPENRestore:
    """Restores the faces of images."""

    TITLE = "Restore Faces (GPEN)"
    CATEGORY = "GPEN"
    FUNCTION = "run"
    RETURN_TYPES = ("IMAGE", "MASK")
    DESCRIPTION = "Finds faces, restores and pastes them. The mask says where faces were pasted."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """See `inputs.INPUTS`."""
        return {
            "required": {"facerestore_model": _MODEL, "image": _IMAGE},
            "optional": {**inputs.of(inputs.RESTORE), "found": _FACES},
        }

    @_worded()
    def run(
        self,
        facerestore_model: Any,
        image: torch.Tensor,
        found: list[list[gpen.Face]] | None = None,
        **options: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Restore a batch."""
        restorer = _ours(facerestore_model).restorer(**options)
        frames, masks = [], []
        pairs = zip(image, _per_frame(found, len(image)), strict=True)
        for frame, faces in _watched(pairs, len(image)):
            points_xy = None if faces is None else _points(faces)
            result = restorer.restore(image_tensors.to_pixels(frame), points_xy=points_xy)
            frames.append(image_tensors.to_frame(result.photo.to_array(), frame))
            crops, size_wh = [face.crop for face in result.restored], result.photo.size_wh
            if restorer.settings.aligned:  # the image is the crop
                masks.append(torch.ones(size_wh[::-1]))
            else:
                masks.append(image_tensors.to_mask(crops, size_wh, restorer.settings.mask))
        return image_tensors.stacked(frames), image_tensors.stacked(masks)


class GPENDetect:
    """Finds faces."""

    TITLE = "Detect Faces (GPEN)"
    CATEGORY = "GPEN"
    FUNCTION = "run"
    RETURN_TYPES = ("GPEN_FACES", "MASK", "INT", "STRING")
    RETURN_NAMES = ("faces", "mask", "count", "json")
    DESCRIPTION = "Boxes and five points of each face, largest first; the mask covers all faces."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """A model, for its detector, and images."""
        return {"required": {"facerestore_model": _MODEL, "image": _IMAGE}}

    @_worded()
    def run(
        self, facerestore_model: Any, image: torch.Tensor
    ) -> tuple[list[list[gpen.Face]], torch.Tensor, int, str]:
        """Look at a batch."""
        model = _ours(facerestore_model)
        found, masks = [], []
        for frame in _watched(image, len(image)):
            pixels = _rgb(image_tensors.to_pixels(frame))
            faces = model.detect(pixels)
            crops = [align_face(pixels, face.points_xy, size=_MASK_SIZE) for face in faces]
            masks.append(image_tensors.to_mask(crops, pixels.shape[1::-1], "face"))
            found.append(faces)
        text = json.dumps([[face.to_dict() for face in faces] for faces in found])
        return found, image_tensors.stacked(masks), sum(map(len, found)), text


class GPENCrop:
    """Cuts faces out, upright and at the size of the network."""

    TITLE = "Crop Faces (GPEN)"
    CATEGORY = "GPEN"
    FUNCTION = "run"
    RETURN_TYPES = ("IMAGE", "GPEN_CROPS")
    RETURN_NAMES = ("crops", "places")
    DESCRIPTION = (
        "For other nodes to work on; Paste Faces puts the crops back. Without faces there is one "
        "black crop, which Paste Faces leaves out."
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """See `inputs.INPUTS`."""
        return {
            "required": {"facerestore_model": _MODEL, "image": _IMAGE},
            "optional": {**inputs.of(inputs.CROP), "found": _FACES},
        }

    @_worded()
    def run(
        self,
        facerestore_model: Any,
        image: torch.Tensor,
        found: list[list[gpen.Face]] | None = None,
        **options: Any,
    ) -> tuple[torch.Tensor, list[tuple[int, gpen.Crop]]]:
        """Cut the faces out of a batch."""
        restorer = _ours(facerestore_model).restorer(**options)
        settings, size = restorer.settings, restorer.engine.size
        template = restorer.model.template
        places: list[tuple[int, gpen.Crop]] = []
        pairs = zip(image, _per_frame(found, len(image)), strict=True)
        for number, (frame, known) in enumerate(_watched(pairs, len(image))):
            pixels = _rgb(image_tensors.to_pixels(frame))
            faces = restorer.detect(pixels) if known is None else known
            for index in choose_faces(
                faces, settings.faces, settings.min_face, pixels.shape[1::-1]
            ):
                points_xy = faces[index].points_xy
                places.append((number, align_face(pixels, points_xy, size=size, template=template)))
        crops = [image_tensors.to_frame(crop.pixels) for _, crop in places]
        return image_tensors.stacked(crops or [torch.zeros(size, size, 3)]), places


class GPENPaste:
    """Puts crops back."""

    TITLE = "Paste Faces (GPEN)"
    CATEGORY = "GPEN"
    FUNCTION = "run"
    RETURN_TYPES = ("IMAGE", "MASK")
    DESCRIPTION = "The images that Crop Faces had, its crops as they are now, and their places."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """See `inputs.INPUTS`."""
        return {
            "required": {"image": _IMAGE, "crops": _IMAGE, "places": ("GPEN_CROPS",)},
            "optional": inputs.of(inputs.PASTE),
        }

    @_worded()
    def run(
        self,
        image: torch.Tensor,
        crops: torch.Tensor,
        places: list[tuple[int, gpen.Crop]],
        **options: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Paste into a batch."""
        settings = gpen.Settings(**options)
        if places and len(crops) != len(places):
            raise gpen.SettingsError(
                f"there are {len(crops)} crops for {len(places)} places; expected one crop for "
                "each: connect the crops and places of one Crop Faces node"
            )
        frames, masks = [], []
        for number, frame in enumerate(_watched(image, len(image))):
            before = image_tensors.to_pixels(frame)
            pixels = _rgb(before)
            patches = [
                Patch(crop, _answer(crops[index], crop.size))
                for index, (owner, crop) in enumerate(places)
                if owner == number
            ]
            pasted = paste_faces(
                pixels,
                patches,
                blend=settings.blend,
                mask=settings.mask,
                match_color=settings.match_color,
            )
            if before.shape[2] == 4:
                pasted = np.dstack([pasted, before[..., 3:]])
            frames.append(image_tensors.to_frame(pasted, frame))
            masks.append(
                image_tensors.to_mask((p.crop for p in patches), pasted.shape[1::-1], settings.mask)
            )
        return image_tensors.stacked(frames), image_tensors.stacked(masks)


NODES: tuple[Any, ...] = (GPENLoad, GPENRestore, GPENDetect, GPENCrop, GPENPaste)


def _runs_on_cpu() -> bool:
    return bool(comfy.model_management.get_torch_device().type == "cpu")


def _ours(model: Any) -> FaceModel:
    if not isinstance(model, FaceModel):
        raise gpen.SettingsError(
            f"facerestore_model is a {type(model).__name__}; expected one of Load GPEN Model"
        )
    return model


def _watched(items: Iterable[_Item], total: int) -> Iterator[_Item]:
    """The items, with ComfyUI's progress bar; ends with its exception where "Cancel" is pressed."""
    bar = comfy.utils.ProgressBar(total)
    for item in items:
        comfy.model_management.throw_exception_if_processing_interrupted()
        yield item
        bar.update(1)


def _per_frame(
    found: Sequence[list[gpen.Face]] | None, count: int
) -> Sequence[list[gpen.Face] | None]:
    """The faces known for each frame, or None where they are to be looked for."""
    if found is None:
        return [None] * count
    if len(found) != count:
        raise gpen.SettingsError(
            f"faces were found in {len(found)} images, but there are {count}; expected the "
            "pictures that Detect Faces had"
        )
    return found


def _points(faces: Sequence[gpen.Face]) -> Any:
    return np.array([face.points_xy for face in faces]).reshape(-1, 5, 2)


def _rgb(pixels: Any) -> Any:
    """Without alpha; grey in three channels."""
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    return np.ascontiguousarray(pixels[..., :3])


def _answer(crop: torch.Tensor, size: int) -> Any:
    """A crop as it came back, at the size that it was cut out at."""
    pixels = _rgb(image_tensors.to_pixels(crop))
    return pixels if pixels.shape[0] == size else resize(pixels, (size, size))
