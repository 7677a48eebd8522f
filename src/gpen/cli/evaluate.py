"""`gpen evaluate`: measures restored faces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpen.errors import ReadError, SettingsError

from .option_parameters import with_options

if TYPE_CHECKING:
    from gpen.metrics.evaluation_tasks import Damage, SampleMaker, Task
    from gpen.metrics.metric_files import MetricFiles
    from gpen.metrics.registry import MetricNetworks

EPILOG = """
**Examples**

`gpen evaluate restored/ --truth clean/` — pairs by name, with or without `_gpen`

`gpen evaluate damaged/ --truth clean/ --model gpen-default-256 --model GPEN-BFR-512`

`gpen evaluate clean/ --degrade mild --degrade hard --model gpen-default-256 --sheet sheet.png`

`gpen evaluate restored/ --damaged old/ --reference portraits/ --metrics-dir metrics/ --json a.json`
"""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where images come from; see the options of the same names."""

    images: Path
    truth: Path | None
    damaged: Path | None
    reference: Path | None
    degrade: tuple[str, ...]
    models: tuple[str, ...]


@with_options("detector", "models_dir", "engine", "device", "precision")
def evaluate(
    images: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGES",
            help="Aligned faces: restored; with --model damaged; with --degrade true.",
        ),
    ],
    truth: Annotated[
        Path | None, typer.Option(help="The true faces, with the same names.", show_default=False)
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Weights to restore with, by name or path; repeat it to compare."),
    ] = None,
    degrade: Annotated[
        list[str] | None,
        typer.Option(
            help="Damage the images first: mild (×2), medium (×4), hard (×8, noise, JPEG), or a "
            "training recipe: published, gfpgan, codeformer, real, tiny, none, resized, soft, "
            "phone, web, video. Repeat it for more.",
        ),
    ] = None,
    damaged: Annotated[
        Path | None,
        typer.Option(help="The damaged faces that IMAGES were restored from.", show_default=False),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Reference faces for FID and KID; default: the truth.", show_default=False
        ),
    ] = None,
    bicubic: Annotated[
        bool, typer.Option(help="Measure the damaged image too, enlarged bicubically.")
    ] = True,
    size: Annotated[
        int, typer.Option(min=0, max=4096, help="Side of degraded faces; 0 for the first model's.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of --degrade.")] = 0,
    groups: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="CSV of file,group; reports means per group."),
    ] = None,
    lpips_backbone: Annotated[
        Path | None, typer.Option(metavar="FILE", help="SqueezeNet 1.1, AlexNet or VGG-16.")
    ] = None,
    lpips_heads: Annotated[
        Path | None, typer.Option(metavar="FILE", help="LPIPS v0.1 heads for that backbone.")
    ] = None,
    identity: Annotated[
        Path | None, typer.Option(metavar="FILE", help="IR-SE50, MobileFaceNet or ArcFace ONNX.")
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="For FID and KID: RetinaFace, or image → vector ONNX."),
    ] = None,
    metrics_dir: Annotated[
        Path | None, typer.Option(help="Folder to look for these four files in.")
    ] = None,
    json_: Annotated[
        Path | None, typer.Option("--json", metavar="FILE.json", help="Write all figures.")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Write a comparison sheet.")
    ] = None,
    sheet_rows: Annotated[int, typer.Option(min=1, help="Number of faces on the sheet.")] = 12,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the JSON file and the sheet.")
    ] = False,
    **options: Any,
) -> None:
    """Measure restored faces: PSNR, SSIM, LPIPS, identity, landmarks, recall, FID and KID."""
    sources = Sources(images, truth, damaged, reference, tuple(degrade or ()), tuple(model or ()))
    _check_sources(sources)
    from gpen.metrics.image_pairs import read_groups
    from gpen.metrics.metric_files import MetricFiles

    from .evaluation_report import Output, check_outputs, measure

    members = read_groups(groups) if groups is not None else {}
    output = Output(json_, sheet, sheet_rows, members, overwrite)
    check_outputs(output)
    tasks, alone = plan(sources)
    detector, models_dir = options.pop("detector"), options.pop("models_dir")
    sample_maker = _sample_maker(
        sources, models_dir, options, bicubic=bicubic, size=size, seed=seed
    )
    metric_networks = _metric_networks(
        MetricFiles(lpips_backbone, lpips_heads, identity, features),
        metrics_dir,
        detector,
        models_dir,
    )
    raise typer.Exit(measure(tasks, alone, sample_maker, metric_networks, reference, output))


