"""Networks for FID and KID."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gpen.errors import TrainingError, WeightsError
from gpen.metrics.feature_vectors import open_features
from gpen.networks.retinaface import RetinaFace
from support.metric_networks import write_mean_color_model
from support.pointwise import write_pointwise_model


def _flat(*rgb: int, side: int = 40) -> np.ndarray:
    return np.full((side, side, 3), rgb, np.uint8)


@pytest.fixture(scope="module")
def retinaface(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("features") / "retinaface.pth"
    torch.save(RetinaFace("mobilenet").state_dict(), path)
    return path


@pytest.mark.parametrize(("side", "flat"), [(32, True), (None, True), (32, False)])
def test_graph_gets_rgb_from_minus_1_to_1_at_its_own_size(
    tmp_path: Path, side: int | None, flat: bool
) -> None:
    net = open_features(write_mean_color_model(tmp_path / "mean.onnx", side, flat=flat))
    assert net.vector(_flat(0, 255, 51)) == pytest.approx([-1, 1, -0.6], abs=1e-4)
    assert "mean.onnx" in net.name


def test_retinaface_gives_one_vector_whatever_the_size_of_the_picture(retinaface: Path) -> None:
    net = open_features(retinaface)
    assert net.vector(_flat(9, 90, 200)).shape == (256,)
    assert net.vector(_flat(9, 90, 200, side=300)).shape == (256,)
    assert not np.allclose(net.vector(_flat(9, 90, 200)), net.vector(_flat(200, 90, 9)))
    assert "stride 32" in net.name


def test_retinaface_without_a_tensor_is_refused(retinaface: Path, tmp_path: Path) -> None:
    tensors = torch.load(retinaface, weights_only=True)
    del tensors["body.stage3.0.0.weight"]
    broken = tmp_path / "broken.pth"
    torch.save(tensors, broken)
    with pytest.raises(WeightsError, match=r"lacks body\.stage3\.0\.0\.weight"):
        open_features(broken)


def test_retinaface_with_another_shape_is_refused(retinaface: Path, tmp_path: Path) -> None:
    tensors = torch.load(retinaface, weights_only=True)
    tensors["body.stage3.0.0.weight"] = torch.zeros(1)
    broken = tmp_path / "broken.pth"
    torch.save(tensors, broken)
    with pytest.raises(WeightsError, match="other shapes"):
        open_features(broken)


def test_a_graph_that_answers_with_several_vectors_is_refused(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["y"], axis=2)],
        "rows",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, 256])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "rows.onnx")
    with pytest.raises(WeightsError, match=r"shape \(3, 256\)"):
        open_features(tmp_path / "rows.onnx")


def test_a_picture_that_comes_back_is_averaged_to_a_vector(tmp_path: Path) -> None:
    path = write_pointwise_model(tmp_path / "identity.onnx", "Identity")
    assert open_features(path).vector(_flat(255, 0, 255)) == pytest.approx([1, -1, 1], abs=1e-5)


def test_tensors_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(TrainingError, match=r"other\.pth"):
        open_features(path)
