"""Alignment inside a network, and distances of identity."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

import onnx  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from gpen import find_model  # noqa: E402
from gpen.engines import open_graph, run_in_batches  # noqa: E402
from gpen.errors import TrainingError  # noqa: E402
from gpen.face_templates import ARCFACE_XY  # noqa: E402
from gpen.faces.embedding import DLIB  # noqa: E402
from gpen.images import transforms  # noqa: E402
from gpen.networks.irse import IRSE50  # noqa: E402
from gpen.networks.mobilefacenet import MobileFaceNet  # noqa: E402
from gpen.perceptual.differentiable_alignment import align  # noqa: E402
from gpen.perceptual.identity_distance import IdentityDistance  # noqa: E402
from support.perceptual_networks import picture, save, settle  # noqa: E402

TEMPLATE = torch.tensor(ARCFACE_XY)


def turned(size: int, degrees: float, share: float) -> np.ndarray:
    """The template's points, turned, with a face as large as a share of an image, off centre."""
    turn = np.deg2rad(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = (np.array(ARCFACE_XY) - 56) @ matrix.T * (size * share / 112)
    return points + size * 0.52


@pytest.mark.parametrize(
    ("size", "degrees", "share"), [(112, 0, 1), (128, 10, 0.9), (256, -20, 0.8), (512, 35, 0.9)]
)
def test_alignment_equals_that_of_opencv(size: int, degrees: float, share: float) -> None:
    pixels = (picture(size, 3)[0].permute(1, 2, 0).numpy() + 1) / 2
    points = turned(size, degrees, share)
    matrix = transforms.fit_similarity(points, np.array(ARCFACE_XY))
    expected = cv2.warpAffine(pixels, matrix, (112, 112), borderMode=cv2.BORDER_REFLECT)
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    aligned = align(image, torch.from_numpy(points)[None], TEMPLATE, (112, 112))
    difference = np.abs(aligned[0].permute(1, 2, 0).numpy() - expected)
    assert difference.mean() < 0.004
    assert difference[8:-8, 8:-8].max() < 0.04


def test_alignment_moves_the_points_to_the_template() -> None:
    points = torch.from_numpy(turned(256, 25, 0.7))
    image = torch.zeros(1, 3, 256, 256)
    for x, y in points.round().int():
        image[..., y - 3 : y + 4, x - 3 : x + 4] = 1
    aligned = align(image, points[None], TEMPLATE, (112, 112))
    for x, y in TEMPLATE.round().int():
        assert float(aligned[0, 0, y, x]) > 0.7


def test_alignment_shrinks_by_averaging_and_not_by_skipping() -> None:
    rows, columns = torch.meshgrid(torch.arange(512), torch.arange(512), indexing="ij")
    checkers = ((rows + columns) % 2 * 2.0 - 1).expand(1, 3, -1, -1)
    points = torch.from_numpy(turned(512, 0, 0.95))[None]
    assert float(align(checkers, points, TEMPLATE, (112, 112)).abs().mean()) < 0.1


def test_alignment_of_a_face_does_not_depend_on_its_batch() -> None:
    images = picture(256, 1, batch=3)
    points = torch.stack([torch.from_numpy(turned(256, a, s)) for a, s in [(0, 1), (9, 2), (5, 3)]])
    together = align(images, points, TEMPLATE, (112, 112))
    torch.testing.assert_close(together[:1], align(images[:1], points[:1], TEMPLATE, (112, 112)))


def test_points_in_one_place_give_no_nan() -> None:
    images = picture(64, 1).requires_grad_()
    aligned = align(images, torch.full((1, 5, 2), 30.0), TEMPLATE, (112, 112))
    aligned.sum().backward()
    assert torch.isfinite(aligned).all()
    assert torch.isfinite(images.grad).all()


def arcface_onnx(path: Path, *, scales: bool = False, side: int = 112, operation: str = "") -> Path:
    """A small network with the operations of published ArcFace graphs, made for one image."""
    random = np.random.default_rng(0)
    nodes, tensors = [], []

    def keep(name: str, values: np.ndarray) -> str:
        tensors.append(numpy_helper.from_array(values, name))
        return name

    def normal(name: str, *shape: int) -> str:
        return keep(name, random.standard_normal(shape).astype(np.float32) * 0.3)

    def add(kind: str, *inputs: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, list(inputs), [f"{kind}{len(nodes)}"], **attributes))
        return nodes[-1].output[0]

    x = "data"
    if scales:
        x = add("Sub", x, keep("mean", np.float32([127.5])))
        x = add("Mul", x, keep("scale", np.float32([1 / 127.5])))
    x = add("Conv", x, normal("w1", 8, 3, 3, 3), normal("b1", 8), strides=[2, 2], pads=[0, 0, 1, 1])
    norm = [normal(n, 8) for n in ("weight", "bias", "average")]
    x = add("BatchNormalization", x, *norm, keep("variance", np.full(8, 0.7, np.float32)))
    x = add("PRelu", x, keep("slope", np.full((8, 1, 1), 0.25, np.float32)))
    y = add("Conv", x, normal("w2", 8, 1, 3, 3), group=8, pads=[1, 1, 1, 1])
    gate = add("Add", add("GlobalAveragePool", y), add("ReduceMean", y, axes=[2, 3]))
    x = add("Add", x, add("Mul", y, add("Sigmoid", gate)))
    x = add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    x = add("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    x = add("Relu", add("Dropout", x))
    if operation:
        x = add(operation, x)
    side = (side + 7) // 8
    x = add("Transpose", x, perm=[0, 2, 3, 1])
    x = add("Reshape", x, keep("shape", np.array([1, -1], np.int64)))
    x = add("Gemm", x, normal("w3", 16, 8 * side**2), normal("b3", 16), transB=1)
    x = add("Unsqueeze", x, keep("axis", np.array([2], np.int64)))
    x = add("Squeeze", x, "axis")
    x = add(
        "Flatten", add("Div", add("MatMul", x, normal("w4", 16, 16)), keep("two", np.float32([2])))
    )
    shape = [1, 3, 8 * side, 8 * side]
    graph = helper.make_graph(
        nodes,
        "arcface",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, 16])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("scales", [False, True])
