"""What travels from the loader to the other nodes, and to those of other packs."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

import gpen


class FaceModel:
    """gpen's networks in the form of a FACERESTORE_MODEL.

    The face-restore nodes of other packs call it like a torch module:
    `model(x, w=0.5)[0]`, x a face of (1, 3, 512, 512) RGB in [-1, 1]. It answers at the size that
    it was asked at, whatever size the network has.
    """

    def __init__(self, restorer: gpen.Restorer) -> None:
        """Wrap a restorer; its networks are opened on first use."""
        self._restorer = restorer

    def detect(self, pixels: Any) -> list[gpen.Face]:
        """Find faces, largest first; opens the detector only."""
        return self._restorer.detect(gpen.Image(pixels))

    def restorer(self, **options: Any) -> gpen.Restorer:
        """A restorer on the same networks with other settings of the image.

        Raises:
            GpenError: A setting means nothing, or a network cannot be opened.
        """
        restorer = self._restorer.with_(**options)
        restorer.load()
        return restorer

    def __call__(self, x: torch.Tensor, w: float | None = None, **_: Any) -> tuple[torch.Tensor]:
        """Restore aligned faces.

        Args:
            x: (N, 3, S, S) RGB in [-1, 1], on any device, of any float type.
            w: CodeFormer's fidelity, which GPEN has not.

        Returns:
            One tensor like x.
        """
        del w
        engine = self._restorer.engine
        faces = _resized(x.detach().float().cpu(), (engine.in_size, engine.in_size)).clamp(-1, 1)
        answer = torch.from_numpy(engine.run(faces.numpy())).clamp(-1, 1)
        return (_resized(answer, tuple(x.shape[-2:])).clamp(-1, 1).to(x.device, x.dtype),)

    def to(self, *_: Any, **__: Any) -> FaceModel:
        """Stays where the loader put it."""
        return self

    def eval(self) -> FaceModel:
        """Is made for nothing else."""
        return self


def _resized(x: torch.Tensor, size_hw: tuple[int, ...]) -> torch.Tensor:
    if tuple(x.shape[-2:]) == size_hw:
        return x
    return functional.interpolate(x, size_hw, mode="bicubic", antialias=True, align_corners=False)
