"""Make `examples/demo.jpg`: the public-domain portrait in `portrait.jpg`, damaged.

The damage is what a small, noisy, strongly compressed scan does: shrink, noise, JPEG, enlarge.

    python examples/make_demo.py
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

FOLDER = Path(__file__).parent
SHRINK, NOISE_SIGMA, JPEG_QUALITY = 3.0, 6.0, 55


def main() -> None:
    """Write `demo.jpg` beside this file; the same bytes every time."""
    portrait = cv2.imread(str(FOLDER / "portrait.jpg"))
    if portrait is None:
        raise SystemExit(f"{FOLDER / 'portrait.jpg'} is missing")
    height, width = portrait.shape[:2]
    small = cv2.resize(
        portrait, (round(width / SHRINK), round(height / SHRINK)), interpolation=cv2.INTER_AREA
    )
    noise = np.random.default_rng(0).normal(0, NOISE_SIGMA, small.shape)
    noisy = np.clip(np.rint(small + noise), 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    damaged = cv2.imdecode(data, cv2.IMREAD_COLOR)
    enlarged = cv2.resize(damaged, (width, height), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(FOLDER / "demo.jpg"), enlarged, [cv2.IMWRITE_JPEG_QUALITY, 92])


if __name__ == "__main__":
    main()
