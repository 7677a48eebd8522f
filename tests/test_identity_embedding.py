"""Who a face is, by a network from the models folders."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from faces import face_points, textured
from gpen import list_models
from gpen.errors import AlignError, UnknownModelError, WeightsError
from gpen.geometry import warp
from gpen.identity import SAME_PERSON, open_identity, similarity
from identity_file import write_identity


@pytest.fixture(params=[False, True], ids=["scaled_by_gpen", "scales_itself"])
def models(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write_identity(tmp_path / "arcface_w600k_r50.onnx", scales=request.param)
    return tmp_path


def test_a_face_is_like_itself_wherever_it_lies(models: Path) -> None:
    identity = open_identity(models)
    assert identity.path == models / "arcface_w600k_r50.onnx"
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
    assert similarity(vector, again) > 0.995
    assert similarity(vector, other) < 0.6


def test_pixels_reach_the_network_in_its_own_numbers(models: Path) -> None:
    photo = np.full((120, 120, 3), (255, 51, 0), np.uint8)
    vector = open_identity(models).embed(photo, face_points((60, 60), 40))
    red, green, blue = vector.reshape(3, 49).mean(axis=1)
    assert green / red == pytest.approx(51 / 127.5 - 1, abs=1e-3)
    assert blue / red == pytest.approx(-1, abs=1e-3)


def test_sixteen_bits_are_eight_bits_and_more(models: Path) -> None:
    identity, photo, points = open_identity(models), textured((200, 200)), face_points((99, 99), 40)
    deep = identity.embed(photo.astype(np.uint16) * 257, points)
    assert similarity(deep, identity.embed(photo, points)) > 0.9999


def test_an_empty_picture_gives_no_nan(models: Path) -> None:
    gray = np.full((64, 64, 3), 32768, np.uint16)
    assert np.isfinite(open_identity(models).embed(gray, face_points((32, 32), 20))).all()


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime", "torch"])
def test_any_engine_of_the_restorer_will_do(tmp_path: Path, engine: str) -> None:
    if engine == "onnxruntime":
        pytest.importorskip("onnxruntime")
    path = write_identity(tmp_path / "arcface.onnx", batch=1)
    photo, points = textured((200, 200)), face_points((99, 99), 40)
    vector = open_identity(tmp_path, engine=engine, device="cpu").embed(photo, points)
    assert similarity(vector, open_identity(name=path).embed(photo, points)) > 0.9999


def test_the_models_are_listed_as_what_they_are(models: Path, identity_model: Path) -> None:
    (models / "restorer.onnx").write_bytes(identity_model.read_bytes())
    rows = {model.name: model for model in list_models(models)}
    assert rows["arcface_w600k_r50"].role == "identity"
    assert rows["arcface_w600k_r50"].kind == "arcface"
    assert rows["arcface_w600k_r50"].usable
    assert rows["restorer"].role == "restorer"


def test_without_a_file_the_error_says_which_to_get(tmp_path: Path) -> None:
    with pytest.raises(
        UnknownModelError, match=r"w600k_r50\.onnx.*put it into \./models"
    ) as caught:
        open_identity(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_restorer_does_not_tell_faces_apart(identity_model: Path) -> None:
    with pytest.raises(WeightsError, match="expected a network that tells faces apart"):
        open_identity(name=identity_model)


def test_a_broken_file_is_passed_over(models: Path) -> None:
    (models / "aaa.onnx").write_bytes(b"\x08not a graph")
    assert open_identity(models).path.stem == "arcface_w600k_r50"


@pytest.mark.parametrize(
    "points", [np.zeros((4, 2)), np.full((5, 2), 9.0), np.full((5, 2), np.nan)]
)
def test_points_that_are_no_face_are_refused(models: Path, points: np.ndarray) -> None:
    with pytest.raises(AlignError):
        open_identity(models).embed(textured((64, 64)), points)


def test_weights_for_torch_answer_as_the_judge_does(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from gpen.nets.mobilefacenet import MobileFaceNet
    from gpen.perception.identity import IdentityDistance

    torch.manual_seed(0)
    path = tmp_path / "mobile.ckpt"
    torch.save({"net_state_dict": MobileFaceNet().state_dict()}, path)
    photo = cv2.GaussianBlur(textured((112, 112)), (0, 0), 2)
    points = face_points((56, 66), 34)
    vector = open_identity(tmp_path).embed(photo, points)
    picture = torch.from_numpy(photo.transpose(2, 0, 1)[None] / np.float32(127.5) - 1)
    judged = IdentityDistance(path).embed(picture, torch.tensor(points[None], dtype=torch.float32))
    assert similarity(vector, judged[0].detach().numpy()) > 0.99


def test_damaged_weights_for_torch_are_named(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    names = ("dw_conv1.conv.weight", "linear7.conv.weight")
    torch.save({name: torch.zeros(2, 2) for name in names}, tmp_path / "cut.pth")
    with pytest.raises(WeightsError, match=r"cut\.pth is damaged; expected w600k_r50\.onnx"):
        open_identity(tmp_path)


def test_real_faces_of_one_person_are_more_alike(shared: Path) -> None:
    """Two sizes of a face are one person, two faces are two."""
    path = shared / "models" / "eval_only" / "mobilefacenet_casia_068.ckpt"
    pytest.importorskip("torch")
    identity = open_identity(name=path)
    files = sorted((shared / "faces" / "crops" / "val").glob("congress_*.jpg"))[:6]
    points = np.array([[101, 121.4], [154.7, 121.1], [128, 152], [106, 183.4], [150.4, 183.2]])
    faces = [cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB) for file in files]
    faces = [cv2.resize(face, (256, 256), interpolation=cv2.INTER_AREA) for face in faces]
    small = [cv2.resize(face, (64, 64), interpolation=cv2.INTER_AREA) for face in faces]
    large = [identity.embed(face, points) for face in faces]
    again = [identity.embed(face, (points + 0.5) / 4 - 0.5) for face in small]
    likeness = np.array([[similarity(a, b) for b in again] for a in large])
    own = likeness.diagonal().min()
    others = likeness[~np.eye(len(faces), dtype=bool)].max()
    assert own > SAME_PERSON > others
