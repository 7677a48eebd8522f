"""Jitter, lag and error of tracked points against a known motion; the cost of following faces.

    python benchmarks/tracking.py --faces ../shared/faces --video ../shared/video

Held-out portraits are moved by a known camera and head: swaying, zooming, rolling, a little
perspective; "fast" shakes at 1.5 Hz. Each video is damaged by blur, noise and H.264.
"Raw" is the detector on every whole frame. Jitter is the mean second difference of the error of
the points, in % of raw's; the error is the mean distance to the labelled points, in % of the eye
distance; lag is how many frames late the points are, by least squares, 0 being none. The labels
are a detector's own, so part of the error is a constant of the label.

Cost is CPU time per frame, every frame being followed and searched in turn. The real videos have no
truth: their table counts what was found, for looking.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen.faces.detection import Detector, load_detector
from gpen.images import transforms
from gpen.types import Float64Array
from gpen.video.tracking.face_tracks import FrameRecord, Tracks
from gpen.video.tracking.tracker import Tracker, build_tracks
from report import machine, write_results, write_table

Picture = NDArray[np.uint8]
FPS = 25.0
FRAMES = 100
FRAME_WH = (640, 360)
MOTIONS = ("still", "slow", "fast")
#: Blur in pixels, noise in levels, H.264 quality (lower is better).
DAMAGES = {"light": (0.0, 2.0, 26), "heavy": (1.5, 8.0, 36)}


def load_faces(folder: Path, count: int) -> list[tuple[Picture, Float64Array]]:
    """Held-out photos with one face, and its five points."""
    found: list[tuple[Picture, Float64Array]] = []
    for line in (folder / "photos.jsonl").read_text().splitlines():
        row = json.loads(line)
        if "/val/" not in row["file"] or len(row["faces"]) != 1 or not row["faces"][0]["verified"]:
            continue
        photo = cv2.imread(str(folder / row["file"]))
        if photo is not None:
            pixels = np.ascontiguousarray(photo[..., ::-1]).astype(np.uint8)
            found.append((pixels, np.array(row["faces"][0]["points_xy"], np.float64)))
    return found[:: max(1, len(found) // count)][:count]


def frame_from_photo(points_xy: Float64Array, motion: str, n: int, seed: int) -> Float64Array:
    """3×3 map of a photo into frame `n`, its face about 70 px high."""
    t, phase = n / FPS, seed * 1.7
    pace, reach = {"still": (0.0, 0.0), "slow": (0.35, 1.0), "fast": (1.5, 1.0)}[motion]
    sway = np.sin(2 * np.pi * pace * t + phase) * reach
    nod = np.sin(2 * np.pi * 0.8 * pace * t + 2 * phase) * reach
    zoom = 28 / np.hypot(*(points_xy[1] - points_xy[0])) * (1 + 0.12 * np.sin(0.9 * t) * reach)
    roll = 0.1 * nod
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]]) * zoom
    middle = np.array(FRAME_WH) / 2 + [40 * sway, 15 * nod]
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = turn, middle - turn @ points_xy.mean(axis=0)
    bend = np.eye(3)
    bend[2, :2] = np.array([2e-4, 1e-4]) * sway
    to_middle = np.eye(3)
    to_middle[:2, 2] = -middle
    result: Float64Array = np.linalg.inv(to_middle) @ bend @ to_middle @ matrix
    return result


def make_clip(
    photo: Picture, points_xy: Float64Array, motion: str, damage: str, seed: int
) -> tuple[list[Picture], Float64Array]:
    """Frames, and where the points are in each, (FRAMES, 5, 2)."""
    blur, noise, quality = DAMAGES[damage]
    random = np.random.default_rng(seed)
    frames, truth = [], []
    for n in range(FRAMES):
        matrix = frame_from_photo(points_xy, motion, n, seed)
        frame = cv2.warpPerspective(
            photo, matrix, FRAME_WH, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
        )
        if blur:
            frame = cv2.GaussianBlur(frame, (0, 0), blur)
        noisy = frame + random.normal(0, noise, frame.shape)
        frames.append(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
        truth.append(cv2.perspectiveTransform(points_xy[None], matrix)[0])
    return list(coded(frames, quality)), np.array(truth)


def coded(frames: Sequence[Picture], quality: int) -> Iterator[Picture]:
    """Frames after H.264."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=round(FPS))
        stream.width, stream.height, stream.pix_fmt = *FRAME_WH, "yuv420p"
        stream.options = {"crf": str(quality), "threads": "1"}
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as reader:
        for frame in reader.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def track(detector: Detector, frames: Sequence[Picture], fps: float) -> Tracks:
    """Tracks of a video in memory."""
    tracker = Tracker(detector, fps=fps)
    return build_tracks([tracker.look(n, frame) for n, frame in enumerate(frames)], fps=fps)