def test_graph_answers_as_onnxruntime_does(tmp_path: Path, scales: bool) -> None:
    runtime = pytest.importorskip("onnxruntime")
    path = arcface_onnx(tmp_path / "arcface.onnx", scales=scales)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    judge, images = IdentityDistance(path), picture(112, 1, batch=3)
    scaled = images * 127.5 + 127.5 if scales else images
    expected = np.concatenate(
        [session.run(None, {"data": image[None].numpy()})[0] for image in scaled]
    )
    np.testing.assert_allclose(judge.net(scaled).numpy(), expected, rtol=1e-3, atol=1e-4)
    embedded = judge.embed(images, TEMPLATE.expand(3, -1, -1)).numpy()
    cosines = (embedded * expected).sum(axis=1) / np.linalg.norm(expected, axis=1)
    np.testing.assert_allclose(cosines, 1, atol=1e-4)


@pytest.fixture(scope="module", params=["irse50", "mobilefacenet", "onnx"])
def judge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("identity")
    if request.param == "onnx":
        return IdentityDistance(arcface_onnx(folder / "w600k.onnx"))
    net, width = {"irse50": (IRSE50(), 112), "mobilefacenet": (MobileFaceNet(), 96)}[request.param]
    save(net, folder / "net.pth")
    settle(net, picture(112, 5, batch=8)[..., :width])
    torch.save(net.state_dict(), folder / "net.pth")
    return IdentityDistance(folder / "net.pth")


def test_same_picture_has_distance_0_and_unit_vectors(judge: IdentityDistance) -> None:
    images = picture(64, 1, batch=2)
    points = torch.from_numpy(np.stack([turned(64, 5, 0.9)] * 2))
    vectors = judge.embed(images, points)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(judge(images, images, points), torch.zeros(2), rtol=0, atol=1e-5)


