"""Finding faces: the shipped detector on a real photo, published detectors by file, bad input."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from gpen import Face, MismatchError, UnknownModelError, WeightsError
from gpen.faces.detection import Detector, load_detector
from gpen.faces.detectors import scrfd_detector
from gpen.faces.detectors.boxes import non_max_suppression
from gpen.images import transforms

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector()


@pytest.fixture(scope="module")
def photo(portrait: Path) -> Pixels:
    return np.ascontiguousarray(cv2.imread(str(portrait))[..., ::-1])


def posed(
    photo: Pixels, points_xy: np.ndarray, *, scale: float, degrees: float = 0
) -> tuple[Pixels, np.ndarray]:
    """The portrait at a size and rotation, cut to its own size, and where its points are."""
    angle = math.radians(degrees)
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]])
    side = math.ceil(512 * scale)
    middle = points_xy.mean(axis=0)
    matrix = np.column_stack([linear, np.full(2, side / 2) - linear @ middle])
    image = transforms.warp(photo, matrix, (side, side), border="replicate")
    return image, transforms.apply(matrix, points_xy)


def error_percent(face: Face, points_xy: np.ndarray) -> float:
    """Mean distance of the points in % of the distance of the eyes."""
    eyes = np.hypot(*(points_xy[1] - points_xy[0]))
    return float(100 * np.hypot(*(face.points_xy - points_xy).T).mean() / eyes)


@pytest.mark.parametrize("degrees", [0, 30, 60, 90, 180, 270])
def test_finds_a_turned_face_and_its_points(
    detector: Detector, photo: Pixels, demo_points: np.ndarray, degrees: float
) -> None:
    image, points = posed(photo, demo_points, scale=1, degrees=degrees)
    face = detector.detect(image)[0]
    assert face.score > 0.9
    assert error_percent(face, points) < 12


@pytest.mark.parametrize("face_px", [400, 200, 100, 48, 32, 24, 16])
def test_finds_a_face_of_any_size(
    detector: Detector, photo: Pixels, demo_points: np.ndarray, face_px: float
) -> None:
    image, points = posed(photo, demo_points, scale=face_px / 105)
    face = detector.detect(image)[0]
    assert error_percent(face, points) < 20
    assert 0.7 < face.size_px / face_px < 1.5


def test_finds_every_face_of_a_crowd_largest_first(detector: Detector, photo: Pixels) -> None:
    head = photo[:180, 135:315]
    tiles = [cv2.resize(head, (side, side)) for side in (230, 115, 58)]
    canvas = np.full((460, 690, 3), 110, np.uint8)
    for n, tile in enumerate(tiles):
        for row in range(2):
            y, x = 230 * row, 230 * n
            canvas[y : y + len(tile), x : x + len(tile)] = tile
    faces = detector.detect(canvas)
    assert len(faces) == 6
    sizes = [face.size_px for face in faces]
    assert sizes == sorted(sizes, reverse=True)


def test_finds_a_face_cut_by_the_border(detector: Detector, photo: Pixels) -> None:
    faces = detector.detect(np.ascontiguousarray(photo[:, 200:]))
    assert any(face.box_xyxy[0] < 20 for face in faces)


def test_finds_no_face_where_there_is_none(detector: Detector) -> None:
    ramp = np.linspace(0, 255, 300, dtype=np.uint8)
    images = [
        np.zeros((300, 300, 3), np.uint8),
        np.repeat(np.tile(ramp, (200, 1))[..., None], 3, axis=2),
        np.random.default_rng(1).integers(0, 256, (240, 320, 3), dtype=np.uint8),
    ]
    assert [len(detector.detect(image)) for image in images] == [0, 0, 0]


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (7, 3), (33, 31)])
def test_tiny_and_thin_pictures_are_no_error(detector: Detector, shape: tuple[int, int]) -> None:
    assert detector.detect(np.full((*shape, 3), 90, np.uint8)) == []


def test_a_large_picture_gives_points_in_its_own_pixels(
    detector: Detector, photo: Pixels, demo_points: np.ndarray
) -> None:
    large = cv2.resize(photo, (2560, 2560), interpolation=cv2.INTER_CUBIC)
    face = detector.detect(np.asarray(large, np.uint8))[0]
    assert error_percent(face, (demo_points + 0.5) * 5 - 0.5) < 12


def test_finds_small_faces_in_a_photo_of_twelve_megapixels(
    detector: Detector, photo: Pixels
) -> None:
    """Faces of 40 px, 1 % of the width, upright and lying: the photo is searched shrunk."""
    head = cv2.resize(photo[:180, 135:315], (69, 69), interpolation=cv2.INTER_AREA)
    canvas = np.full((3000, 4000, 3), 110, np.uint8)
    for row in range(4):
        for column in range(5):
            y, x = 301 + 607 * row, 203 + 811 * column
            canvas[y : y + 69, x : x + 69] = np.rot90(head, (row + column) % 4)
    faces = detector.detect(canvas)
    assert len(faces) == 20
    for face in faces:
        middle_xy = face.points_xy.mean(axis=0) - (203, 301)
        assert (np.abs((middle_xy - 34 + 300) % (811, 607) - 300) < 17).all()
        assert 30 < face.size_px < 55


def test_one_detector_serves_many_threads(detector: Detector, photo: Pixels) -> None:
    expected = detector.detect(photo)[0].points_xy
    with ThreadPoolExecutor(4) as pool:
        for faces in pool.map(detector.detect, [photo] * 8):
            np.testing.assert_array_equal(faces[0].points_xy, expected)


def test_engines_agree(detector: Detector, photo: Pixels) -> None:
    """To 1 % of the eye distance: the default may compute in bf16."""
    other = load_detector(engine="onnxruntime").detect(photo)
    assert error_percent(other[0], detector.detect(photo)[0].points_xy) < 1


@pytest.mark.parametrize(
    ("file", "name"),
    [("yunet_n_640_640.onnx", "yunet"), ("retinaface_mobilenet0.25.pth", "retinaface")],
)
def test_published_detectors_by_file(
    shared: Path, photo: Pixels, demo_points: np.ndarray, file: str, name: str
) -> None:
    detector = load_detector(shared / "models" / file)
    assert detector.name == name
    faces = detector.detect(photo)
    assert len(faces) == 1
    assert error_percent(faces[0], demo_points) < 15


def test_scrfd_answers_become_faces(tmp_path: Path) -> None:
    """One anchor of the middle grid fires; the file holds its outputs as constants."""
    outputs = []
    for stride in scrfd_detector.STRIDES:
        count = (64 // stride) ** 2 * scrfd_detector.ANCHORS
        score, sides, offsets = (np.zeros((count, n), np.float32) for n in (1, 4, 10))
        if stride == 16:  # column 2, row 1: its corner lies at (32, 16)
            at = (1 * 4 + 2) * scrfd_detector.ANCHORS
            score[at], sides[at] = 0.9, (1, 0.5, 1, 1.5)
            offsets[at] = [-0.5, 0, 0.5, 0, 0, 0.25, -0.25, 0.5, 0.25, 0.5]
        outputs += [score, sides, offsets]
    path = write_constant_graph(tmp_path / "scrfd_2.5g_bnkps.onnx", outputs)
    faces = load_detector(path).detect(np.zeros((128, 128, 3), np.uint8))
    assert len(faces) == 1
    np.testing.assert_allclose(faces[0].box_xyxy, (31.5, 15.5, 95.5, 79.5), atol=1e-3)
    np.testing.assert_allclose(faces[0].points_xy[0], (47.5, 31.5), atol=1e-3)
    assert faces[0].score == pytest.approx(0.9)


def write_constant_graph(path: Path, outputs: list[np.ndarray]) -> Path:
    """An ONNX file that looks at its image and answers the same whatever it sees."""
    names = [f"out{n}" for n in range(len(outputs))]
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    nodes += [helper.make_node("Add", [f"{n}_value", "nothing"], [n]) for n in names]
    values = [("zero", np.zeros((), np.float32))]
    values += [(f"{n}_value", array) for n, array in zip(names, outputs, strict=True)]
    graph = helper.make_graph(
        nodes,
        "constant",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 64, 64])],
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, list(array.shape))
            for n, array in zip(names, outputs, strict=True)
        ],
        [onnx.numpy_helper.from_array(value, name) for name, value in values],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


def test_a_missing_detector_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="absent"):
        load_detector(tmp_path / "absent.onnx")


def test_a_restorer_is_no_detector(identity_model: Path) -> None:
    with pytest.raises(WeightsError, match="detector"):
        load_detector(identity_model)


def test_an_incomplete_retinaface_is_refused(shared: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    state = torch.load(
        shared / "models/retinaface_mobilenet0.25.pth", map_location="cpu", weights_only=True
    )
    state.pop("BboxHead.0.conv1x1.bias")
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(MismatchError, match="BboxHead"):
        load_detector(tmp_path / "cut.pth")


def test_the_strongest_of_overlapping_boxes_stays() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [30, 0, 40, 10], [4, 4, 6, 6]], np.float64)
    kept = non_max_suppression(boxes, np.array([0.6, 0.9, 0.5, 0.7]), 0.4)
    assert kept.tolist() == [1, 2]
