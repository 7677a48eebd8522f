"""How still restored faces stay from frame to frame, beside restoring each frame by itself.

    python benchmarks/video.py [--sections made real flicker cost] [--strips FOLDER]

made: videos of `made_videos.py`, held-out portraits moved by a known camera and head, damaged by
blur, noise and real H.264. The warping error is the root mean square difference, in levels, between
a restored crop and the one before it carried by the true motion (and the true change of light),
within the face mask, where both are in sight. "truth" is that figure for the undamaged video: what
resampling alone costs an image that sharp. Sharpness is the variance of the Laplacian, and the
energy of what a Gaussian of 2 px removes. PSNR and LPIPS are against the undamaged video within the
mask; "eyes" is the PSNR there while they blink. Points are the true ones.
real: videos without truth, tracked by gpen; motion is a dense flow of the input that is not the
stabiliser's own, where forward and backward agree.
flicker: old film, made from the same videos, its brightness shaken.
cost: processor time of one crop, everything on one thread.

Strips show input, per frame, stabilised and truth; they hold photos that must not be published.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen import Restorer
from gpen.blending.masks import face_mask
from gpen.faces.alignment import align_face
from gpen.faces.restoration import restore_crops
from gpen.images import transforms
from gpen.metrics.metric_files import find_metric_files
from gpen.metrics.registry import MetricNetworks
from gpen.types import Crop
from gpen.video.stabilisation import deflicker
from gpen.video.stabilisation.stabiliser import Stabiliser
from gpen.video.tracking.tracker import Tracker, build_tracks
from made_videos import REPORTED, TUNING, Damage, VideoInfo, damage, make_clips
from report import RESULTS, machine, write_results, write_table

Pictures = list[NDArray[np.uint8]]
SIZE = 256
HALF = SIZE // 2
ONES = np.ones((5, 5), np.uint8)
#: LPIPS is measured on every n-th frame.
LPIPS_EVERY = 8
#: Forward and backward flow agree within this many pixels.
AGREE = 0.5
#: Tracks of real videos: shortest, how many of a video, and frames read of each.
SHORTEST, TRACKS, FRAMES = 20, 2, 150


@dataclass(slots=True)
class Shot:
    """One face over time: its crops, what the network made of them, and how they move.

    Attributes:
        name: Of the video.
        crops: The damaged faces.
        outputs: Restored frame by frame.
        maps: For each frame but the first, where its pixels were: (SIZE, SIZE, 2) float32.
        seen: Likewise, where that is known: (SIZE, SIZE) bool.
        lights: The light of each frame.
        truth: Undamaged crops, if known.
        lids: How far the eyes are closed.
    """

    name: str
    crops: list[Crop]
    outputs: Pictures
    maps: list[Any]
    seen: list[Any]
    lights: list[float]
    truth: Pictures | None = None
    lids: Sequence[float] = ()

    def masks(self) -> list[Any]:
        """Where the face is, (SIZE, SIZE) bool for each frame."""
        return [face_mask(SIZE, crop.points_xy) > 0.5 for crop in self.crops]


def made_shot(clip: VideoInfo, restorer: Restorer) -> Shot:
    """The face of a made video."""
    count, shrink = clip.recipe.length, clip.recipe.damage.shrink
    crops = [
        align_face(frame, clip.damaged_points(i), size=SIZE) for i, frame in enumerate(clip.damaged)
    ]
    fine = [transforms.compose(c.crop_from_image, transforms.scaling(1 / shrink)) for c in crops]
    truth = [transforms.warp(f, m, (SIZE, SIZE)) for f, m in zip(clip.truth, fine, strict=True)]
    maps, seen = [], []
    # Motion is smooth: it is looked up at half the size.
    y, x = np.mgrid[:HALF, :HALF]
    half = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)
    grid = transforms.apply(transforms.scaling(2), half)
    for i in range(1, count):
        before, known = clip.previous_xy(i, transforms.apply(transforms.invert(fine[i]), grid))
        where = transforms.apply(fine[i - 1], before).reshape(HALF, HALF, 2).astype(np.float32)
        maps.append(_doubled(where))
        seen.append(cv2.erode(_doubled(known.reshape(HALF, HALF).astype(np.uint8)), ONES) > 0)
    outputs = restored(crops, restorer)
    lights = [clip.light(i) for i in range(count)]
    lids = [clip.lids(i) for i in range(count)]
    return Shot(clip.recipe.name, crops, outputs, maps, seen, lights, truth, lids)


def _doubled(field: Any) -> Any:
    """To SIZE; the outermost half pixel, beyond the samples, is off by as much."""
    return cv2.resize(field, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)


def real_shots(path: Path, restorer: Restorer) -> Iterator[Shot]:
    """The longest tracks of a real video."""
    frames, fps = read_clip(path)
    tracker = Tracker(restorer.detector, fps=fps)
    tracks = build_tracks(
        [tracker.look(i, frame) for i, frame in enumerate(frames)], fps=fps
    ).tracks
    tracks = [track for track in tracks if len(track.scores) >= SHORTEST]
    for track in sorted(tracks, key=lambda t: -len(t.scores))[:TRACKS]:
        crops = [
            align_face(frames[track.first + i], points, size=SIZE)
            for i, points in enumerate(track.points_xy)
        ]
        flows = [input_motion(a, b) for a, b in zip(crops[1:], crops, strict=False)]
        maps, seen = [flow[0] for flow in flows], [flow[1] for flow in flows]
        name = f"{path.stem}, track {track.id}"
        yield Shot(name, crops, restored(crops, restorer), maps, seen, [1.0] * len(crops))


def read_clip(path: Path) -> tuple[Pictures, float]:
    """The first frames of a video, and frames per second."""
    import av

    frames: Pictures = []
    with av.open(str(path), "r") as source:
        rate = float(source.streams.video[0].average_rate or 10)
        for frame in source.decode(video=0):
            frames.append(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
            if len(frames) == FRAMES:
                break
    return frames, rate


def input_motion(now: Crop, before: Crop) -> tuple[Any, Any]:
    """Where the pixels of a crop were in the one before, and where this is certain."""
    one, other = (
        cv2.GaussianBlur(cv2.cvtColor(c.pixels, cv2.COLOR_RGB2GRAY), (0, 0), 1.5)
        for c in (now, before)
    )
    search: Any = getattr(cv2, "DISOpticalFlow_create")(2)  # noqa: B009 - not in cv2's stubs
    forth, back = search.calc(one, other, None), search.calc(other, one, None)
    axis = np.arange(SIZE, dtype=np.float32)
    where = forth + np.dstack(np.meshgrid(axis, axis))
    off = forth + carried(back, where)
    return where, np.hypot(off[..., 0], off[..., 1]) < AGREE


def restored(crops: Sequence[Crop], restorer: Restorer) -> Pictures:
    outputs = restore_crops([crop.pixels for crop in crops], restorer.engine)
    return [np.asarray(output, np.uint8) for output in outputs]


def steadied(shot: Shot, strength: float) -> Pictures:
    stabiliser = Stabiliser(strength)
    for i, (crop, output) in enumerate(zip(shot.crops, shot.outputs, strict=True)):
        stabiliser.push(0, i, crop, output)
    return [
        np.asarray(stabiliser.take(0, i, output), np.uint8) for i, output in enumerate(shot.outputs)
    ]


def carried(image: Any, where: Any) -> Any:
    no_map: Any = None
    return cv2.remap(image.astype(np.float32), where, no_map, cv2.INTER_CUBIC)


def warping_error(shot: Shot, images: Pictures) -> float:
    """Root mean square over all frames, in levels."""
    squares = []
    masks = shot.masks()
    for i in range(1, len(images)):
        light = shot.lights[i] / shot.lights[i - 1]
        off = carried(images[i - 1], shot.maps[i - 1]) * light - images[i]
        squares.append(float(np.square(off[masks[i] & shot.seen[i - 1]]).mean()))
    return float(np.sqrt(np.nanmean(squares)))


def sharpness(shot: Shot, images: Pictures) -> tuple[float, float]:
    """Mean variance of the Laplacian, and energy of the finest detail, of the luma."""
    laplacian, fine = [], []
    for image, mask in zip(images, shot.masks(), strict=True):
        luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        laplacian.append(float(cv2.Laplacian(luma, cv2.CV_32F)[mask].var()))
        fine.append(float(np.square(luma - cv2.GaussianBlur(luma, (0, 0), 2))[mask].mean()))
    return float(np.mean(laplacian)), float(np.mean(fine))


def likeness(
    shot: Shot, images: Pictures, metric_networks: MetricNetworks
) -> tuple[float, float, float]:
    """Mean PSNR, PSNR of blinking eyes, and LPIPS, within the mask."""
    assert shot.truth is not None
    psnr, eyes, lpips = [], [], []
    for i, (image, truth, mask) in enumerate(zip(images, shot.truth, shot.masks(), strict=True)):
        square = np.square(image.astype(np.float64) - truth).mean(axis=2)
        psnr.append(10 * np.log10(255**2 / square[mask].mean()))
        if shot.lids[i] > 0:
            eyes.append(10 * np.log10(255**2 / square[_eyes(shot.crops[i])].mean()))
        if i % LPIPS_EVERY == 0:
            face = np.where(mask[..., None], image, truth)
            lpips.append(metric_networks.compare(face, truth)["lpips"])
    return float(np.mean(psnr)), float(np.mean(eyes)) if eyes else np.nan, float(np.mean(lpips))


def _eyes(crop: Crop) -> Any:
    points = crop.points_xy
    unit = float(np.linalg.norm(points[1] - points[0]))
    y, x = np.mgrid[:SIZE, :SIZE]
    near = [(abs(x - e[0]) < 0.3 * unit) & (abs(y - e[1]) < 0.2 * unit) for e in points[:2]]
    return near[0] | near[1]


def steadiness(
    shot: Shot, metric_networks: MetricNetworks | None, strength: float
) -> dict[str, Any]:
    """One line of the table."""
    steady = steadied(shot, strength)
    before, after = warping_error(shot, shot.outputs), warping_error(shot, steady)
    kept = [
        b / a for a, b in zip(sharpness(shot, shot.outputs), sharpness(shot, steady), strict=True)
    ]
    row: dict[str, Any] = {
        "clip": shot.name,
        "frames": len(steady),
        "warping error per frame": round(before, 2),
        "stabilised": round(after, 2),
        "ratio": round(after / before, 2),
        "Laplacian kept": f"{kept[0]:.1%}",
        "detail kept": f"{kept[1]:.1%}",
    }
    if shot.truth is not None and metric_networks is not None:
        one, other = (likeness(shot, p, metric_networks) for p in (shot.outputs, steady))
        row |= {
            "truth": round(warping_error(shot, shot.truth), 2),
            "PSNR dB": f"{one[0]:.2f} → {other[0]:.2f}",
            "eyes dB": "" if np.isnan(one[1]) else f"{one[1]:.2f} → {other[1]:.2f}",
            "LPIPS": f"{one[2]:.4f} → {other[2]:.4f}",
        }
    return row


def flicker_rows(clips: Sequence[VideoInfo]) -> list[dict[str, Any]]:
    """How much brightness shakes before and after, and how far a real change of light is kept."""
    rows = []
    for clip in clips:
        worn = damage(clip.truth, replace(Damage(), flicker=0.05, grey=True, crf=23), seed=1)
        plan = deflicker.corrections([deflicker.measure(frame) for frame in worn])
        calm = [deflicker.apply(frame, one) for frame, one in zip(worn, plan, strict=True)]
        levels = [
            np.array([float(frame.mean()) for frame in frames])
            for frames in (clip.truth, worn, calm)
        ]
        shakes = [float(np.diff(level, 2).std()) for level in levels]
        real = levels[0] - levels[0].mean()
        slope = float(real @ (levels[2] - levels[2].mean()) / (real @ real))
        changes = clip.recipe.motion.pump > 0
        rows.append(
            {
                "clip": clip.recipe.name,
                "shake of the truth": round(shakes[0], 2),
                "of the film": round(shakes[1], 2),
                "deflickered": round(shakes[2], 2),
                "ratio": round(shakes[2] / shakes[1], 2),
                "real change of light kept": f"{slope:.0%}" if changes else "none to keep",
            }
        )
    return rows


def cost_rows(shot: Shot, restorer: Restorer) -> list[dict[str, Any]]:
    """Processor milliseconds per crop."""
    rows = []
    for size in (256, 512):
        crops, outputs = (
            [np.asarray(transforms.resize(p, (size, size)), np.uint8) for p in images]
            for images in ([c.pixels for c in shot.crops], shot.outputs)
        )
        stabiliser = Stabiliser(1.0)

        def steady(i: int, crops: Any = crops, outputs: Any = outputs, s: Any = stabiliser) -> None:
            s.push(0, i, Crop(crops[i], np.eye(2, 3), np.zeros((5, 2))), outputs[i])
            if i >= s.reach:
                s.take(0, i - s.reach, outputs[i - s.reach])

        row: dict[str, Any] = {"crop": size}
        row |= {"stabiliser ms": round(processor_ms(steady, len(crops)), 2)}
        rows.append(row | {"network ms": "no network of this size is shipped"})
    pixels = [crop.pixels for crop in shot.crops]
    network = processor_ms(lambda i: restore_crops([pixels[i]], restorer.engine), 24)
    rows[0]["network ms"] = round(network, 2)
    return rows


def processor_ms(work: Callable[[int], object], count: int) -> float:
    """Median processor time of calls with 0, 1, …, after those that only fill a window."""
    times = []
    for i in range(count):
        started = time.process_time()
        work(i)
        times.append(1000 * (time.process_time() - started))
    return float(np.median(times[8:]))


def save_strip(shot: Shot, strength: float, folder: Path) -> None:
    """Every eighth frame, and under it slices through the eyes and the mouth over time."""
    rows: list[Any] = [[c.pixels for c in shot.crops], shot.outputs, steadied(shot, strength)]
    rows += [shot.truth] if shot.truth is not None else []
    strip = np.vstack([np.hstack(row[4:76:8]) for row in rows])
    points = np.mean([c.points_xy for c in shot.crops], axis=0)
    heights = [round(float(points[:2, 1].mean())), round(float(points[3:, 1].mean()))]
    slices = [np.hstack([np.array([p[y] for p in row]) for row in rows]) for y in heights]
    folder.mkdir(parents=True, exist_ok=True)
    name = shot.name.replace(", ", " ").replace(" ", "-")
    cv2.imwrite(str(folder / f"{name}.png"), strip[..., ::-1])
    tall: Any = cv2.resize(np.vstack(slices), None, fx=1, fy=3, interpolation=cv2.INTER_NEAREST)
    cv2.imwrite(str(folder / f"{name}-over-time.png"), tall[..., ::-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    sections: tuple[str, ...] = ("made", "real", "flicker", "cost")
    parser.add_argument("--sections", nargs="+", choices=sections, default=sections)
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--tuning", action="store_true", help="the videos that were tuned on")
    parser.add_argument("--faces", type=Path, default=Path("../shared/faces"))
    parser.add_argument("--videos", type=Path, default=Path("../shared/video"))
    parser.add_argument("--metrics", type=Path, default=Path("../shared/models"))
    parser.add_argument("--strips", type=Path, help="folder for images, outside the project")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    restorer, wanted = Restorer(), set[str](options.sections)
    data: dict[str, Any] = {"machine": machine(), "strength": options.strength}
    shots: list[Shot] = []
    if wanted & {"made", "flicker", "cost"}:
        clips = make_clips(TUNING if options.tuning else REPORTED, options.faces)
    if wanted & {"made", "cost"}:
        shots = [made_shot(clip, restorer) for clip in clips]
    if "cost" in wanted:
        data["cost"] = cost_rows(shots[0], restorer)
    if "made" in wanted:
        print(f"{len(shots)} made videos", flush=True)
        metric_networks = MetricNetworks(find_metric_files(options.metrics), restorer.detector)
        data["made"] = [steadiness(shot, metric_networks, options.strength) for shot in shots]
    if "flicker" in wanted:
        data["flicker"] = flicker_rows(clips)
    if "real" in wanted:
        places = sorted(p for p in options.videos.iterdir() if p.suffix in {".gif", ".mp4"})
        real = [shot for path in places for shot in real_shots(path, restorer)]
        print(f"{len(real)} tracks", flush=True)
        data["real"] = [steadiness(shot, None, options.strength) for shot in real]
        shots += real
    if options.strips:
        for shot in shots:
            save_strip(shot, options.strength, options.strips)
    for name in wanted:
        print(*data[name], sep="\n")
    if not options.tuning:
        save(data)


def save(data: dict[str, Any]) -> None:
    """Write the sections that were measured; those of earlier runs stay."""
    file = RESULTS / "video.json"
    data = (json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}) | data
    write_results("video", data, data.get("made", [{"made": "not measured"}]))
    for name in ("real", "flicker", "cost"):
        if name in data:
            write_table(f"video-{name}", data[name])


if __name__ == "__main__":
    main()
