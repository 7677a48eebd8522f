"""How well a restorer restores the held-out faces, beside bicubic enlargement and its predecessor.

    python benchmarks/restorer.py [--previous OLD.safetensors] [--sheet sheet.png]
    python benchmarks/restorer.py --old ../shared/faces/crops/old --sheet old.png

All crops of `val` are damaged at the three severities of `gpen.metrics.severities` and restored
by the engine that a user gets. The default model was trained with LPIPS-squeeze (Caffe weights),
which therefore says less about it; it was trained with neither MobileFaceNet (identity) nor the
RetinaFace that finds the five points and whose features FID and KID compare. On the hard faces,
enlarged bicubically, that detector misses 10 of 213 where YuNet misses 21.

Groups are the sources of `crops.jsonl`, "grey", and those of `benchmarks/groups.csv`; in brackets
stands how bicubic's figure differs from its mean. Sheets hold photos that must not be published.
`--old` draws real old portraits, for which there is no truth.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gpen.engines import Engine, open_engine
from gpen.faces.detection import load_detector
from gpen.images.transforms import resize
from gpen.metrics.comparison import Comparison
from gpen.metrics.comparison_sheet import ImageArray, draw_sheet, spread
from gpen.metrics.evaluation_tasks import BICUBIC, SampleMaker, Task, restore_face
from gpen.metrics.image_pairs import list_images, read_groups, read_pixels
from gpen.metrics.metric_files import find_metric_files
from gpen.metrics.registry import MetricNetworks
from gpen.metrics.severities import SEVERITIES, severity_damage
from gpen.models import find_model
from report import machine, write_results, write_table

#: What the damage and its noise are drawn from.
SEED = 0
SIZE = 256
SHEET_ROWS, SHEET_BLOCKS = 24, 3
DETECTOR = "retinaface_mobilenet0.25.pth"
GROUPS = Path(__file__).parent / "groups.csv"


def engines(options: argparse.Namespace) -> dict[str, Engine]:
    """The previous default, where it is given, and the model, by the names of their columns."""
    names = {"previous default": options.previous} if options.previous else {}
    names[Path(options.model).stem] = options.model
    return {name: open_engine(find_model(model)) for name, model in names.items()}


def crop_rows(faces: Path) -> list[dict[str, Any]]:
    """The lines of `crops.jsonl` about `val`, in its order."""
    rows = [json.loads(line) for line in (faces / "crops.jsonl").read_text().splitlines()]
    return [row for row in rows if "/val/" in row["file"]]


def members(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Groups of every face, by stem."""
    labels = read_groups(GROUPS)
    result = {}
    for row in rows:
        stem = Path(row["file"]).stem
        grey = ["grey"] if row["grey"] else []
        result[stem] = [f"source {row['source']}", *grey, *labels.get(stem, [])]
    return result


