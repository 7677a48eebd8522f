"""Every loss against values worked out by hand, and the directions it pushes in."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from gpen.training import losses  # noqa: E402


def image(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(1, 1, 1, -1).expand(2, 3, 4, -1).clone()


@pytest.mark.parametrize(
    ("loss", "expected"), [("l1", 1.125), ("l2", 2.03125), ("smooth_l1", (1.5 + 0.03125) / 2)]
)
def test_pixel_losses_average_over_each_picture(loss: str, expected: float) -> None:
    restored = image(2.0, 0.25)  # errors of 2 and -0.25 to the truth
    truth = image(0.0, 0.5)
    output = getattr(losses, loss)(restored, truth)
    torch.testing.assert_close(output, torch.full((2,), expected))


@pytest.mark.parametrize("loss", ["l1", "l2", "smooth_l1"])
def test_pixel_losses_push_towards_the_truth_in_bf16_too(loss: str) -> None:
    restored = image(0.5, -0.5).bfloat16().requires_grad_()
    output = getattr(losses, loss)(restored, image(0.0, 0.0))
    assert output.dtype == torch.float32
    output.sum().backward()
    assert (restored.grad[..., 0] > 0).all()
    assert (restored.grad[..., 1] < 0).all()


def test_importance_multiplies_errors() -> None:
    importance = torch.tensor([3.0, 1.0]).expand(2, 1, 4, 2)
    output = losses.l1(image(1.0, 0.0), image(0.0, 0.0), importance)
    torch.testing.assert_close(output, torch.tensor([1.5, 1.5]))


POINTS_XY = torch.tensor([[[20.0, 24], [44, 24], [32, 36], [22, 48], [42, 48]]])


def test_importance_is_greatest_at_eyes_and_mouth_and_1_far_away() -> None:
    weights = losses.importance_map(POINTS_XY, 64, eyes=2, mouth=3)[0, 0]
    assert weights[24, 20] == weights[24, 44] == 3
    assert weights[48, 22] == weights[48, 32] == weights[48, 42] == 4
    assert weights[0, 63] == pytest.approx(1, abs=1e-3)
    assert weights.max() == 4
    assert weights.min() >= 1


def test_importance_falls_as_a_bell_of_a_quarter_of_the_eye_distance() -> None:
    weights = losses.importance_map(POINTS_XY, 64, eyes=1, mouth=0)[0, 0]
    assert float(weights[18, 20]) == pytest.approx(1 + math.exp(-0.5))


def test_importance_scales_with_the_face_and_survives_a_profile() -> None:
    large = losses.importance_map(POINTS_XY * 4, 256, eyes=1, mouth=1)
    small = losses.importance_map(POINTS_XY, 64, eyes=1, mouth=1)
    torch.testing.assert_close(large[..., ::4, ::4], small)
    profile = POINTS_XY.clone()
    profile[:, 1], profile[:, 4] = profile[:, 0], profile[:, 3]
    weights = losses.importance_map(profile, 64, eyes=1, mouth=1)
    assert torch.isfinite(weights).all()
    assert weights[0, 0, 24, 20] == 2


def test_no_importance_is_1_everywhere() -> None:
    assert (losses.importance_map(POINTS_XY, 64, eyes=0, mouth=0) == 1).all()


def test_logistic_loss_of_undecided_logits_is_log_2() -> None:
    logits = [torch.zeros(2, 1), torch.zeros(2, 1, 3, 3)]
    assert float(losses.generator_loss(logits, "nonsaturating")) == pytest.approx(math.log(2))
    both = losses.discriminator_loss(logits, logits, "nonsaturating")
    assert float(both) == pytest.approx(2 * math.log(2))


def test_hinge_loss_by_hand() -> None:
    real, fake = [torch.tensor([0.5, 3.0])], [torch.tensor([-2.0, 0.0])]
    assert float(losses.discriminator_loss(real, fake, "hinge")) == pytest.approx(0.25 + 0.5)
    assert float(losses.generator_loss(fake, "hinge")) == pytest.approx(1.0)


def test_scales_count_the_same_whatever_their_number_of_patches() -> None:
    logits = [torch.ones(1, 1), torch.full((1, 1, 8, 8), -3.0)]
    assert float(losses.generator_loss(logits, "hinge")) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["nonsaturating", "hinge"])
def test_generator_and_discriminator_pull_in_opposite_directions(kind: str) -> None:
    fake = torch.zeros(3, 1, requires_grad=True)
    (for_generator,) = torch.autograd.grad(losses.generator_loss([fake], kind), fake)
    against = losses.discriminator_loss([torch.zeros(3, 1)], [fake], kind)
    (for_discriminator,) = torch.autograd.grad(against, fake)
    assert (for_generator < 0).all()
    assert (for_discriminator > 0).all()


def test_feature_matching_averages_layers_and_spares_the_truth() -> None:
    fake = [torch.full((1, 2, 2, 2), 3.0, requires_grad=True), torch.zeros(1, 4, 1, 1)]
    real = [torch.full((1, 2, 2, 2), 1.0, requires_grad=True), torch.zeros(1, 4, 1, 1)]
    output = losses.feature_matching(fake, real)
    output.backward()
    assert float(output.detach()) == pytest.approx(1.0)
    assert (fake[0].grad > 0).all()
    assert real[0].grad is None


def test_r1_of_a_linear_judge_is_the_square_of_its_weights() -> None:
    weight = torch.randn(3, 4, 4, requires_grad=True)
    images = torch.randn(5, 3, 4, 4, requires_grad=True)
    logits = (images * weight).sum(dim=(1, 2, 3)).unsqueeze(1)
    penalty = losses.r1_penalty([logits], images)
    torch.testing.assert_close(penalty, weight.square().sum())
    penalty.backward()
    torch.testing.assert_close(weight.grad, 2 * weight.detach())


def test_r1_takes_the_mean_of_patches_and_scales() -> None:
    images = torch.randn(2, 3, 4, 4, requires_grad=True)
    patches = images.mean(dim=1, keepdim=True)  # 16 logits, each of gradient 1/3 at three values
    expected = 16 * 3 * (1 / 3 / 16) ** 2
    assert float(losses.r1_penalty([patches], images)) == pytest.approx(expected)
    assert float(losses.r1_penalty([patches, patches], images)) == pytest.approx(expected)


def test_path_lengths_of_a_synthesis_that_scales_one_pixel_are_those_of_the_noise() -> None:
    torch.manual_seed(0)
    scale = torch.tensor(3.0, requires_grad=True)
    w = torch.randn(4, 2, requires_grad=True)
    images = (scale * w[:, :1])[..., None, None]  # (4, 1, 1, 1)
    noise = torch.randn(4, 1, 1, 1)
    found = losses.path_lengths(images, w, noise)
    newest = found.detach().mean()
    penalty, mean = losses.path_length_penalty(found, newest, torch.tensor(1.0))
    lengths = 3 * noise.flatten().abs()
    torch.testing.assert_close(found, lengths)
    expected_mean = 1 + 0.01 * (lengths.mean() - 1)
    torch.testing.assert_close(mean, expected_mean)
    torch.testing.assert_close(penalty, (lengths - expected_mean).square().mean())
    assert not mean.requires_grad
    penalty.backward()
    assert torch.isfinite(scale.grad)


def test_path_length_survives_pictures_that_do_not_move() -> None:
    w = torch.randn(2, 3, requires_grad=True)
    gain = torch.zeros(1, requires_grad=True)
    images = (gain * w.sum(dim=1))[:, None, None, None]
    lengths = losses.path_lengths(images, w, torch.randn_like(images))
    penalty, _ = losses.path_length_penalty(lengths, torch.tensor(0.0), torch.tensor(1.0))
    penalty.backward()
    assert torch.isfinite(gain.grad).all()
