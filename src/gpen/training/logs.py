"""What a run tells: lines of JSON, TensorBoard, sheets of pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..weights import written_whole


class Log:
    """The log of a run; only the first process keeps one.

    Args:
        run: The run's folder.
        step: Steps done; lines after it, from before a crash, are dropped.
    """

    def __init__(self, run: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._path = run / "log.jsonl"
        self._samples = run / "samples"
        if self._path.exists():
            lines = self._path.read_text().splitlines()
            kept = [line for line in lines if json.loads(line)["step"] <= step]
            with written_whole(self._path) as temporary:
                temporary.write_text("".join(f"{line}\n" for line in kept))
        self._board = SummaryWriter(str(run / "tensorboard"), purge_step=step + 1)

    def add(self, kind: str, step: int, values: dict[str, Any]) -> None:
        """One line of figures; `kind` is "train", "val" or "event"."""
        rounded = {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in values.items()}
        with self._path.open("a") as file:
            file.write(json.dumps({"kind": kind, "step": step, **rounded}) + "\n")
        for name, value in values.items():
            if isinstance(value, (int, float)):
                self._board.add_scalar(f"{kind}/{name}", value, step)

    def entries(self, kind: str) -> list[dict[str, Any]]:
        """Lines of a kind, oldest first."""
        lines = map(json.loads, self._path.read_text().splitlines() if self._path.exists() else [])
        return [line for line in lines if line["kind"] == kind]

    def add_sheet(self, step: int, rows: list[Tensor]) -> None:
        """Pictures (N, 3, S, S) in [-1, 1], a row for each tensor."""
        sheet = picture_sheet(rows)
        self._board.add_image("samples", sheet, step, dataformats="HWC")
        import cv2

        done, code = cv2.imencode(".png", np.ascontiguousarray(sheet[..., ::-1]))
        if done:
            with written_whole(self._samples / f"{step:07d}.png") as temporary:
                temporary.write_bytes(code.tobytes())

    def close(self) -> None:
        """Write what is not yet written."""
        self._board.close()


def picture_sheet(rows: list[Tensor]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Pictures (N, 3, S, S) in [-1, 1] as one RGB picture (H, W, 3), a row for each tensor."""
    lines = [torch.cat(list(row.clamp(-1, 1)), dim=2) for row in rows]  # (3, S, N · S)
    levels = (torch.cat(lines, dim=1).permute(1, 2, 0) + 1) * 127.5
    return levels.round().byte().cpu().numpy()