def test_gradient_lowers_the_distance_through_the_alignment(judge: IdentityDistance) -> None:
    judge.train()  # which must not wake its batch normalisation
    truth, points = picture(64, 1), torch.from_numpy(turned(64, 5, 0.9))[None]
    restored = (truth + 0.3 * picture(64, 2)).requires_grad_()
    before = judge(restored, truth, points).sum()
    before.backward()
    assert before > 1e-3  # the network tells faces apart, by more than rounding
    step = 1e-3 * restored.grad / restored.grad.norm()
    assert judge(restored.detach() - step, truth, points).sum() < before - 1e-6
    torch.testing.assert_close(judge(restored, truth, points).sum(), before)


def test_embedding_that_gpen_brings_answers_as_its_engine_does() -> None:
    path = find_model("gpen-face-embedding", role="identity").path
    judge, images = IdentityDistance(path), picture(DLIB.size, 3, batch=2)
    levels = ((images.numpy() + 1) * 127.5).astype(np.float32)
    expected = run_in_batches(open_graph(path), levels)
    points = torch.from_numpy(np.stack([DLIB.template_xy] * 2))
    cosines = judge.embed(images, points).numpy() @ expected.T / np.linalg.norm(expected, axis=1)
    assert judge.name == "dlib (gpen-face-embedding)"
    np.testing.assert_allclose(np.diag(cosines), 1, atol=1e-3)


def test_published_mobilefacenet_knows_a_face_again(shared: Path) -> None:
    rows = (shared / "faces" / "crops.jsonl").read_text().splitlines()
    path = shared / "models" / "eval_only" / "mobilefacenet_casia_068.ckpt"
    judge = IdentityDistance(path)
    entries = [row for row in map(json.loads, rows) if "/val/" in row["file"]][:4]
    pictures = [cv2.imread(str(shared / "faces" / row["file"]))[..., ::-1] for row in entries]
    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2) / 127.5 - 1
    points = torch.tensor([row["points_xy"] for row in entries])
    blurred = torch.nn.functional.avg_pool2d(images, 5, 1, 2)
    same = judge(blurred, images, points)
    other = judge(images, images.roll(1, dims=0), points.roll(1, dims=0))
    assert judge.name == "MobileFaceNet"
    assert float(same.max()) < 0.3 < float(other.mean())


def test_irse50_has_the_tensors_of_the_published_file() -> None:
    shapes = {name: tuple(value.shape) for name, value in IRSE50().state_dict().items()}
    assert shapes["body.23.res_layer.5.fc2.weight"] == (512, 32, 1, 1)
    assert shapes["body.3.shortcut_layer.0.weight"] == (128, 64, 1, 1)
    assert "body.0.shortcut_layer.0.weight" not in shapes
    assert shapes["output_layer.3.weight"] == (512, 25088)
    assert shapes["output_layer.4.running_var"] == (512,)
    weights = [s for name, s in shapes.items() if not name.endswith(("mean", "var", "tracked"))]
    assert sum(int(np.prod(shape)) for shape in weights) == 43_797_696


def test_unsuitable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"does not exist; files\.identity .*IR-SE50"):
        IdentityDistance(tmp_path / "nowhere.onnx")
    with pytest.raises(TrainingError, match=r"does not exist; files\.identity"):
        IdentityDistance(tmp_path / "nowhere.pth")
    torch.save({"some.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(TrainingError, match=r"is no face embedding \(some\.weight"):
        IdentityDistance(tmp_path / "other.pth")
    (tmp_path / "broken.onnx").write_bytes(b"\x08\x07nonsense")
    with pytest.raises(TrainingError, match="no ONNX graph"):
        IdentityDistance(tmp_path / "broken.onnx")
    with pytest.raises(TrainingError, match=r"takes 1×3×128×128, not N×3×112×112"):
        IdentityDistance(arcface_onnx(tmp_path / "large.onnx", side=128))
    with pytest.raises(TrainingError, match="operations Erf, which gpen cannot differentiate"):
        IdentityDistance(arcface_onnx(tmp_path / "erf.onnx", operation="Erf"))
