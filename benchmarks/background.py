"""Seconds and memory of `--background`, beside the same network untiled in ONNX Runtime.

    python benchmarks/background.py            # minutes: of large images a few tiles are timed
    python benchmarks/background.py --whole    # hours: every image whole

For images of 1, 12 and 50 megapixels at ×2 and ×4, with the published sizes of networks and random
weights. Where only some tiles are run, seconds are theirs times the number of tiles. Each row is a
process of its own, whose peak of resident memory is reported; the pages of a result that was not
written to the end are added to it. Then the seams: the largest difference, in levels, of tiles and
the whole image, for networks of the published depths. Last the memory of `gpen restore` as a whole,
from file to file, with a network so small that the photo is what counts.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from gpen import Restorer
from gpen.engines import SharedEngine
from gpen.engines.tile_engine import TorchTileEngine
from gpen.models import convert, find_model, load_weights
from gpen.networks.upscalers import RRDBNet, SRVGGNetCompact
from gpen.types import Pixels
from gpen.upscaling.upscaler import Upscaler, load_upscaler
from report import machine, write_results, write_table

PORTRAIT = Path(__file__).parents[1] / "examples" / "portrait.jpg"
NETWORKS = {
    "compact": lambda: SRVGGNetCompact(4, 64, 32),
    "rrdb-x2": lambda: RRDBNet(2, 64, 23, 32, 2),
    "rrdb-x4": lambda: RRDBNet(2, 64, 23, 32, 1),
}
MEGAPIXELS, FACTORS = (1, 12, 50), (2, 4)
#: Tiles that are timed of an image.
TILES = 2


class _Enough(Exception):  # noqa: N818 - not an error
    pass


def random_network(make: Any, path: Path) -> Path:
    """Weights of the spread that training starts from, so that values stay in range."""
    torch.manual_seed(0)
    network = make()
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
            layer.weight.data *= 0.5
    torch.save({"params_ema": network.state_dict()}, path)
    return path


def image_of(megapixels: float) -> Pixels:
    """The portrait, side by side until it is large enough."""
    bgr: Any = cv2.imread(str(PORTRAIT))
    side = round((megapixels * 1e6) ** 0.5)
    times = -(-side // bgr.shape[0])
    return np.ascontiguousarray(np.tile(bgr, (times, times, 1))[:side, :side, ::-1])


def run_one(network: Path, megapixels: float, factor: int, *, whole: bool) -> dict[str, Any]:
    """One image in this process."""
    upscaler, pixels = load_upscaler(network, engine="openvino"), image_of(megapixels)
    seen: list[tuple[int, float, int]] = []

    def on_tile(done: int, total: int) -> None:
        seen.append((done, time.perf_counter(), total))
        if done > TILES and not whole:
            raise _Enough

    with contextlib.suppress(_Enough):
        upscaler.enlarge(pixels, factor, on_tile=on_tile)
    (first, began, total), (last, ended, _) = seen[0], seen[-1]
    per_tile = (ended - began) / max(1, last - first)
    unwritten = pixels.nbytes * factor**2 * (1 - last / total)
    return {
        "tiles": total,
        "run": last,
        "s": per_tile * total,
        "gib": (peak_bytes() + unwritten) / 2**30,
    }


def run_untiled(graph: Path, megapixels: float) -> dict[str, Any]:
    """The whole image through ONNX Runtime at once."""
    ort = importlib.import_module("onnxruntime")  # its stubs hide what it exports
    options = ort.SessionOptions()
    session = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    planes = image_of(megapixels).transpose(2, 0, 1)[None] / np.float32(255)
    started = time.perf_counter()
    session.run(None, {"input": planes})
    return {"s": time.perf_counter() - started, "gib": peak_bytes() / 2**30}


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def in_a_process(*arguments: Any) -> dict[str, Any] | None:
    """What another process measures; None where it ran out of memory."""
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def speed(
    folder: Path, networks: Mapping[str, Any], sizes: Sequence[float], *, whole: bool
) -> list[dict[str, Any]]:
    """A row for each network, size and factor."""
    rows = []
    for name, make in networks.items():
        network = random_network(make, folder / "network.pth")
        graph = convert(network, folder / "network.onnx", overwrite=True)
        for megapixels in sizes:
            untiled = in_a_process("--untiled", graph, megapixels) if megapixels <= 1 else None
            for factor in FACTORS:
                tiled = in_a_process("--one", network, megapixels, factor, int(whole))
                if tiled is None:
                    raise SystemExit(f"{name}, {megapixels} MP, ×{factor} failed")
                rows.append(
                    {
                        "network": name,
                        "MP": megapixels,
                        "--upscale": factor,
                        "tiles": tiled["tiles"],
                        "of these run": tiled["run"],
                        "s": f"{tiled['s']:.0f}",
                        "peak GiB": f"{tiled['gib']:.2f}",
                        "untiled s": f"{untiled['s']:.0f}" if untiled else "not run",
                        "untiled GiB": f"{untiled['gib']:.2f}" if untiled else "not run",
                    }
                )
                print(rows[-1], flush=True)
    return rows


def seams(folder: Path) -> list[dict[str, Any]]:
    """The largest difference of tiles and the whole; narrow networks see as far as wide ones."""
    rows = []
    networks = {
        "SRVGGNetCompact, 32 deep": (lambda: SRVGGNetCompact(4, 8, 32), 33, 1),
        "RRDBNet, 23 deep": (lambda: RRDBNet(1, 8, 23, 8, 1), 32, 1),
    }
    pixels = image_of(0.05)
    for name, (make, margin, step) in networks.items():
        path = random_network(make, folder / "seams.pth")
        weights = load_weights(path)

        def enlarged(
            tile: int, weights: Any = weights, path: Path = path, margin: int = margin,
            step: int = step,
        ) -> Any:  # fmt: skip
            engine = SharedEngine(TorchTileEngine(weights, torch.device("cpu"), "f32", tile=tile))
            model = find_model(path, role="upscaler")
            upscaler = Upscaler(model, engine, margin=margin, step=step, is_fixed=False)
            return upscaler.enlarge(pixels, 2).astype(int)

        difference = np.abs(enlarged(1024) - enlarged(128))
        rows.append(
            {
                "network": name,
                "margin px": margin,
                "largest difference, levels": int(difference.max()),
                "pixels that differ": f"{100 * (difference > 0).any(axis=2).mean():.3f} %",
            }
        )
    return rows


def restore_photo(folder: Path, megapixels: float, factor: int) -> dict[str, Any]:
    """A photo with many faces from file to file in this process."""
    cv2.imwrite(str(folder / "photo.jpg"), image_of(megapixels)[..., ::-1])
    restorer = Restorer(upscale=factor, background=folder / "tiny.pth", faces="0,1,2,3")
    started = time.perf_counter()
    restorer.restore(folder / "photo.jpg").save(folder / "large.jpg", overwrite=True)
    return {"s": time.perf_counter() - started, "gib": peak_bytes() / 2**30}


def memory(folder: Path, sizes: Sequence[float]) -> list[dict[str, Any]]:
    """A row for each size and factor."""
    random_network(lambda: SRVGGNetCompact(2, 4, 1), folder / "tiny.pth")
    rows = []
    for megapixels in sizes:
        for factor in FACTORS:
            found = in_a_process("--photo", folder, megapixels, factor)
            gib = f"{found['gib']:.2f}" if found else "failed"
            rows.append({"MP": megapixels, "--upscale": factor, "peak GiB": gib})
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure, or be one of the processes that are measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--sizes", default=",".join(map(str, MEGAPIXELS)))
    parser.add_argument("--one", nargs=4)
    parser.add_argument("--untiled", nargs=2)
    parser.add_argument("--photo", nargs=3)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    options = parser.parse_args()
    if options.one:
        path, megapixels, factor, whole = options.one
        found = run_one(Path(path), float(megapixels), int(factor), whole=whole == "1")
        print(json.dumps(found))
    elif options.untiled:
        print(json.dumps(run_untiled(Path(options.untiled[0]), float(options.untiled[1]))))
    elif options.photo:
        folder, megapixels, factor = options.photo
        print(json.dumps(restore_photo(Path(folder), float(megapixels), int(factor))))
    else:
        sizes = [float(size) for size in options.sizes.split(",")]
        with tempfile.TemporaryDirectory() as folder:
            rows = seams(Path(folder))
            write_table("background-seams", rows)
            photos = memory(Path(folder), sizes)
            write_table("background-memory", photos)
            networks = {name: NETWORKS[name] for name in options.networks.split(",")}
            table = speed(Path(folder), networks, sizes, whole=options.whole)
            write_results(
                "background",
                {"machine": machine(), "rows": table, "seams": rows, "memory": photos},
                table,
            )


if __name__ == "__main__":
    main()
