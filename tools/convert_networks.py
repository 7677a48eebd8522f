"""Make the networks of other people that gpen ships: face embedding, 68 landmarks, YuNet.

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
        any_size: Let it take images of any height and width.
    """

    source: str
    target: str
    notes: dict[str, str]
    any_size: bool = False


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
    Conversion(
        "yunet_n_640_640.onnx",
        "gpen-yunet.onnx",
        {
            "source": "yunet_n of github.com/ShiqiYu/libfacedetection.train, 0047ac24",
            "licence": "Apache-2.0, (c) 2022 Shiqi Yu",
        },
        any_size=True,
    ),
)


def convert(conversion: Conversion, sources: Path, targets: Path) -> Path:
    """Write one network with 16-bit weights; its path."""
    model = onnx.load(sources / conversion.source)
    store_as_half(model.graph)
    if conversion.any_size:
        _take_any_size(model.graph)
    onnx.helper.set_model_props(model, conversion.notes)
    onnx.checker.check_model(model, full_check=True)
    target = targets / conversion.target
    onnx.save(model, target)
    return target


def _take_any_size(graph: onnx.GraphProto) -> None:
    """Leave the size of images, and all that follows from it, open."""
    del graph.value_info[:]
    height, width = graph.input[0].type.tensor_type.shape.dim[2:]
    height.dim_param, width.dim_param = "height", "width"
    for output in graph.output:
        output.type.tensor_type.shape.dim[1].dim_param = f"cells_{output.name}"


def main() -> None:
    """Convert all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("sources", type=Path)
    parser.add_argument("targets", type=Path)
    options = parser.parse_args()
    for conversion in CONVERSIONS:
        target = convert(conversion, options.sources, options.targets)
        print(f"{target}: {target.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
