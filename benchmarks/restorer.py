"""How well a restorer restores the held-out faces, beside bicubic enlargement.

    python benchmarks/restorer.py [--model gpen-default-256] [--sheet sheet.png]

The crops of `val` are damaged by the published recipe, restored by the engine that a user gets,
and compared with the truth: PSNR and SSIM (11 × 11 Gaussian windows of the luma) in the picture,
LPIPS-squeeze (Caffe weights), which the default model was trained on and which therefore says less
about it, and identity, the cosine of MobileFaceNet embeddings, which it was not trained on.
The half that is damaged more, by its LPIPS, is given apart.
The sheet shows 24 damaged, restored and true faces; it holds photos that must not be published.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from gpen.engines import open_engine
from gpen.restoration import restore_crops
from gpen.training.degradation import shrink_and_damage
from gpen.perception.lpips import PerceptualDistance
from gpen.training.restorer import crop_rows, load_crops
from gpen.training.tensors import to_tensor
from gpen.weights import find_model
from gpen.perception.mobilefacenet import MobileFaceNet
from report import machine, write_results

Images = NDArray[np.uint8]  # RGB (N, S, S, 3)


def psnr(images: Images, truth: Images) -> NDArray[np.float64]:
    """Of each image, in dB of 8-bit levels."""
    error = (images.astype(np.float64) - truth) ** 2
    result: NDArray[np.float64] = 10 * np.log10(255**2 / error.mean(axis=(1, 2, 3)))
    return result


def ssim(image: Images, truth: Images) -> float:
    """Structural similarity of two luma images (Wang et al., 2004)."""
    x, y = (cv2.cvtColor(i, cv2.COLOR_RGB2GRAY).astype(np.float64) for i in (image, truth))

    def mean(values: Any) -> Any:
        return cv2.GaussianBlur(values, (11, 11), 1.5)

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float(
        np.mean((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    )


@torch.inference_mode()
def distances(distance: PerceptualDistance, images: Images, truth: Images) -> NDArray[np.float32]:
    """Perceptual distance of each image to its truth."""
    parts = [
        distance(to_tensor(images[i : i + 16]), to_tensor(truth[i : i + 16]))
        for i in range(0, len(images), 16)
    ]
    result: NDArray[np.float32] = torch.cat(parts).numpy()
    return result


def damage_all(truth: Images) -> dict[str, Images]:
    """The damaged faces as the network gets them, enlarged bicubically, and their truth."""
    size = truth.shape[1]
    images: dict[str, list[Any]] = {"network input": [], "bicubic": [], "truth": []}
    for i, face in enumerate(truth):
        small, true = shrink_and_damage(face, np.random.default_rng((7, i)))
        images["network input"].append(cv2.resize(small, (size, size)))
        images["bicubic"].append(cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC))
        images["truth"].append(true)
    return {name: np.stack(values) for name, values in images.items()}


def write_sheet(path: Path, columns: list[Images], rows: int = 24) -> None:
    """Faces side by side: one triple per row, in three columns of triples."""
    chosen = np.linspace(0, len(columns[0]) - 1, rows).astype(int)
    triples = [np.hstack([column[i] for column in columns]) for i in chosen]
    lines = [np.hstack(triples[i : i + 3]) for i in range(0, rows, 3)]
    cv2.imwrite(str(path), np.vstack(lines)[..., ::-1])


def summary(
    scores: dict[str, dict[str, NDArray[Any]]], chosen: NDArray[np.bool_], faces: str
) -> list[dict[str, Any]]:
    """One row per kind of image: the mean of each score over the chosen faces."""
    return [
        {"faces": faces, "image": name}
        | {score: round(float(values[chosen].mean()), 4) for score, values in row.items()}
        for name, row in scores.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="gpen-default-256", help="name or path")
    parser.add_argument("--faces", type=Path, default=Path("../shared/faces"))
    parser.add_argument("--metrics", type=Path, default=Path("../shared/models"))
    parser.add_argument("--sheet", type=Path, help="PNG to write, outside the project")
    options = parser.parse_args()
    engine = open_engine(find_model(options.model))
    truth, _ = load_crops(options.faces, "val", engine.size)
    rows = crop_rows(options.faces, "val")
    points_xy = np.array([np.array(r["points_xy"]) * engine.size / r["size"] for r in rows])
    images = damage_all(truth)
    truth = images.pop("truth")
    started = time.perf_counter()
    restored = restore_crops(list(images["network input"]), engine)
    seconds = (time.perf_counter() - started) / len(truth)
    images[options.model] = np.stack([np.asarray(image, np.uint8) for image in restored])
    distance = PerceptualDistance(
        options.metrics / "squeezenet1_1.safetensors", options.metrics / "lpips_v0.1_squeeze.pth"
    )
    faces = MobileFaceNet(options.metrics / "eval_only/mobilefacenet_casia_068.ckpt")
    true_identities = faces.identities(truth, points_xy)
    scores = {
        name: {
            "PSNR dB": psnr(values, truth),
            "SSIM": np.array(list(map(ssim, values, truth))),
            "LPIPS-squeeze (trained on)": distances(distance, values, truth),
            "identity": (faces.identities(values, points_xy) * true_identities).sum(axis=1),
        }
        for name, values in images.items()
    }
    damage = scores["network input"]["LPIPS-squeeze (trained on)"]
    table = summary(scores, np.ones(len(truth), bool), "all")
    table += summary(scores, damage > np.median(damage), "more damaged half")
    if options.sheet:
        write_sheet(options.sheet, [images["network input"], images[options.model], truth])
    data = {
        "machine": machine(),
        "crops": len(truth),
        "size": engine.size,
        "engine": f"{engine.name} {engine.precision}",
        "seconds_per_crop": round(seconds, 4),
        "rows": table,
    }
    write_results("restorer", data, table)


if __name__ == "__main__":
    main()
