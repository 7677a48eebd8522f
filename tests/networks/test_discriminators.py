"""Both discriminators: groups, features, second derivatives, bf16, bad settings."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from gpen.networks.discriminator import Discriminator  # noqa: E402
from gpen.networks.patchgan import PatchDiscriminator  # noqa: E402


def stylegan2(group: int = 0) -> Discriminator:
    torch.manual_seed(0)
    return Discriminator(32, narrow=1 / 64, group=group)


def patches(size: int = 128, resolutions: tuple[int, ...] = (64, 128)) -> PatchDiscriminator:
    torch.manual_seed(0)
    return PatchDiscriminator(size, resolutions=resolutions, channels=4)


def test_groups_make_two_halves_of_a_batch_answer_as_the_whole() -> None:
    net, images = stylegan2(group=2), torch.randn(8, 3, 32, 32)
    halves = torch.cat([net(images[:4]), net(images[4:])])
    torch.testing.assert_close(net(images), halves)


def test_without_groups_every_picture_is_compared_with_the_whole_batch() -> None:
    net, images = stylegan2(), torch.randn(4, 3, 32, 32)
    assert not torch.allclose(net(images)[:2], net(images[:2]))
    torch.testing.assert_close(net(images), stylegan2(group=4)(images))


def test_batch_that_does_not_fall_into_groups_is_refused() -> None:
    with pytest.raises(ValueError, match="6 images do not fall into groups of 4"):
        stylegan2(group=4)(torch.randn(6, 3, 32, 32))


def test_stylegan2_shows_the_features_of_every_halving() -> None:
    net, images = stylegan2(), torch.randn(2, 3, 32, 32)
    (logits,), features = net.score(images)
    torch.testing.assert_close(logits, net(images))
    assert [feature.shape[2] for feature in features] == [16, 8, 4]


def test_patchgan_judges_every_resolution_up_to_the_size() -> None:
    logits, features = patches(128, (64, 128, 256, 2048)).score(torch.randn(2, 3, 128, 128))
    assert [tuple(x.shape) for x in logits] == [(2, 1, 6, 6), (2, 1, 14, 14)]
    assert [feature.shape[1] for feature in features] == [4, 8, 16, 32] * 2


def test_patchgan_sees_area_averages() -> None:
    net = patches(128, (64,))
    small = torch.randn(1, 3, 64, 64)
    checkers = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(64, 64)
    large = small.repeat_interleave(2, 2).repeat_interleave(2, 3) + checkers
    expected, _ = net.scales["64"](small)
    torch.testing.assert_close(net(large)[0], expected, rtol=1e-4, atol=1e-5)


def test_patchgan_looks_at_patches_of_70_pixels() -> None:
    image = torch.zeros(1, 3, 256, 256, requires_grad=True)
    patches(256, (256,))(image)[0][0, 0, 15, 15].backward()
    seen = image.grad.abs().sum(dim=(0, 1, 2)).nonzero()
    assert int(seen.max() - seen.min()) + 1 == 70


def test_patchgan_of_a_picture_does_not_depend_on_its_batch() -> None:
    net, images = patches(), torch.randn(3, 3, 128, 128)
    torch.testing.assert_close(net(images)[1][:1], net(images[:1])[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "resolutions", [(), (32,), (96,), (64, 64), (4096,), (0,), (-64,)], ids=str
)
def test_resolutions_that_mean_nothing_are_refused(resolutions: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="PatchGAN"):
        patches(4096, resolutions)


def test_pictures_smaller_than_every_resolution_are_refused() -> None:
    with pytest.raises(ValueError, match="resolution of at most 64"):
        patches(64, (128, 256))


@pytest.mark.parametrize("make", [stylegan2, patches])
@pytest.mark.parametrize("half", [False, True])
def test_gradient_of_a_gradient_reaches_every_weight(make, half: bool) -> None:
    net = make()
    images = torch.randn(2, 3, *([32] * 2 if make is stylegan2 else [128] * 2), requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        logits, _ = net.score(images)
    total = sum(x.float().sum() for x in logits)
    (gradient,) = torch.autograd.grad(total, images, create_graph=True)
    gradient.square().sum().backward()
    for name, parameter in net.named_parameters():
        if name.endswith("weight"):
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.abs().sum() > 0, name
