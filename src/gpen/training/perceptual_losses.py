"""The networks that a config's losses need, all opened before the first step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from ..errors import ConfigError, TrainingError, WeightsError
from ..models import find_model
from ..perceptual.identity_distance import IdentityDistance
from ..perceptual.lpips import Lpips
from ..perceptual.vgg_distance import VggDistance
from ..settings import DEFAULT_EMBEDDING
from .config import Config
from .config_sections import Files, Loss

_T = TypeVar("_T")
#: Restored and true images → one value for each image.
Distance = Callable[[Tensor, Tensor], Tensor]


class PerceptualLosses:
    """Opened networks.

    Attributes:
        perceptual: VGG-19 distance, or None.
        lpips: LPIPS, or None.
        identity: Distance of face embeddings, or None.
    """

    def __init__(
        self,
        perceptual: VggDistance | None = None,
        lpips: Lpips | None = None,
        identity: IdentityDistance | None = None,
    ) -> None:
        self.perceptual, self.lpips, self.identity = perceptual, lpips, identity

    def features(self, images: Tensor) -> list[Tensor]:
        """Frozen features of LPIPS's network, the last of each resolution."""
        if self.lpips is None:
            return []
        found = self.lpips.features(images)
        last = {x.shape[-1]: x for x in found}
        return list(last.values())

    def feature_widths(self) -> list[int]:
        """Channels of each of `features`."""
        if self.lpips is None:
            return []
        device = next(self.lpips.parameters()).device
        with torch.no_grad():
            return [x.shape[1] for x in self.features(torch.zeros(1, 3, 64, 64, device=device))]

    def distances(self, loss: Loss) -> Iterator[tuple[str, Distance]]:
        """The distances with a weight that may compare any part of a face, by name of the loss."""
        if loss.perceptual and self.perceptual is not None:
            yield "perceptual", self.perceptual
        if loss.lpips and self.lpips is not None:
            yield "lpips", self.lpips


def open_perceptual_losses(config: Config, device: torch.device) -> PerceptualLosses:
    """Open the networks that the losses of all stages need, and LPIPS where its files are given.

    Raises:
        ConfigError: Files are missing or unsuitable; names all of them.
    """
    starts, losses = 0, [config.loss]
    for stage in config.stages:
        losses.append(config.loss_at(starts))
        starts += stage.steps
    problems: list[str] = []
    files = config.files
    perceptual_losses = PerceptualLosses(
        _open(problems, _wanted(losses, "perceptual"), lambda: VggDistance(_file(files, "vgg19"))),
        _open(
            problems,
            _wanted(losses, "lpips") or bool(files.lpips_backbone),
            lambda: Lpips(_file(files, "lpips_backbone"), _file(files, "lpips_heads")),
        ),
        _open(
            problems,
            _wanted(losses, "identity"),
            lambda: IdentityDistance(
                _file(files, "identity")
                if files.identity
                else find_model(DEFAULT_EMBEDDING, role="identity").path
            ),
        ),
    )
    if problems:
        raise ConfigError("; ".join(problems), key="files")
    for judge in (
        perceptual_losses.perceptual,
        perceptual_losses.lpips,
        perceptual_losses.identity,
    ):
        if judge is not None:
            judge.to(device).requires_grad_(requires_grad=False)
            if config.compile:
                judge.compile()
    return perceptual_losses


def _wanted(losses: list[Loss], name: str) -> bool:
    return any(getattr(loss, name) for loss in losses)


_NEEDS = {
    "vgg19": "loss.perceptual needs VGG-19 of torchvision (vgg19-dcbb9e9d.pth)",
    "lpips_backbone": "loss.lpips needs SqueezeNet 1.1, AlexNet or VGG-16 weights",
    "lpips_heads": "loss.lpips needs the LPIPS v0.1 heads of that backbone (its squeeze.pth, "
    "alex.pth or vgg.pth)",
    "identity": "loss.identity needs dlib's embedding .onnx, IR-SE50 (model_ir_se50.pth), "
    "MobileFaceNet or ArcFace .onnx",
}


def _file(files: Files, name: str) -> Path:
    """The file that a setting names.

    Raises:
        TrainingError: It is empty, or there is no such file.
    """
    value = getattr(files, name)
    if not value:
        raise TrainingError(f"{_NEEDS[name]}: set files.{name} to its path")
    path = Path(value).expanduser()
    if not path.is_file():
        raise TrainingError(f"{_NEEDS[name]}: there is no file {path}; set files.{name}")
    return path


def _open(problems: list[str], wanted: bool, opened: Callable[[], _T]) -> _T | None:
    """The result of `opened` if it is wanted; its errors are added to the problems."""
    if not wanted:
        return None
    try:
        return opened()
    except (TrainingError, WeightsError) as error:
        problems.append(str(error))
        return None
