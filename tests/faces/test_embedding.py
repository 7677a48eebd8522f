"""Who a face is, by the shipped embedding and by files of the user."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from gpen import list_models
from gpen.errors import AlignError, UnknownModelError, WeightsError
from gpen.faces.embedding import ARCFACE, DLIB, Identity, Measure, open_identity
from gpen.images.read import read_image
from gpen.images.transforms import warp
from support.drawn_faces import face_points, textured
from support.identity_file import write_identity

NAME = "arcface_w600k_r50"


@pytest.fixture(params=[False, True], ids=["scaled_by_gpen", "scales_itself"])
def models(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write_identity(tmp_path / f"{NAME}.onnx", scales=request.param)
    return tmp_path


@pytest.fixture(scope="module")
def shipped() -> Identity:
    return open_identity()


def open_arcface(models: Path, **options: str) -> Identity:
    return open_identity(NAME, models_dir=models, **options)


def test_a_face_is_like_itself_wherever_it_lies(models: Path) -> None:
    identity = open_arcface(models)
    assert identity.path == models / f"{NAME}.onnx"
    photo, points = textured((300, 300)), face_points((150, 150), 60)
    photo = cv2.GaussianBlur(photo, (0, 0), 2)
    vector = identity.embed(photo, points)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    angle = 0.4
    turn = 1.5 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved_from_photo = np.column_stack([turn, [120.0, -60.0]])
    moved = warp(photo, moved_from_photo, (600, 600))
    again = identity.embed(moved, points @ turn.T + [120, -60])
    other = identity.embed(photo[::-1, ::-1].copy(), points)
    assert np.dot(vector, again) > 0.995
    assert np.dot(vector, other) < 0.6


def test_pixels_reach_the_network_in_its_own_numbers(models: Path) -> None:
    photo = np.full((120, 120, 3), (255, 51, 0), np.uint8)
    vector = open_arcface(models).embed(photo, face_points((60, 60), 40))
    red, green, blue = vector.reshape(3, 49).mean(axis=1)
    assert green / red == pytest.approx(51 / 127.5 - 1, abs=1e-3)
    assert blue / red == pytest.approx(-1, abs=1e-3)


def test_sixteen_bits_are_eight_bits_and_more(shipped: Identity, portrait: Path) -> None:
    photo, points = read_image(portrait).pixels, face_points((221, 120), 42)
    deep, flat = shipped.embed_many([(photo.astype(np.uint16) * 257, points), (photo, points)])
    assert shipped.measure.distance(deep, flat) < 0.01


def test_an_empty_picture_gives_no_nan(models: Path) -> None:
    gray = np.full((64, 64, 3), 32768, np.uint16)
    for identity in (open_arcface(models), open_identity()):
        vector = identity.embed(gray, face_points((32, 32), 20))
        assert np.isfinite(vector).all()
        assert 0 <= identity.measure.similarity(vector, vector) <= 1


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime", "torch"])
def test_any_engine_of_the_restorer_will_do(tmp_path: Path, engine: str) -> None:
    if engine == "onnxruntime":
        pytest.importorskip("onnxruntime")
    path = write_identity(tmp_path / "arcface.onnx", batch=1)
    photo, points = textured((200, 200)), face_points((99, 99), 40)
    for name in (path, "gpen-face-embedding"):
        expected = open_identity(name).embed(photo, points)
        faces = [(photo, points)] * 3
        vectors = open_identity(name, engine=engine, device="cpu").embed_many(faces)
        np.testing.assert_allclose(vectors, [expected] * 3, atol=1e-4)


def test_the_models_are_listed_as_what_they_are(models: Path, identity_model: Path) -> None:
    (models / "restorer.onnx").write_bytes(identity_model.read_bytes())
    rows = {model.name: model for model in list_models(models)}
    assert (rows[NAME].role, rows[NAME].kind, rows[NAME].usable) == ("identity", "arcface", True)
    assert rows["restorer"].role == "restorer"
    own = rows["gpen-face-embedding"]
    assert (own.role, own.kind, own.dtype, own.usable) == ("identity", "dlib", "f16", True)


def test_the_shipped_one_is_taken_unless_another_is_named(models: Path) -> None:
    shipped = open_identity(models_dir=models)
    assert (shipped.name, shipped.family) == ("gpen-face-embedding", DLIB)
    named = open_arcface(models)
    assert (named.name, named.family) == (NAME, ARCFACE)


def test_a_name_that_no_file_has_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="gpen models get arcface-w600k-r50") as caught:
        open_identity("arcface-w600k-r50", models_dir=tmp_path)
    assert "\n" not in str(caught.value)


def test_a_restorer_does_not_tell_people_apart(identity_model: Path) -> None:
    with pytest.raises(WeightsError, match="expected a face embedding"):
        open_identity(identity_model)


@pytest.mark.parametrize(
    "points", [np.zeros((4, 2)), np.full((5, 2), 9.0), np.full((5, 2), np.nan)]
)
def test_points_that_are_no_face_are_refused(shipped: Identity, points: np.ndarray) -> None:
    with pytest.raises(AlignError):
        shipped.embed(textured((64, 64)), points)


@pytest.mark.parametrize("measure", [DLIB.measure, ARCFACE.measure], ids=["dlib", "arcface"])
def test_similarity_means_the_same_by_every_measure(measure: Measure) -> None:
    """1 for the same vector, 0.5 where one person ends and another begins, never outside [0, 1]."""
    one = np.array([1, 0], np.float32)

    def at(distance: float) -> np.ndarray:
        if not measure.by_angle:
            return one + np.array([0, distance], np.float32)
        return np.array([1 - distance, np.sqrt(1 - (1 - distance) ** 2)], np.float32)

    assert measure.similarity(one, one) == 1
    distances = [0.05, measure.limit - 0.01, measure.limit + 0.01, 1.0]
    found = [measure.similarity(one, at(distance)) for distance in distances]
    assert found == sorted(found, reverse=True)
    assert found[1] > 0.5 > found[2]
    assert [measure.is_same_person(one, at(d)) for d in distances] == [True, True, False, False]
    assert measure.similarity(one, np.array([-3, 0], np.float32)) == 0


def test_weights_for_torch_answer_as_the_judge_does(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from gpen.networks.mobilefacenet import MobileFaceNet
    from gpen.perceptual.identity_distance import IdentityDistance

    torch.manual_seed(0)
    path = tmp_path / "mobile.ckpt"
    torch.save({"net_state_dict": MobileFaceNet().state_dict()}, path)
    photo = cv2.GaussianBlur(textured((112, 112)), (0, 0), 2)
    points = face_points((56, 66), 34)
    identity = open_identity("mobile", models_dir=tmp_path)
    vectors = identity.embed_many([(photo, points), (photo, points)])
    image = torch.from_numpy(photo.transpose(2, 0, 1)[None] / np.float32(127.5) - 1)
    judged = IdentityDistance(path).embed(image, torch.tensor(points[None], dtype=torch.float32))
    assert np.dot(vectors[1], judged[0].detach().numpy()) > 0.99


def test_damaged_weights_for_torch_are_named(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    names = ("dw_conv1.conv.weight", "linear7.conv.weight")
    torch.save({name: torch.zeros(2, 2) for name in names}, tmp_path / "cut.pth")
    with pytest.raises(WeightsError, match=r"cut\.pth is damaged; expected gpen-face-embedding"):
        open_identity("cut", models_dir=tmp_path)


def held_out(shared: Path, source: str, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Held-out crops of different people with their five points."""
    rows = map(json.loads, (shared / "faces" / "crops.jsonl").read_text().splitlines())
    chosen = [row for row in rows if "/val/" in row["file"] and row["source"] == source]
    for row in chosen[:count]:
        pixels = cv2.imread(str(shared / "faces" / row["file"]))[..., ::-1]
        factor = pixels.shape[0] / row["size"]
        yield np.ascontiguousarray(pixels), (np.array(row["points_xy"]) + 0.5) * factor - 0.5


