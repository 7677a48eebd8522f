"""Runs whose discriminator looks through frozen features, and the stages and weights it needs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from gpen import ConfigError  # noqa: E402
from gpen.networks.projected import ProjectedDiscriminator  # noqa: E402
from gpen.training import losses  # noqa: E402
from gpen.training.augmentation import augment  # noqa: E402
from gpen.training.batches import Batch  # noqa: E402
from gpen.training.config import Config  # noqa: E402
from gpen.training.config_checks import check_config  # noqa: E402
from gpen.training.loss_views import cut_regions  # noqa: E402
from gpen.training.perceptual_losses import PerceptualLosses  # noqa: E402
from gpen.training.processes import Processes  # noqa: E402
from gpen.training.trainer import Trainer  # noqa: E402

PROJECTED = (
    "network.size=64",
    "discriminator.kind=projected",
    "discriminator.patch_channels=8",
    "discriminator.region=32",
    "discriminator.augment=true",
    "loss.feature_matching=0",
    "loss.r1=0",
    "loss.lecam=0.1",
    "loss.balance=true",
    "loss.cut=32",
    "files.lpips_backbone=frozen.pth",
)


class _Frozen(nn.Module):
    """Features of two resolutions, in the place of LPIPS."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 6, 3, 2, 1)
        self.requires_grad_(requires_grad=False)

    def features(self, images: torch.Tensor) -> list[torch.Tensor]:
        first = self.first(images).relu()
        return [first, self.second(first)]


def trainer(config: Config) -> Trainer:
    return Trainer(config, PerceptualLosses(lpips=_Frozen()), Processes("cpu"))


def faces(sharp: tuple[float, ...] = (1, 1, 0, 1)) -> Batch:
    random = torch.Generator().manual_seed(3)
    truth = torch.rand(4, 3, 64, 64, generator=random) * 2 - 1
    points = torch.rand(4, 5, 2, generator=random) * 64
    cut_xy = torch.rand(4, 2, generator=random)
    return Batch(truth * 0.7, truth, points, torch.ones(4), torch.tensor(sharp), cut_xy)


def copied(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def changed(before: dict[str, torch.Tensor], net: nn.Module) -> bool:
    return any(not torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_both_networks_learn(tiny_with: Callable[..., Config]) -> None:
    run = trainer(tiny_with(*PROJECTED))
    assert run.discriminator_step is not None
    before = copied(run.net), copied(run.discriminator_step.discriminator)
    terms = run.train_step([faces()])
    assert {"adversarial", "discriminator", "lecam", "l1"} <= set(terms)
    assert changed(before[0], run.net)
    assert changed(before[1], run.discriminator_step.discriminator)


def test_batches_without_a_sharp_face_are_judged_by_their_features_alone(
    tiny_with: Callable[..., Config],
) -> None:
    terms = trainer(tiny_with(*PROJECTED)).train_step([faces(sharp=(0, 0, 0, 0))])
    assert all(value == value for value in terms.values())


def test_generator_rests_in_a_frozen_stage(tiny_with: Callable[..., Config]) -> None:
    config = tiny_with(*PROJECTED, "stages=[{steps=2, frozen=true}, {steps=1}]")
    run = trainer(config)
    assert run.discriminator_step is not None
    net, discriminator = copied(run.net), copied(run.discriminator_step.discriminator)
    for _ in range(2):
        terms = run.train_step([faces()])
        assert "l1" not in terms
    assert not changed(net, run.net)
    assert changed(discriminator, run.discriminator_step.discriminator)
    run.train_step([faces()])
    assert changed(net, run.net)


def test_state_holds_the_usual_opinions(tiny_with: Callable[..., Config]) -> None:
    config = tiny_with(*PROJECTED)
    first, second = trainer(config), trainer(config)
    first.train_step([faces()])
    state = copy.deepcopy(first.state())
    assert state["d_usual"].tolist() != [0, 0]
    expected = first.train_step([faces()])
    second.load_state(state)
    assert second.train_step([faces()]) == expected


@pytest.mark.parametrize("strength", [0.25, 1.0])
def test_balance_makes_the_opinion_a_share_of_the_gradient(
    tiny_with: Callable[..., Config], strength: float
) -> None:
    run = trainer(
        tiny_with(*PROJECTED, f"loss.adversarial={strength}", "discriminator.augment=false")
    )
    loss, batch = run.config.loss, faces()

    def gradient(adversarial: float) -> torch.Tensor:
        restored = batch.damaged.clone().requires_grad_()
        outcome = run._objective.score(restored, batch, replace(loss, adversarial=adversarial))
        (found,) = torch.autograd.grad(outcome.total, restored)
        return found

    own = gradient(0)
    push = gradient(strength) - own
    assert float(push.norm() / own.norm()) == pytest.approx(strength, rel=1e-3)


def test_heads_and_regions_have_a_logit_map_each() -> None:
    net = ProjectedDiscriminator((4, 6), channels=8)
    features = [torch.rand(2, 4, 16, 16), torch.rand(2, 6, 8, 8)]
    logits, matched = net.score(*features, torch.rand(3, 3, 32, 32))
    assert [tuple(x.shape) for x in logits] == [(2, 1, 8, 8), (2, 1, 4, 4), (3, 1, 4, 4)]
    assert matched == []
    assert len(net.score(*features, torch.zeros(0, 3, 32, 32))[0]) == 2


def test_regions_lie_around_eyes_mouth_and_cheek_of_sharp_faces() -> None:
    images = torch.zeros(2, 3, 64, 64)
    points = (
        torch.tensor([[20, 24], [44, 24], [32, 34], [24, 46], [40, 46]]).float().expand(2, 5, 2)
    )
    for x, y in ((20, 24), (44, 24), (32, 46)):
        images[1, :, y, x] = 1
    cuts = cut_regions(images, points.expand(2, 5, 2), torch.tensor([0.0, 1.0]), 16)
    assert cuts.shape == (4, 3, 16, 16)
    assert [float(cut.max()) for cut in cuts] == [1, 1, 1, 0]


def test_augmented_images_differ_and_pass_gradients() -> None:
    images = torch.rand(3, 3, 32, 32, requires_grad=True)
    first, second = augment(images), augment(images)
    assert first.shape == images.shape
    assert not torch.allclose(first, second)
    (gradient,) = torch.autograd.grad(first.sum(), images)
    assert float(gradient.abs().sum()) > 0
    assert augment(images[:0]).shape == (0, 3, 32, 32)


def test_lecam_pulls_either_side_towards_the_usual_other() -> None:
    real, fake = torch.full((4,), 2.0), torch.full((4,), -2.0)
    apart = losses.lecam(real, fake, torch.tensor(2.0), torch.tensor(-2.0))
    near = losses.lecam(real / 4, fake / 4, torch.tensor(0.5), torch.tensor(-0.5))
    assert float(apart) == pytest.approx(32)
    assert float(near) < float(apart)


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("files.lpips_backbone=", "files.lpips_backbone"),
        ("loss.r1=1", "loss.r1"),
        ("discriminator.region=128", "discriminator.region"),
    ],
)
def test_settings_that_it_cannot_work_with_are_refused(
    tiny_with: Callable[..., Config], override: str, key: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        check_config(tiny_with(*PROJECTED, override))
    assert caught.value.key == key
