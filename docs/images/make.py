"""Make before-after.jpg of the README: the demo photo's head, damaged and restored.

python docs/images/make.py
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

import gpen

ROOT = Path(__file__).resolve().parents[2]
HEAD_XYXY = (250, 0, 690, 440)  # in the photo enlarged twice


def main() -> None:
    """Restore the photo and lay both heads side by side."""
    result = gpen.restore(ROOT / "examples/demo.jpg", upscale=2)
    before = Image.fromarray(result.source.pixels).resize((1024, 1024), Image.Resampling.BICUBIC)
    after = Image.fromarray(result.photo.pixels)
    sheet = Image.new("RGB", (2 * 440 + 12, 440), "white")
    sheet.paste(before.crop(HEAD_XYXY), (0, 0))
    sheet.paste(after.crop(HEAD_XYXY), (452, 0))
    sheet.save(Path(__file__).with_name("before-after.jpg"), quality=92)


if __name__ == "__main__":
    main()