@pytest.mark.parametrize(
    "name", ["gpen-face-embedding", "models/eval_only/mobilefacenet_casia_068.ckpt"]
)
def test_real_faces_of_one_person_are_more_alike(shared: Path, name: str) -> None:
    """Two sizes of a face are one person, two faces are two."""
    if name.endswith(".ckpt"):
        pytest.importorskip("torch")
        name = str(shared / name)
    identity = open_identity(name)
    faces = list(held_out(shared, "congress", 6))
    small = []
    for pixels, points in faces:
        factor = 64 / pixels.shape[0]
        shrunk = cv2.resize(pixels, (64, 64), interpolation=cv2.INTER_AREA)
        small.append((shrunk, (points + 0.5) * factor - 0.5))
    large, again = identity.embed_many(faces), identity.embed_many(small)
    alike = np.array([[identity.measure.similarity(a, b) for b in again] for a in large])
    own, others = alike.diagonal(), alike[~np.eye(len(faces), dtype=bool)]
    assert own.min() > max(0.5, others.max())
    if identity.family is DLIB:
        assert others.max() < 0.5


def test_the_shipped_numbers_answer_as_the_original_does(shared: Path, shipped: Identity) -> None:
    original = open_identity(shared / "models" / "dlib_face_resnet.onnx")
    faces = list(held_out(shared, "sfhq_t2i", 12))
    off = np.linalg.norm(shipped.embed_many(faces) - original.embed_many(faces), axis=1)
    assert 0 < off.max() <= 2e-3
