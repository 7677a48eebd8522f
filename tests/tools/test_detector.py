"""Training the detector: what is drawn, what is wanted, a loop that stops and goes on, export."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from gpen.engines import open_graph
from gpen.faces.detectors.gpen_detector import PROPOSAL_FILE, GpenDetector, decode
from gpen.faces.detectors.refinement_crops import CROP_SIZE, EYE_DISTANCE, TEMPLATE_XY
from gpen.faces.detectors.refiner import REFINEMENT_FILE
from gpen.images import transforms
from support.drawn_faces import face_points, textured

torch = pytest.importorskip("torch")

from gpen.networks.detector import STRIDES, ProposalNetwork, RefinementNetwork  # noqa: E402
from tools.detector import loop  # noqa: E402
from tools.detector.__main__ import main  # noqa: E402
from tools.detector.batches import proposal_batch, refinement_batch  # noqa: E402
from tools.detector.crops import refinement_sample, refinement_target  # noqa: E402
from tools.detector.export import export_onnx  # noqa: E402
from tools.detector.loop import Recipe, Run  # noqa: E402
from tools.detector.mosaics import Target, mosaic, view  # noqa: E402
from tools.detector.photos import Label, Photo, load_photos  # noqa: E402
from tools.detector.targets import proposal_loss, proposal_targets, refinement_loss  # noqa: E402

SIDE = 160


@pytest.fixture
def faces_folder(tmp_path: Path) -> Path:
    """Six photos with one labelled face each, in the layout of the training set."""
    rows = []
    for n in range(6):
        split = "val" if n == 5 else "train"
        file = f"photos/{split}/{n}.jpg"
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / file), textured((200, 180), seed=n))
        points = face_points((100, 90), 30, angle=0.1 * n)
        low, high = points.min(axis=0) - 18, points.max(axis=0) + 18
        face = {"box_xyxy": [*low, *high], "points_xy": points.tolist(), "verified": True}
        rows.append({"file": file, "width": 200, "height": 180, "faces": [face]})
    lines = [json.dumps(row) for row in rows]
    (tmp_path / "photos.jsonl").write_text("\n".join(lines))
    return tmp_path


@pytest.fixture
def photos(faces_folder: Path) -> list[Photo]:
    return load_photos(faces_folder, "train", faces_folder / "cache")


def test_photos_come_back_as_they_were_decoded(faces_folder: Path) -> None:
    first = load_photos(faces_folder, "train", faces_folder / "cache")
    again = load_photos(faces_folder, "train", faces_folder / "cache")
    assert len(first) == 5
    for one, other in zip(first, again, strict=True):
        assert [level.shape[:2] for level in one.levels] == [
            (180, 200),
            (90, 100),
            (45, 50),
            (22, 25),
        ]
        np.testing.assert_array_equal(one.levels[2], other.levels[2])
        assert one.labels[0].verified


def test_the_same_seed_draws_the_same_pictures(photos: list[Photo]) -> None:
    for draw in (mosaic, lambda rng, photos, side: view(rng, photos[0], side)):
        one, faces = draw(np.random.default_rng(3), photos, SIDE)
        other, _ = draw(np.random.default_rng(3), photos, SIDE)
        assert one.shape == (SIDE, SIDE, 3)
        np.testing.assert_array_equal(one, other)
        for face in faces:
            if face.certain:
                middle = (face.box_xyxy[:2] + face.box_xyxy[2:]) / 2
                assert (middle > -SIDE / 4).all()
                assert (middle < 1.25 * SIDE).all()


def test_mosaics_hold_faces_of_many_sizes(photos: list[Photo]) -> None:
    sizes = [
        face.size
        for seed in range(40)
        for face in mosaic(np.random.default_rng(seed), photos, SIDE)[1]
        if face.certain
    ]
    assert min(sizes) < 16
    assert max(sizes) > 60


@pytest.mark.parametrize("size", [10, 24, 60, 130])
def test_wanted_answers_decode_to_the_face(size: float) -> None:
    """What the proposal network is taught is what the detector reads."""
    points = face_points((81.3, 77.8), size * 0.447)
    middle = points.mean(axis=0)
    box = np.concatenate([middle - size / 2, middle + size / 2])
    wanted = proposal_targets([Target(box, points, size, True, True)], SIDE)
    assert (wanted[:, 0] == 1).any()
    outputs, start = [], 0
    for stride in STRIDES:
        cells = SIDE // stride
        level = wanted[start : start + cells**2].reshape(cells, cells, -1)
        start += cells**2
        logits = np.where(level[..., :1] == 1, 9.0, -9.0)
        output = np.concatenate([logits, level[..., 1:15]], axis=2).transpose(2, 0, 1)
        outputs.append(output[None].astype(np.float32))
    found = decode(outputs)
    np.testing.assert_allclose(found.boxes_xyxy - box, 0, atol=0.01)
    np.testing.assert_allclose(found.points_xy - points, 0, atol=0.01)


def test_faces_that_hardly_show_are_neither_wanted_nor_punished() -> None:
    box = np.array([-20.0, 60, 20, 100])
    hidden = Target(box, face_points((0, 80), 18), 40, False, True)
    wanted = proposal_targets([hidden], SIDE)
    assert not (wanted[:, 0] == 1).any()
    assert (wanted[:, 0] == -1).any()


def test_the_refiner_is_taught_where_the_points_lie_in_its_crop() -> None:
    points = face_points((80, 80), 40, angle=0.3)
    box = np.array([35.0, 30, 125, 120])
    label = Label(box, points, True)
    crop_from_image = transforms.fit_similarity(points, TEMPLATE_XY)
    output = refinement_target(Target(box, points, label.size, True, True), crop_from_image, label)
    taught = output[:10].reshape(5, 2) * EYE_DISTANCE + TEMPLATE_XY
    np.testing.assert_allclose(taught, transforms.apply(crop_from_image, points), atol=1e-3)


def test_refiner_samples_show_faces_and_others(photos: list[Photo]) -> None:
    rng = np.random.default_rng(5)
    mistakes = [np.full((96, 96, 3), 77, np.uint8)]
    samples = [refinement_sample(rng, photos, mistakes) for _ in range(60)]
    assert all(sample.crop.shape == (CROP_SIZE, CROP_SIZE, 3) for sample in samples)
    assert 20 < sum(sample.is_face for sample in samples) < 50
    assert not any(sample.placed and not sample.is_face for sample in samples)


def test_losses_fall_as_answers_get_better(photos: list[Photo]) -> None:
    recipe = Recipe(steps=1, batch=2, rate=1e-3)
    _, wanted = refinement_batch(np.random.default_rng(1), photos, recipe)
    perfect = torch.cat([(wanted[:, :1] * 2 - 1) * 9, wanted[:, 1:15]], dim=1)
    losses = [float(refinement_loss(outputs, wanted)[0]) for outputs in (perfect, perfect + 0.5)]
    assert losses[0] < 0.01 < losses[1]
    images, wanted = proposal_batch(np.random.default_rng(1), photos, recipe)
    loss, parts = proposal_loss(ProposalNetwork()(images), wanted)
    assert torch.isfinite(loss)
    assert set(parts) == {"score", "center", "extent", "points"}


def test_a_stopped_run_goes_on_as_if_it_had_not_been(
    photos: list[Photo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SAVE_EVERY", 2)
    recipe = Recipe(steps=4, batch=2, rate=1e-3, bf16=False)

    def start(folder: Path, stop_at: int | None = None) -> Run:
        torch.manual_seed(0)
        run = Run(folder, RefinementNetwork(), recipe)

        def draw(rng: np.random.Generator) -> loop.Batch:
            if run.step == stop_at:
                raise KeyboardInterrupt
            return refinement_batch(rng, photos, recipe)

        run.train(draw, refinement_loss)
        return run

    whole = start(tmp_path / "whole").average.state_dict()
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "pieces", stop_at=3)
    for name, value in start(tmp_path / "pieces").average.state_dict().items():
        torch.testing.assert_close(whole[name], value, rtol=0, atol=0)


def test_exported_networks_answer_like_torch(tmp_path: Path) -> None:
    torch.manual_seed(1)
    for net, file in ((ProposalNetwork(), PROPOSAL_FILE), (RefinementNetwork(), REFINEMENT_FILE)):
        export_onnx(net, tmp_path / file)
        side = 96 if isinstance(net, ProposalNetwork) else CROP_SIZE
        x = torch.randn(1, 3, side, side)
        with torch.no_grad():
            expected = net.eval()(x)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for one, other in zip(open_graph(tmp_path / file).run(x.numpy()), expected, strict=True):
            np.testing.assert_allclose(one, other.numpy(), atol=0.02)
    assert (
        GpenDetector(tmp_path / PROPOSAL_FILE, tmp_path / REFINEMENT_FILE).detect(
            np.zeros((64, 64, 3), np.uint8)
        )
        == []
    )


def test_the_command_trains_exports_and_mines(faces_folder: Path, tmp_path: Path) -> None:
    """All parts in the order that the help tells, on six photos."""
    common = ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "onnx")]
    data = ["--faces", str(faces_folder), "--cache", str(faces_folder / "cache")]
    short = ["--steps", "2", "--batch", "2", "--scenes", "2"]
    for part in ("finder", "refiner", "export", "mine", "refiner"):
        main([part, *common, *data, *short])
    assert (tmp_path / "onnx" / PROPOSAL_FILE).stat().st_size < 2e6
    assert np.load(tmp_path / "runs/mistakes.npy").shape[1:] == (96, 96, 3)
    rows = (tmp_path / "runs/refiner/log.jsonl").read_text().splitlines()
    assert "val_points" in json.loads(rows[-1])
