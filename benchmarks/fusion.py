"""What fusion costs beside the network, for networks of 256, 512 and 2048 px.

    python benchmarks/fusion.py

Milliseconds per face: judging the crop, fusing it with the network's output, holding outlines; and
their share of the time of the network itself, all in one run. Networks of published widths have
random weights; the shipped one is measured too.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engines_prepare import PORTRAIT, load_pictures, random_network
from gpen.blending.fusion import fuse
from gpen.blending.outlines import suppress_halos
from gpen.blending.reliability_estimator import FILE, ReliabilityEstimator
from gpen.engines import Engine, open_engine
from gpen.face_templates import template_points
from gpen.faces.restoration import restore_crops
from gpen.models import ASSETS, find_model
from gpen.settings import DEFAULT_MODEL
from report import machine, median_spread, timed, write_results

RUNS = 7


def damaged_crop(size: int) -> Any:
    """The portrait at a quarter of its detail, so that every step has work to do."""
    bgr: Any = cv2.imread(str(PORTRAIT))
    small = cv2.resize(bgr, (size // 4, size // 4), interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(large[..., ::-1])


def measure(name: str, engine: Engine, estimator: ReliabilityEstimator) -> dict[str, Any]:
    """One row of the table."""
    size = engine.size
    crop, points = damaged_crop(size), template_points("gpen", size)
    output = restore_crops([crop], engine)[0]
    reliability = estimator.estimate(crop)
    fused = fuse(crop, output, reliability)
    works = {
        "network": lambda: restore_crops([crop], engine),
        "judge": lambda: estimator.estimate(crop),
        "fuse": lambda: fuse(crop, output, reliability),
        "outlines": lambda: suppress_halos(crop, fused, points, reliability),
    }
    ms = {key: 1000 * median_spread(timed(work, RUNS))["median_s"] for key, work in works.items()}
    spent = ms["judge"] + ms["fuse"] + ms["outlines"]
    return {
        "network": name,
        "precision": engine.precision,
        "network ms": f"{ms['network']:.1f}",
        "judge ms": f"{ms['judge']:.1f}",
        "fuse ms": f"{ms['fuse']:.1f}",
        "outlines ms": f"{ms['outlines']:.1f}",
        "share": f"{100 * spent / ms['network']:.1f} %",
    }


def main() -> None:
    """Measure every network and write the table."""
    estimator = ReliabilityEstimator(ASSETS / FILE)
    rows = [measure(DEFAULT_MODEL, open_engine(find_model(DEFAULT_MODEL)), estimator)]
    with tempfile.TemporaryDirectory() as folder:
        for size in (256, 512, 2048):
            path = Path(folder, f"random-{size}.safetensors")
            random_network(size, load_pictures("", size, 1)[0], path)
            engine = open_engine(find_model(path))
            rows.append(measure(f"random weights, {size} px", engine, estimator))
            print(rows[-1], flush=True)
    write_results("fusion", {"machine": machine(), "rows": rows}, rows)


if __name__ == "__main__":
    main()