def _check_sources(sources: Sources) -> None:
    """Refuse options that contradict each other.

    Raises:
        SettingsError: Names both.
    """
    if sources.degrade and (sources.truth or sources.damaged):
        raise SettingsError(
            "--degrade damages IMAGES, which are the truth: leave --truth and --damaged out"
        )
    if sources.models and sources.damaged:
        raise SettingsError("with --model IMAGES are the damaged faces: leave --damaged out")


def plan(sources: Sources) -> tuple[list[Task], list[Path]]:
    """The faces to measure, and the files that have no counterpart.

    Raises:
        ReadError: A folder holds no photos, or no two match.
        SettingsError: Two photos of a folder have the same stem.
    """
    from gpen.metrics.evaluation_tasks import Task
    from gpen.metrics.image_pairs import list_images, match

    if sources.degrade:
        faces = list_images(sources.images)
        return [
            Task(name, index, truth=path, damage=damage)
            for damage in sources.degrade
            for index, (name, path) in enumerate(faces.items())
        ], []
    alone: list[Path] = []
    truths: dict[str, Path] = {}
    if sources.truth is not None:
        matches = match(sources.images, sources.truth)
        alone += matches.alone
        faces = {stem: pair[0] for stem, pair in matches.pairs.items()}
        truths = {stem: pair[1] for stem, pair in matches.pairs.items()}
    else:
        faces = list_images(sources.images)
    inputs: dict[str, Path] = {}
    if sources.damaged is not None:
        inputs = list_images(sources.damaged)
        alone += [path for stem, path in faces.items() if stem not in inputs]
        faces = {stem: path for stem, path in faces.items() if stem in inputs}
        if not faces:
            raise ReadError(
                f"no photo of {sources.images} has the name of one in {sources.damaged}",
                path=sources.images,
            )
    role = "damaged" if sources.models else "restored"
    tasks = []
    for index, (stem, path) in enumerate(faces.items()):
        files: dict[str, Any] = {"truth": truths.get(stem), "damaged": inputs.get(stem)}
        tasks.append(Task(stem, index, **files | {role: path}))
    return tasks, alone


def _sample_maker(
    sources: Sources,
    models_dir: Path | None,
    options: dict[str, Any],
    *,
    bicubic: bool,
    size: int,
    seed: int,
) -> SampleMaker:
    """What makes the images; models are opened here, so that a bad one fails at once.

    Raises:
        SettingsError: A damage has no such name.
        WeightsError: A model cannot be found or used.
        EngineError: It cannot run.
    """
    from gpen.engines import open_engine
    from gpen.metrics.evaluation_tasks import SampleMaker, column_names
    from gpen.models import find_model

    damages = {name: _damage(name, seed) for name in sources.degrade}
    found = [find_model(name, models_dir) for name in sources.models]
    names = column_names(sources.models)
    engines = {name: open_engine(info, **options) for name, info in zip(names, found, strict=True)}
    side = size or next((engine.size for engine in engines.values()), 256)
    column = sources.images.resolve().name
    return SampleMaker(engines, damages, bicubic, column, side)


def _damage(name: str, seed: int) -> Damage:
    """A severity, or a recipe of the training.

    Raises:
        SettingsError: There is none of that name.
    """
    import numpy as np

    from gpen.metrics.severities import SEVERITIES, UInt8Array, severity_damage
    from gpen.training.degradation import PRESETS, recipe, shrink_and_damage

    if severity := SEVERITIES.get(name):
        return severity_damage(severity, seed)
    if name not in PRESETS:
        raise SettingsError(
            f"degrade is {name!r}; expected one of {', '.join((*SEVERITIES, *PRESETS))}"
        )
    drawn = recipe([name], light=0.0, grey=-1.0)

    def draw(face: UInt8Array, index: int) -> tuple[UInt8Array, UInt8Array]:
        return shrink_and_damage(face, np.random.default_rng((seed, index)), drawn)

    return draw


def _metric_networks(
    files: MetricFiles, metrics_dir: Path | None, detector: str, models_dir: Path | None
) -> MetricNetworks:
    """The metrics with the networks that are at hand.

    Raises:
        WeightsError: A file is unreadable or something else.
        TrainingError: A file is no network that gpen knows.
    """
    from gpen.faces.detection import load_detector
    from gpen.metrics.metric_files import find_metric_files
    from gpen.metrics.registry import MetricNetworks

    if metrics_dir is not None:
        files = find_metric_files(metrics_dir, files)
    return MetricNetworks(files, load_detector(detector, models_dir=models_dir))