def judge(points_xy: Float64Array, truth_xy: Float64Array) -> dict[str, float]:
    """Jitter in pixels, error in % of the eye distance, lag in frames; NaN frames do not count."""
    off = points_xy - truth_xy
    eyes = np.hypot(*(truth_xy[:, 1] - truth_xy[:, 0]).T)
    speed = np.gradient(truth_xy, axis=0)
    seen = ~np.isnan(off[:, 0, 0])
    moving = off[seen] - off[seen].mean(axis=0)
    power = float(np.square(speed[seen]).sum())
    return {
        "jitter": float(np.nanmean(np.abs(np.diff(off, 2, axis=0)))),
        "error": float(np.nanmean(np.hypot(off[..., 0], off[..., 1]).mean(axis=1) / eyes) * 100),
        "lag": -float((moving * speed[seen]).sum()) / power if power else 0.0,
    }


def steadiness(detector: Detector, faces: Sequence[tuple[Picture, Float64Array]]) -> list[Any]:
    """Raw and tracked points against the truth, by motion and damage."""
    rows = []
    for motion in MOTIONS:
        for damage in DAMAGES:
            raws, ours, found, pieces = [], [], [], 0
            for seed, (photo, points_xy) in enumerate(faces):
                frames, truth = make_clip(photo, points_xy, motion, damage, seed)
                raw = np.full(truth.shape, np.nan)
                for n, frame in enumerate(frames):
                    seen = detector.detect(frame)
                    if seen:
                        raw[n] = nearest([face.points_xy for face in seen], truth[n])
                tracks = track(detector, frames, FPS)
                pieces += len(tracks.tracks)
                mine = np.full(truth.shape, np.nan)
                for n in range(len(frames)):
                    at = [seen.face.points_xy for seen in tracks.at(n)]
                    if at:
                        mine[n] = nearest(at, truth[n])
                found.append((~np.isnan(raw[:, 0, 0]), ~np.isnan(mine[:, 0, 0])))
                both = found[-1][0] & found[-1][1]
                if both.sum() > 10:
                    raws.append(judge(np.where(both[:, None, None], raw, np.nan), truth))
                    ours.append(judge(np.where(both[:, None, None], mine, np.nan), truth))
            mean = {key: [np.mean([r[key] for r in rs]) for rs in (raws, ours)] for key in ours[0]}
            rows.append(
                {
                    "motion": motion,
                    "damage": damage,
                    "jitter px, raw": f"{mean['jitter'][0]:.3f}",
                    "tracked": f"{mean['jitter'][1]:.3f}",
                    "ratio": f"{mean['jitter'][1] / mean['jitter'][0]:.2f}",
                    "error %, raw": f"{mean['error'][0]:.2f}",
                    "tracked ": f"{mean['error'][1]:.2f}",
                    "lag, frames": f"{mean['lag'][1]:+.3f}",
                    "found %, raw": round(100 * float(np.mean([f[0].mean() for f in found]))),
                    "tracked  ": round(100 * float(np.mean([f[1].mean() for f in found]))),
                    "tracks per face": pieces / len(faces),
                }
            )
            print(rows[-1], flush=True)
    return rows


