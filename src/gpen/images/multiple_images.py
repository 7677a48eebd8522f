"""How many images a file holds, so that never fewer come out than went in."""

from __future__ import annotations

import PIL.Image

from ..errors import ReadError
from .pillow import lenient_pillow

_SUBFILE_TYPE = 254
#: Bits of a TIFF page's type: a smaller version of another page, a mask of one.
_REDUCED, _MASK = 1, 4
#: A JPEG with previews or a gain map, a Photoshop file with layers: one image all the same.
_ONE_IMAGE = ("MPO", "PSD")
_ADVICE = {
    "TIFF": "save each page as a file of its own, with `tiffsplit` for example",
    "GIF": "name it .gif and give it to `gpen restore` as a file: it is restored as a video",
    "PNG": "turn it into a GIF or a video, which gpen restores as a video",
    "WEBP": "turn it into a GIF or a video, which gpen restores as a video",
    "AVIF": "turn it into a video, which gpen restores as a video",
    "HEIF": "save each image as a file of its own",
}


def refuse_several(pil_image: PIL.Image.Image) -> None:
    """Refuse a file with several images: restoring one would lose the others.

    Raises:
        ReadError: Says how many there are, and what to do.
    """
    if pil_image.format in _ONE_IMAGE:
        return
    with lenient_pillow():
        count = getattr(pil_image, "n_frames", 1)
        if count > 1 and pil_image.format == "TIFF":
            count = _pages(pil_image, count)
    if count > 1:
        what = "pages" if pil_image.format == "TIFF" else "images"
        advice = _ADVICE.get(pil_image.format or "", "save each as a file of its own")
        raise ReadError(f"it holds {count} {what}, and gpen would lose all but one: {advice}")


def _pages(pil_image: PIL.Image.Image, count: int) -> int:
    """Pages of a TIFF file without smaller versions and masks of others."""
    pages = 0
    for number in range(count):
        pil_image.seek(number)
        kind = int(getattr(pil_image, "tag_v2", {}).get(_SUBFILE_TYPE, 0))
        pages += not kind & (_REDUCED | _MASK)
    pil_image.seek(0)
    return pages
