"""Whether gpen does harm: what it writes beside what came in, on whole photos of known truth.

    python benchmarks/harm.py [--faces 8] [--model NAME] [--sizes 260] [--damages none ×4]

Held-out crops become photos with faces of several sizes (`harm_photos.py`); each is damaged,
written, restored by `gpen.restore` with its defaults, written and read again. LPIPS-squeeze (Caffe
weights), PSNR and SSIM are those of the middle of the face's crop; embeddings are distances (dlib:
Euclidean; MobileFaceNet: 1 - cosine); landmarks are in % of the eye distance; "eyes stray" is told
in Lab units against the *input*, "lids" in %, "hue" in degrees, "rim" in levels, "tone" in Lab
units against the truth (`harm_measures.py`). A face that is not found stays as it is, and counts.

"Harm" names what is worse than the input's: LPIPS and embeddings both, or PSNR by more than 0.5 dB.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import gpen
from harm_measures import Measures
from harm_photos import DAMAGES, FACE_OF_CROP, Photo, Pixels8, applies, build, held_out, truth_of
from report import machine, write_results

SHARED = Path(__file__).resolve().parents[2] / "shared"
#: Faces of a size in pixels, and the side of the photo that shows them.
SIZES = {60: 1024, 130: 1024, 260: 1024, 520: 1024, 900: 2048}
#: Figures in the order of the table: name, decimals.
FIGURES = {
    "lpips": 3,
    "psnr": 2,
    "ssim": 3,
    "dlib": 3,
    "mobile": 3,
    "landmarks": 1,
    "stray": 2,
    "lids": 1,
    "hue": 1,
    "rim": 1,
    "tone": 2,
}
#: Worse by less than this is not told from equal: share of the input's figure, and absolute.
SAME = {"lpips": (0.01, 0.002), "dlib": (0.01, 0.005), "mobile": (0.01, 0.005)}
LEAST_PSNR = -0.5


def measure(
    photos: Sequence[Photo], damage: str, face_px: int, restorer: gpen.Restorer, measures: Measures
) -> tuple[list[dict[str, dict[str, float]]], list[list[Pixels8]]]:
    """Figures of input and output of every face; and rows for a sheet."""
    figures, rows = [], []
    size = int(np.clip(2 ** round(np.log2(face_px / FACE_OF_CROP)), 64, 512))
    for number, photo in enumerate(photos):
        random = np.random.default_rng(number)
        truth, damaged = truth_of(damage, photo.pixels), DAMAGES[damage](photo.pixels, random)
        written = restored_file(damaged, restorer)
        for points in photo.points_xy:
            seen = {
                name: measures.see(pixels, points, size)
                for name, pixels in (("truth", truth), ("input", damaged), ("output", written))
            }
            figures.append(
                {
                    name: measures.compare(seen[name], seen["truth"], seen["input"])
                    for name in ("input", "output")
                }
            )
            rows.append([seen[name].pixels for name in ("input", "output", "truth")])
    return figures, rows


def restored_file(pixels: Pixels8, restorer: gpen.Restorer) -> Pixels8:
    """What a user gets: from file to file."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "photo.png"), Path(folder, "photo_gpen.png")
        cv2.imwrite(str(source), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        restorer.restore(source).save(target)
        bgr: Any = cv2.imread(str(target))
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def row(
    face_px: int, damage: str, figures: Sequence[Mapping[str, Mapping[str, float]]]
) -> dict[str, Any]:
    """Means of input and output over the faces, and what is harm."""
    means = {
        name: {key: _mean([face[name][key] for face in figures]) for key in FIGURES}
        for name in ("input", "output")
    }
    return {
        "face_px": face_px,
        "damage": damage,
        "faces": len(figures),
        **means,
        "harm": harms(means["input"], means["output"]),
    }


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def harms(given: Mapping[str, float], written: Mapping[str, float]) -> list[str]:
    """What is worse than it came in."""

    def worse(key: str) -> bool:
        share, least = SAME[key]
        return written[key] > given[key] * (1 + share) + least

    found = []
    if worse("lpips") and (worse("dlib") or worse("mobile")):
        found.append("LPIPS and identity")
    # An undamaged input has no noise at all to compare with; 42 dB is the goal there.
    lost = written["psnr"] - min(given["psnr"], 42.0 - LEAST_PSNR)
    if lost < LEAST_PSNR:
        found.append(f"PSNR {lost:+.1f} dB")
    return found


def table(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The rows as they are shown: input → output."""
    heads = {"lpips": "LPIPS", "psnr": "PSNR dB", "ssim": "SSIM", "mobile": "MobileFaceNet"}
    return [
        {
            "face px": r["face_px"],
            "damage": r["damage"],
            **{
                heads.get(key, key): f"{r['output'][key]:.{digits}f}"
                if key == "stray"
                else f"{r['input'][key]:.{digits}f} → {r['output'][key]:.{digits}f}"
                for key, digits in FIGURES.items()
            },
            "harm": ", ".join(r["harm"]) or "–",
        }
        for r in rows
    ]


def save_sheet(path: Path, rows: Sequence[Sequence[Pixels8]]) -> None:
    """Input, output and truth of faces at 100 %."""
    sheet = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=8, help="faces of every size")
    parser.add_argument("--model", default=None)
    parser.add_argument("--option", action="append", default=[], help="NAME=VALUE of gpen.Settings")
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--damages", nargs="*", default=list(DAMAGES))
    parser.add_argument("--sheets", type=Path, help="a folder for sheets; do not publish them")
    parser.add_argument("--name", default="harm", help="of the results")
    options = parser.parse_args()
    settings: dict[str, Any] = dict(pair.split("=", 1) for pair in options.option)
    if options.model:
        settings["model"] = options.model
    restorer, measures = gpen.Restorer(**settings), Measures(SHARED / "models")
    held = held_out(SHARED / "faces")[: options.faces]
    rows = []
    for face_px in options.sizes:
        photos = build(held, SHARED / "faces", face_px, SIZES[face_px])
        for damage in options.damages:
            if not applies(damage, face_px):
                continue
            figures, seen = measure(photos, damage, face_px, restorer, measures)
            rows.append(row(face_px, damage, figures))
            print(table(rows[-1:])[0], flush=True)
            if options.sheets:
                options.sheets.mkdir(parents=True, exist_ok=True)
                save_sheet(options.sheets / f"{face_px}-{damage}.png", seen)
    write_results(
        options.name, {"machine": machine(), "settings": settings, "rows": rows}, table(rows)
    )
    harmful = [
        f"{r['face_px']} px {r['damage']}: {', '.join(r['harm'])}" for r in rows if r["harm"]
    ]
    print(f"{len(harmful)} of {len(rows)} rows show harm", *harmful, sep="\n")


if __name__ == "__main__":
    main()
