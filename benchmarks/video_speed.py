"""Whole videos, from file to file: speed, memory, sound and times, power cuts.

    python benchmarks/video_speed.py [--sections speed memory faithful kills] [--frames 60]
                                     [--long 3000]

speed: 1920×1080, one face, by the shipped network and by one of published widths at 512 px with
random weights. "outside" is the share of the whole time, both passes and joining, in which the
network did not run. "passes" is the share of the first, which finds the faces.
memory: peak of a process that restores 300 frames and many more, by a network that does nothing.
faithful: packets of sound byte for byte, times of all images, against the source.
kills: kill -9 at random moments, then the same command; results byte for byte.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from gpen.images import transforms
from gpen.images.read import read_image
from report import machine, write_results, write_table

PORTRAIT = Path(__file__).resolve().parents[1] / "examples/portrait.jpg"
#: What a process of its own runs: restores a video and tells what it took.
WORKER = """
import json, resource, sys
import gpen
from gpen.video import job
source, target, model, part_frames = sys.argv[1:5]
job.PART_FRAMES = int(part_frames)
result = gpen.restore_video(source, target, model=model)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"frames": result.frames, "faces": result.faces, "peak_mib": peak,
                  **{step + "_s": s for step, s in result.seconds.items()}}))
"""
PARTS = 240
KILLS = 10


def images(size_wh: tuple[int, int], count: int) -> Iterator[NDArray[np.uint8]]:
    """A portrait, a third of the frame high, that sways and nears: RGB (height, width, 3)."""
    photo = np.asarray(read_image(PORTRAIT).pixels, np.uint8)
    width, height = size_wh
    for index in range(count):
        scale = height / 1000 * (1 + 0.1 * np.sin(index / 40))
        x = width * (0.3 + 0.1 * np.sin(index / 25))
        place = transforms.compose(transforms.shifting(x, height * 0.2), transforms.scaling(scale))
        frame = transforms.warp(photo, place, size_wh, border="replicate")
        yield np.asarray(frame, np.uint8)


def make_clip(path: Path, size_wh: tuple[int, int], count: int) -> Path:
    """H.264 at a low bitrate, times that vary, and sound."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25, options={"crf": "32", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = *size_wh, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        sound = out.add_stream("aac", rate=48_000)
        tone = (np.sin(np.arange(1024) * 0.06) * 0.3).astype(np.float32)
        for index, frame in enumerate(images(size_wh, count)):
            image = av.VideoFrame.from_ndarray(frame, format="rgb24")
            image.pts, image.time_base = 40 * index + index % 3, Fraction(1, 1000)
            out.mux(video.encode(image))
        for index in range(count * 48_000 // 25 // 1024):
            piece = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
            piece.sample_rate, piece.pts = 48_000, index * 1024
            out.mux(sound.encode(piece))
        for stream in (video, sound):
            out.mux(stream.encode())
    return path


def restore(source: Path, target: Path, model: str, part_frames: int = PARTS) -> dict[str, Any]:
    """Restore in a process of its own; what `WORKER` prints, and the whole time."""
    target.unlink(missing_ok=True)
    command = [sys.executable, "-c", WORKER, str(source), str(target), model, str(part_frames)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    output: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return output


def speed_rows(folder: Path, count: int) -> list[dict[str, Any]]:
    clip = make_clip(folder / "hd.mp4", (1920, 1080), count)
    rows = []
    for name, model in (
        ("gpen-default-256", "gpen-default-256"),
        ("random weights, 512 px", str(random_network(folder, 512))),
    ):
        restore(clip, folder / "warm.mp4", model)  # compiles the network for the next
        took = restore(clip, folder / "out.mp4", model)
        total = took["faces_s"] + took["frames_s"] + took["joining_s"]
        rows.append(
            {
                "network": name,
                "frames": took["frames"],
                "frames/s": round(took["frames"] / total, 2),
                "first pass": round(took["faces_s"] / total, 3),
                "outside": round(1 - took["network_s"] / total, 3),
                "ms outside per frame": round(1e3 * (total - took["network_s"]) / count, 1),
            }
        )
    return rows


def random_network(folder: Path, size: int) -> Path:
    """A network of published widths with random weights."""
    (folder / "random").mkdir()
    command = [sys.executable, str(Path(__file__).with_name("engines_prepare.py"))]
    subprocess.run([*command, str(folder / "random"), str(size)], check=True, capture_output=True)
    return folder / "random" / "weights.safetensors"


def memory_rows(folder: Path, counts: Sequence[int]) -> list[dict[str, Any]]:
    model = folder / "nothing.onnx"
    write_nothing(model)
    rows = []
    for count in counts:
        clip = make_clip(folder / f"{count}.mp4", (640, 360), count)
        took = restore(clip, folder / "out.mp4", str(model))
        rows.append({"frames": count, "faces": took["faces"], "MiB": round(took["peak_mib"], 1)})
    return rows


def write_nothing(path: Path) -> None:
    """A network with the ports of a GPEN file, 256 px, that returns its image."""
    import onnx
    from onnx import TensorProto, helper

    shape = [1, 3, 256, 256]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["input"], ["output"])],
        "nothing",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