def compare(
    rows: Sequence[Mapping[str, Any]],
    sample_maker: SampleMaker,
    metric_networks: MetricNetworks,
    faces: Path,
) -> tuple[Comparison, list[dict[str, ImageArray]]]:
    """Measure every face at every severity; also rows for a sheet."""
    comparison, sheet = Comparison(metric_networks), []
    drawn = spread(len(rows), SHEET_ROWS // len(SEVERITIES))
    for damage in SEVERITIES:
        for index, row in enumerate(rows):
            path = faces / row["file"]
            made = sample_maker.make(Task(path.stem, index, truth=path, damage=damage))
            assert made.truth is not None
            comparison.add(path.stem, made.columns, truth=made.truth, damage=damage)
            if index in drawn:
                sheet.append(dict(made.columns) | {"truth": made.truth})
        print(f"{damage}: {len(rows)} faces", flush=True)
    return comparison, sheet


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The table of figures."""
    return [
        {
            "damage": row["damage"],
            "image": row["image"],
            "PSNR dB": f"{row['psnr']:.2f}",
            "SSIM": f"{row['ssim']:.4f}",
            "LPIPS-squeeze (trained on)": f"{row['lpips']:.4f}",
            "identity": f"{row['identity']:.4f}",
            "landmark error %": f"{row['landmarks']:.2f}",
            "not found": row["misses"],
            "FID": f"{row['fid']:.3f}",
            "KID": f"{row['kid']:.4f}",
        }
        for row in rows
    ]


def ratios(comparison: Comparison) -> list[dict[str, Any]]:
    """Each distance as a share of bicubic's: below 1 is nearer to the truth.

    Landmark errors are compared over the faces that were found in both images.
    """
    rows = {(row["damage"], row["image"]): row for row in comparison.rows()}
    result = []
    for (damage, image), row in rows.items():
        if image == BICUBIC:
            continue
        base = rows[damage, BICUBIC]
        pairs = zip(
            comparison.columns[damage, image].scores,
            comparison.columns[damage, BICUBIC].scores,
            strict=True,
        )
        errors = np.array([(a["landmarks"], b["landmarks"]) for a, b in pairs])
        own, other = errors[np.isfinite(errors).all(axis=1)].mean(axis=0)
        result.append(
            {
                "damage": damage,
                "image": image,
                "PSNR gain dB": round(row["psnr"] - base["psnr"], 2),
                "LPIPS (trained on)": round(row["lpips"] / base["lpips"], 3),
                "identity distance": round((1 - row["identity"]) / (1 - base["identity"]), 3),
                "landmark error": round(own / other, 3),
                "FID": round(row["fid"] / base["fid"], 3),
            }
        )
    return result


def by_group(
    comparison: Comparison, groups: Mapping[str, list[str]], model: str
) -> list[dict[str, Any]]:
    """A model's distances in each group at medium and hard, and how they differ from its mean.

    Bicubic's difference stands in brackets: it says how much harder the faces themselves are.
    """
    means = {(row["damage"], row["image"]): row for row in comparison.rows()}
    rows = comparison.group_rows(groups)
    table = []
    for row in rows:
        if row["image"] != model or row["damage"] == "mild":
            continue
        base = next(
            r
            for r in rows
            if r["image"] == BICUBIC and all(r[key] == row[key] for key in ("damage", "group"))
        )
        cells = {key: row[key] for key in ("damage", "group", "faces")}
        for title, key in (
            ("LPIPS", "lpips"),
            ("identity distance", "identity"),
            ("landmark error %", "landmarks"),
        ):
            more, harder = (
                100 * _distance(part, key) / _distance(means[part["damage"], part["image"]], key)
                - 100
                for part in (row, base)
            )
            cells[title] = f"{_distance(row, key):.3f}: {more:+.0f} % ({harder:+.0f} %)"
        table.append(cells)
    return table


def _distance(row: Mapping[str, Any], key: str) -> float:
    value = math.nan if row[key] is None else float(row[key])
    return 1 - value if key == "identity" else value


def seconds_per_face(engine: Engine, runs: int = 16) -> float:
    """Median time to restore one face."""
    face = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        restore_face(face, engine, "noise")
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))


def old_portraits(folder: Path, models: Mapping[str, Engine]) -> list[dict[str, ImageArray]]:
    """Real old portraits as they are, and restored."""
    images = list(list_images(folder).values())
    rows = []
    for index in spread(len(images), SHEET_ROWS):
        face = np.asarray(resize(read_pixels(images[index]), (SIZE, SIZE)), np.uint8)
        restored = {name: restore_face(face, engine, "face") for name, engine in models.items()}
        rows.append({"input": face} | restored)
    return rows


def save(rows: Sequence[Mapping[str, ImageArray]], path: Path) -> None:
    """Write a sheet of faces in three blocks; the previous one is replaced."""
    length = -(-len(rows) // SHEET_BLOCKS)
    padded = [*rows, *[{} for _ in range(length * SHEET_BLOCKS - len(rows))]]
    blocks = [padded[i : i + length] for i in range(0, len(padded), length)]
    sheet = np.hstack([draw_sheet(block) for block in blocks if block[0]])
    cv2.imwrite(str(path), sheet[..., ::-1])
    print(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="gpen-default-256", help="name or path")
    parser.add_argument("--previous", type=Path, help="weights of the default before")
    parser.add_argument("--faces", type=Path, default=Path("../shared/faces"))
    parser.add_argument("--metrics", type=Path, default=Path("../shared/models"))
    parser.add_argument("--every", type=int, default=1, help="measure every n-th face only")
    parser.add_argument("--sheet", type=Path, help="PNG to write, outside the project")
    parser.add_argument("--old", type=Path, help="draw the sheet of this folder, measure nothing")
    options = parser.parse_args()
    models = engines(options)
    if options.old:
        save(old_portraits(options.old, models), options.sheet or Path("old.png"))
        return
    metric_networks = MetricNetworks(
        find_metric_files(options.metrics), load_detector(options.metrics / DETECTOR)
    )
    rows = crop_rows(options.faces)[:: options.every]
    damages = {name: severity_damage(severity, SEED) for name, severity in SEVERITIES.items()}
    sample_maker = SampleMaker(models, damages, bicubic=True, column="", size=SIZE)
    comparison, sheet = compare(rows, sample_maker, metric_networks, options.faces)
    if options.sheet:
        save(sheet, options.sheet)
    name, engine = list(models.items())[-1]
    table, goals = summary(comparison.rows()), ratios(comparison)
    groups = by_group(comparison, members(rows), name)
    data = {
        "machine": machine(),
        "faces": len(rows),
        "size": SIZE,
        "seed": SEED,
        "engine": f"{engine.name} {engine.precision}",
        "seconds_per_face": round(seconds_per_face(engine), 4),
        "networks": metric_networks.networks,
        "rows": comparison.rows(),
        "of_bicubic": goals,
        "groups": groups,
    }
    write_results("restorer", data, table)
    write_table("restorer-of-bicubic", goals)
    write_table("restorer-groups", groups)


if __name__ == "__main__":
    main()
