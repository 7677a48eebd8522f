"""The command: `python -m tools.detector --help`."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch

from gpen.faces.detectors.gpen_detector import PROPOSAL_FILE, GpenDetector
from gpen.faces.detectors.refiner import REFINEMENT_FILE
from gpen.networks.detector import ProposalNetwork, RefinementNetwork

from . import __doc__ as description
from .batches import MISTAKE_THRESHOLD, mine_mistakes, proposal_batch, refinement_batch
from .export import export_onnx
from .judged import face_scenes, faceless_scenes, fit, joined, judge
from .loop import Recipe, Run
from .photos import as_picture, load_photos
from .targets import proposal_loss, refinement_loss

Net = TypeVar("Net", bound=ProposalNetwork | RefinementNetwork)

log = logging.getLogger("gpen")


def _load(run: Path, net: Net) -> Net:
    """The averaged network of a run."""
    state = torch.load(run / "last.pt", weights_only=True)
    net.load_state_dict(state["average"])
    return net


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one part of the training."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(options.seed)
    runs: Path = options.runs
    if options.part == "export":
        options.out.mkdir(parents=True, exist_ok=True)
        export_onnx(_load(runs / "finder", ProposalNetwork()), options.out / PROPOSAL_FILE)
        export_onnx(_load(runs / "refiner", RefinementNetwork()), options.out / REFINEMENT_FILE)
        return
    photos = load_photos(options.faces, "train", options.cache)
    if options.part == "fit":
        detector = GpenDetector(*(options.out / name for name in (PROPOSAL_FILE, REFINEMENT_FILE)))
        others = [
            as_picture(as_picture(cv2.imread(str(file)))[..., ::-1])
            for file in sorted(options.faceless.iterdir() if options.faceless else ())
        ]
        rng = np.random.default_rng(options.seed)
        faces = judge(detector, face_scenes(rng, photos, options.scenes))
        none = judge(detector, faceless_scenes(rng, photos, others, options.scenes))
        log.info("%d faces and %d others", len(faces.is_face), len(none.is_face))
        log.info("WEIGHTS: %s", fit(joined(faces, none)).round(3).tolist())
        return
    if options.part == "mine":
        files = (options.out / name for name in (PROPOSAL_FILE, REFINEMENT_FILE))
        detector = GpenDetector(*files, threshold=MISTAKE_THRESHOLD)
        seed = options.seed + 1000
        found = mine_mistakes(detector, photos, count=options.scenes, seed=seed)
        log.info("%d mistakes in %d scenes", len(found), options.scenes)
        mined = runs / "mistakes.npy"
        if mined.exists():
            found = np.concatenate([np.load(mined), found])
        np.save(mined, found)
        return
    recipe = Recipe(
        steps=options.steps,
        batch=options.batch,
        rate=options.rate,
        seed=options.seed,
        bf16=not options.f32,
    )
    held_out = load_photos(options.faces, "val", options.cache)
    if options.part == "finder":
        run = Run(runs / "finder", ProposalNetwork(), recipe)
        run.train(lambda rng: proposal_batch(rng, photos, recipe), proposal_loss)
        run.check(lambda rng: proposal_batch(rng, held_out, recipe), proposal_loss)
        return
    mined = runs / "mistakes.npy"
    mistakes = list(np.load(mined)) if mined.exists() else []
    run = Run(runs / "refiner", RefinementNetwork(), recipe)
    run.train(lambda rng: refinement_batch(rng, photos, recipe, mistakes), refinement_loss)
    run.check(lambda rng: refinement_batch(rng, held_out, recipe), refinement_loss)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.detector",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("part", choices=("finder", "mine", "refiner", "export", "fit"))
    parser.add_argument("--faces", type=Path, help="folder with photos/ and photos.jsonl")
    parser.add_argument("--runs", type=Path, required=True, help="folder for checkpoints and logs")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the ONNX files")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(os.environ.get("TMPDIR", "/tmp"), "gpen-detector"),  # noqa: S108
        help="folder for decoded photos, about 2 GB",
    )
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scenes", type=int, default=4000, help="to search or to fit on")
    parser.add_argument("--faceless", type=Path, help="folder of images without faces, for fit")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--f32", action="store_true", help="do not compute in bfloat16")
    return parser


if __name__ == "__main__":
    main()