def nearest(candidates: Sequence[Float64Array], truth_xy: Float64Array) -> Float64Array:
    return min(candidates, key=lambda points: float(np.abs(points - truth_xy).mean()))


def cost(detector: Detector, faces: Sequence[tuple[Picture, Float64Array]]) -> list[Any]:
    """CPU milliseconds per frame of following faces and of searching every frame."""
    rows = []
    for size_wh in ((768, 432), (1920, 1080)):
        for count in (1, 4):
            tracker, spent = Tracker(detector, fps=FPS), {"look": 0.0, "detect": 0.0}
            for n in range(60):
                frame = crowd(faces[:count], size_wh, n)
                for name, work in (
                    ("look", partial(tracker.look, n, frame)),
                    ("detect", partial(detector.detect, frame)),
                ):
                    started = time.process_time()
                    work()
                    spent[name] += (time.process_time() - started) if n >= 10 else 0
            rows.append(
                {
                    "size": f"{size_wh[0]}×{size_wh[1]}",
                    "faces": count,
                    "look ms": round(20 * spent["look"], 1),
                    "whole frame ms": round(20 * spent["detect"], 1),
                    "ratio": round(spent["look"] / spent["detect"], 2),
                }
            )
            print(rows[-1], flush=True)
    return rows


def crowd(
    faces: Sequence[tuple[Picture, Float64Array]], size_wh: tuple[int, int], n: int
) -> Picture:
    """Portraits side by side, swaying."""
    width, height = size_wh
    frame = np.full((height, width, 3), 110, np.uint8)
    side = height // 2
    for k, (photo, _) in enumerate(faces):
        x, y = (k + 0.5) * width / 4 + 0.1 * side * np.sin(n / 9 + k) - side / 2, 0.3 * height
        small = transforms.resize(photo, (side, side))
        x0, y0 = max(0, round(x)), round(y)
        part = small[:, : max(0, min(side, width - x0))]
        frame[y0 : y0 + side, x0 : x0 + part.shape[1]] = part
    return frame


def real(detector: Detector, folder: Path) -> list[Any]:
    """What is tracked in the real videos."""
    import av

    rows = []
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".gif", ".mp4")):
        with av.open(str(path)) as container:
            fps = float(container.streams.video[0].average_rate or 10)
            tracker, records = Tracker(detector, fps=fps), list[FrameRecord]()
            raw = 0
            for n, image in enumerate(container.decode(video=0)):
                pixels = np.asarray(image.to_ndarray(format="rgb24"), np.uint8)
                records.append(tracker.look(n, pixels))
                raw += len(detector.detect(pixels))
        tracks = build_tracks(records, fps=fps)
        rows.append(
            {
                "clip": path.stem.removeprefix("preview__"),
                "frames": len(records),
                "cuts": len(tracks.cuts),
                "raw faces": raw,
                "threads": len({number for record in records for number, _ in record.seen}),
                "tracks": len(tracks.tracks),
                "tracked faces": sum(len(t.scores) for t in tracks.tracks),
                "bridged": sum(int(t.bridged.sum()) for t in tracks.tracks),
            }
        )
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--faces", type=Path, default=Path("../shared/faces"))
    parser.add_argument("--video", type=Path, default=Path("../shared/video"))
    parser.add_argument("--count", type=int, default=6, help="portraits")
    options = parser.parse_args()
    detector, faces = load_detector(), load_faces(options.faces, options.count)
    costs = cost(detector, faces)
    rows = steadiness(detector, faces)
    clips = real(detector, options.video)
    data = {"machine": machine(), "steadiness": rows, "cost": costs, "clips": clips}
    write_results("tracking", data, table=rows)
    write_table("tracking-cost", costs)
    write_table("tracking-videos", clips)


if __name__ == "__main__":
    main()
