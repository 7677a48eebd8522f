"""Small videos, and sending them to a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import PIL.Image


def make_clip(path: Path, photo: Path, frames: int) -> bytes:
    """A face that moves, 25 frames per second."""
    import av

    with PIL.Image.open(photo) as opened:
        pixels = np.asarray(opened.convert("RGB").crop((110, 20, 350, 230)).resize((160, 144)))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 160, 144, "yuv420p"
        for index in range(frames):
            shifted = np.ascontiguousarray(np.roll(pixels, index % 8, axis=1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shifted, format="rgb24")))
        container.mux(stream.encode())
    return path.read_bytes()


def send(client: httpx.Client, data: bytes, **params: Any) -> dict[str, Any]:
    response = client.post("/v1/videos", files={"file": ("a clip.mp4", data)}, params=params)
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()
    assert response.headers["location"] == job["url"]
    return job