def faithful_row(folder: Path) -> dict[str, Any]:
    clip = make_clip(folder / "plain.mp4", (640, 360), 100)
    restore(clip, folder / "out.mp4", "gpen-default-256")
    (sound, times), (new_sound, new_times) = map(_packets, (clip, folder / "out.mp4"))
    return {
        "packets of sound": len(sound),
        "the same": sum(a == b for a, b in zip(sound, new_sound, strict=True)),
        "pictures": len(times),
        "at the same time": sum(a == b for a, b in zip(times, new_times, strict=True)),
    }


def _packets(path: Path) -> tuple[list[tuple[int | None, bytes]], list[Fraction]]:
    with av.open(str(path)) as file:
        sound = [(p.pts, bytes(p)) for p in file.demux(audio=0) if p.size]
    with av.open(str(path)) as file:
        packets = [p for p in file.demux(video=0) if p.size]
        times = sorted(p.pts * p.time_base for p in packets if p.pts is not None)
    return sound, times


def kill_rows(folder: Path) -> list[dict[str, Any]]:
    clip = make_clip(folder / "kill.mp4", (320, 240), 96)
    started = time.monotonic()
    restore(clip, folder / "whole.mp4", "gpen-default-256", 12)
    usual_s = time.monotonic() - started
    rng = random.Random(0)  # noqa: S311
    rows = []
    for number in range(KILLS):
        target = folder / f"killed{number}.mp4"
        command = [sys.executable, "-c", WORKER, str(clip), str(target), "gpen-default-256", "12"]
        after_s = rng.uniform(0.05, 0.95) * usual_s
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(after_s)
        process.kill()
        process.wait()
        parts = len(list((folder / f".{target.name}.gpen").glob("part-*.part")))
        if not target.exists():
            restore(clip, target, "gpen-default-256", 12)
        same = _hash(target) == _hash(folder / "whole.mp4")
        rows.append({"killed after s": round(after_s, 2), "parts kept": parts, "same file": same})
    return rows


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    sections = ("speed", "memory", "faithful", "kills")
    parser.add_argument("--sections", nargs="+", choices=sections, default=sections)
    parser.add_argument("--frames", type=int, default=60, help="of the video whose speed is taken")
    parser.add_argument("--long", type=int, default=3000, help="frames of the long video")
    options = parser.parse_args()
    data: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "speed" in options.sections:
            data["speed"] = speed_rows(folder, options.frames)
        if "memory" in options.sections:
            data["memory"] = memory_rows(folder, (300, options.long))
            write_table("video-speed-memory", data["memory"])
        if "faithful" in options.sections:
            data["faithful"] = [faithful_row(folder)]
            write_table("video-speed-faithful", data["faithful"])
        if "kills" in options.sections:
            data["kills"] = kill_rows(folder)
            write_table("video-speed-kills", data["kills"])
    write_results("video-speed", data, data.get("speed") or [{"section": "not run"}])


if __name__ == "__main__":
    main()
