"""The log of a run: JSON lines, TensorBoard, and sheets of sample images."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import WriteError
from ..files import written_whole
from .runs import LOG


class Means:
    """Means of figures over the steps of an interval, each over the steps that had it.

    Regularisers run every few steps only; a line about a single step would miss them.

    Args:
        sums: The result of `sums`, to go on with an interval; None begins a new one.
    """

    def __init__(self, sums: Mapping[str, tuple[float, int]] | None = None) -> None:
        self._sums = dict(sums or {})

    def add(self, figures: Mapping[str, float]) -> None:
        """Take the figures of one more step."""
        for name, value in figures.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = total + value, count + 1

    def figures(self) -> dict[str, float]:
        """The means so far, by name."""
        return {name: total / count for name, (total, count) in self._sums.items()}

    def sums(self) -> dict[str, tuple[float, int]]:
        """The sum of each figure, and the number of steps in it."""
        return dict(self._sums)


class Log:
    """The log of a run; only the first process writes one.

    Args:
        run: The run's folder.
        step: Steps done; later lines, written before a crash, are dropped.
    """

    def __init__(self, run: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._path = run / LOG
        self._samples = run / "samples"
        kept = [line for line in self._lines() if line["step"] <= step]
        with written_whole(self._path) as temporary:
            text = "".join(f"{json.dumps(line)}\n" for line in kept)
            temporary.write_text(text, encoding="utf-8")
        self._board = SummaryWriter(str(run / "tensorboard"), purge_step=step + 1)

    def add(self, kind: str, step: int, values: dict[str, Any]) -> None:
        """One line of figures; `kind` is "train", "val" or "event"."""
        rounded = {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in values.items()}
        line = json.dumps({"kind": kind, "step": step, **rounded})
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
        except OSError as error:
            raise WriteError(
                f"cannot write {self._path} ({error.strerror}): free some space and start again "
                "with --resume",
                path=self._path,
            ) from error
        for name, value in values.items():
            if isinstance(value, (int, float)):
                self._board.add_scalar(f"{kind}/{name}", value, step)

    def entries(self, kind: str) -> list[dict[str, Any]]:
        """Lines of a kind, oldest first."""
        return [line for line in self._lines() if line["kind"] == kind]

    def _lines(self) -> list[dict[str, Any]]:
        """All complete lines; a power cut may leave half a line at the end."""
        if not self._path.exists():
            return []
        found = []
        for line in self._path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                found.append(json.loads(line))
        return found

    def add_sheet(self, step: int, rows: list[Tensor]) -> None:
        """Images (N, 3, S, S) in [-1, 1], a row for each tensor."""
        sheet = image_sheet(rows)
        self._board.add_image("samples", sheet, step, dataformats="HWC")
        import cv2

        done, code = cv2.imencode(".png", np.ascontiguousarray(sheet[..., ::-1]))
        if done:
            with written_whole(self._samples / f"{step:07d}.png") as temporary:
                temporary.write_bytes(code.tobytes())

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        """Flush TensorBoard."""
        self._board.close()


def image_sheet(rows: list[Tensor]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Images (N, 3, S, S) in [-1, 1] as one RGB image (H, W, 3), a row for each tensor."""
    lines = [torch.cat(list(row.clamp(-1, 1)), dim=2) for row in rows]  # (3, S, N · S)
    levels = (torch.cat(lines, dim=1).permute(1, 2, 0) + 1) * 127.5
    return levels.round().byte().cpu().numpy()
