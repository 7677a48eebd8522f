"""Limits on what clients may ask for."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field

from ..errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of a server.

    Attributes:
        photo_bytes: Largest photo file.
        video_bytes: Largest video file.
        pixels: Most pixels of a photo or frame, after enlarging.
        faces: Most faces restored in one photo.
        clip_s: Longest video, in seconds of what is to be restored.
        clip_frames: Most frames of a video that are to be restored.
        queue: Photos that are uploaded, waited for or worked on at the same time.
        video_queue: Videos that wait or are worked on.
        jobs: Photos that are worked on at the same time.
        photo_s: Longest time from upload to answer of a photo, in seconds.
        decode_s: Longest time that decoding a photo takes, in seconds.
        video_s: Longest time that a video is worked on, in seconds.
        unheard_s: Longest time in which nobody asks for a video that is not done, in seconds.
        idle_s: Longest time in which a client neither sends nor takes anything, in seconds.
        upload_s: Longest time that an upload takes, in seconds.
        upload_rate: Least bytes per second of an upload, over any `idle_s` seconds.
        keep_s: How long results are kept, in seconds.
        kept_bytes: Uploads that are kept for visits, all together; the oldest go first.
        memory_bytes: Decoded photos of visits in memory, all together; others are decoded again.
        results_bytes: Photos that are kept, all together; the oldest go first.
    """

    photo_bytes: int = 64 << 20
    video_bytes: int = 2 << 30
    pixels: int = 100_000_000
    faces: int = 500
    clip_s: float = 1800.0
    clip_frames: int = 120_000
    queue: int = 128
    video_queue: int = 8
    jobs: int = field(default_factory=lambda: max(2, min(8, os.cpu_count() or 2)))
    photo_s: float = 300.0
    decode_s: float = 30.0
    video_s: float = 6 * 3600.0
    unheard_s: float = 900.0
    idle_s: float = 20.0
    upload_s: float = 3600.0
    upload_rate: float = 1024.0
    keep_s: float = 3600.0
    kept_bytes: int = 8 << 30
    memory_bytes: int = 1 << 30
    results_bytes: int = 2 << 30

    def __post_init__(self) -> None:
        """Refuse values that mean nothing.

        Raises:
            SettingsError: Names the limit and its value.
        """
        for one in dataclasses.fields(self):
            value = getattr(self, one.name)
            if not 0 < value < float("inf"):
                raise SettingsError(f"the limit {one.name} is {value}; expected more than 0")
