"""Make the networks of other people that gpen ships: the face embedding and the 68 landmarks.

    python tools/convert_networks.py ../shared/models src/gpen/assets

Their weights become 16-bit numbers; the networks still compute in 32 bits. What they are, and
under which licences: MODELS.md.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import onnx

from tools.detector.export import store_as_half


@dataclass(frozen=True, slots=True)
class Conversion:
    """A file to convert.

    Attributes:
        source: Its name.
        target: The name that gpen gives it.
        notes: What its metadata is to say.
    """

    source: str
    target: str
    notes: dict[str, str]


CONVERSIONS = (
    Conversion(
        "dlib_face_resnet.onnx",
        "gpen-face-embedding.onnx",
        {
            "source": "dlib_face_recognition_resnet_model_v1, github.com/davisking/dlib-models",
            "licence": "CC0-1.0, copyright waived by Davis King",
        },
    ),
    Conversion(
        "landmarks68.onnx",
        "gpen-landmarks68.onnx",
        {
            "source": "face_landmark_68_model of the npm package @vladmandic/face-api 1.7.15",
            "licence": "MIT, (c) Vladimir Mandic, (c) 2018 Vincent Mühler",
        },
    ),
)


def convert(conversion: Conversion, sources: Path, targets: Path) -> Path:
    """Write one network with 16-bit weights; its path."""
    model = onnx.load(sources / conversion.source)
    store_as_half(model.graph)
    onnx.helper.set_model_props(model, conversion.notes)
    onnx.checker.check_model(model, full_check=True)
    target = targets / conversion.target
    onnx.save(model, target)
    return target


def main() -> None:
    """Convert both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("sources", type=Path)
    parser.add_argument("targets", type=Path)
    options = parser.parse_args()
    for conversion in CONVERSIONS:
        target = convert(conversion, options.sources, options.targets)
        print(f"{target}: {target.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
