"""How many images a file holds, so that never fewer come out than went in."""

from __future__ import annotations

import PIL.Image

from ..errors import ReadError
from .pillow import pillow_at_ease

_SUBFILE_TYPE = 254
#: Bits of a TIFF page's type: a smaller version of another page, a mask of one.
_REDUCED, _MASK = 1, 4
#: A JPEG with previews or a gain map, a Photoshop file with layers: one image all the same.
_ONE_IMAGE = ("MPO", "PSD")
_ADVICE = {
    "TIFF": "save each page as a file of its own, with `tiffsplit` for example",
    "GIF": "name it .gif and give it to `gpen restore` as a file: it is restored as a clip",
    "PNG": "turn it into a GIF or a video, which gpen restores as a clip",
    "WEBP": "turn it into a GIF or a video, which gpen restores as a clip",
    "AVIF": "turn it into a video, which gpen restores as a clip",
    "HEIF": "save each image as a file of its own",
}


def refuse_several(picture: PIL.Image.Image) -> None:
    """Refuse a file with several images: restoring one would lose the others.

    Raises:
        ReadError: Says how many there are, and what to do.
    """
    if picture.format in _ONE_IMAGE:
        return
    with pillow_at_ease():
        count = getattr(picture, "n_frames", 1)
        if count > 1 and picture.format == "TIFF":
            count = _pages(picture, count)
    if count > 1:
        what = "pages" if picture.format == "TIFF" else "images"
        advice = _ADVICE.get(picture.format or "", "save each as a file of its own")
        raise ReadError(f"it holds {count} {what}, and gpen would lose all but one: {advice}")


def _pages(picture: PIL.Image.Image, count: int) -> int:
    """Pages of a TIFF file without smaller versions and masks of others."""
    pages = 0
    for number in range(count):
        picture.seek(number)
        kind = int(getattr(picture, "tag_v2", {}).get(_SUBFILE_TYPE, 0))
        pages += not kind & (_REDUCED | _MASK)
    picture.seek(0)
    return pages
