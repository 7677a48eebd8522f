"""Single steps of a run: who judges what, when, and how the networks change."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from gpen.networks.discriminator import Discriminator  # noqa: E402
from gpen.training import losses  # noqa: E402
from gpen.training.batches import Batch  # noqa: E402
from gpen.training.config import Config  # noqa: E402
from gpen.training.perceptual_losses import PerceptualLosses  # noqa: E402
from gpen.training.processes import Processes  # noqa: E402
from gpen.training.trainer import Trainer  # noqa: E402

QUIET = "loss={adversarial=0, feature_matching=0}"
PATCHGAN = (
    "network.size=64",
    "discriminator.kind=patchgan",
    "discriminator.patch_channels=4",
    "discriminator.resolutions=[64]",
)


def trainer(config: Config) -> Trainer:
    return Trainer(config, PerceptualLosses(), Processes("cpu"))


def faces(size: int, count: int = 4) -> Batch:
    random = torch.Generator().manual_seed(3)
    truth = torch.rand(count, 3, size, size, generator=random) * 2 - 1
    points = torch.rand(count, 5, 2, generator=random) * size
    return Batch.of_sharp_faces(truth * 0.7, truth, points, torch.ones(count))


@pytest.mark.parametrize("parts", [1, 2])
def test_truth_is_judged_once_for_both_networks(
    tiny_with: Callable[..., Config], monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    run = trainer(tiny_with("loss.r1=0", f"optimiser.accumulate={parts}", "discriminator.group=0"))
    batches = [faces(32, 4 // parts) for _ in range(parts)]
    judged, judge = [], Discriminator.score

    def count(self: Discriminator, image: torch.Tensor) -> object:
        judged.append(image)
        return judge(self, image)

    monkeypatch.setattr(Discriminator, "score", count)
    run.train_step(batches)
    for batch in batches:
        assert sum(image is batch.truth for image in judged) == 1
    assert len(judged) == 3 * parts  # and what was restored, once for each network


def test_both_networks_learn_as_if_each_had_judged_by_itself(
    tiny_with: Callable[..., Config],
) -> None:
    """Against a step written down plainly: the generator's, then the discriminator's."""
    config = tiny_with("loss.r1=0", "loss.eyes=0", "discriminator.group=0")
    run, batch = trainer(config), faces(32)
    assert run.discriminator_step is not None
    net, judge = copy.deepcopy(run.net), copy.deepcopy(run.discriminator_step.discriminator)
    rate, betas = config.optimiser.lr, config.optimiser.betas
    adams = [torch.optim.Adam(n.parameters(), lr=rate, betas=betas) for n in (net, judge)]
    restored = net(batch.damaged)
    logits, features = judge.score(restored)
    wanted = [layer.detach() for layer in judge.score(batch.truth)[1]]
    loss = config.loss.l1 * (restored - batch.truth).abs().mean()
    loss = loss + config.loss.adversarial * losses.generator_loss(logits, "nonsaturating")
    loss = loss + config.loss.feature_matching * losses.feature_matching(features, wanted)
    loss.backward()
    adams[0].step()
    judge.zero_grad()
    outputs = judge.score(batch.truth)[0], judge.score(restored.detach())[0]
    losses.discriminator_loss(*outputs, "nonsaturating").backward()
    adams[1].step()
    run.train_step([batch])
    for ours, plain in ((run.net, net), (run.discriminator_step.discriminator, judge)):
        for (name, value), expected in zip(
            ours.named_parameters(), plain.parameters(), strict=True
        ):
            torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5, msg=name)


def test_discriminator_is_built_when_a_stage_first_needs_it_and_stays(
    tiny_with: Callable[..., Config],
) -> None:
    config = tiny_with(
        *PATCHGAN,
        "network.narrow=0.2",
        f"stages=[{{steps=1, size=32, {QUIET}}}, {{steps=1, {QUIET}}}, {{steps=1}},"
        f"{{steps=1, {QUIET}}}]",
    )
    run = trainer(config)
    assert run.discriminator_step is None
    assert "discriminator" not in run.train_step([faces(32)])
    run.grow(64)
    assert "discriminator" not in run.train_step([faces(64)])
    assert run.discriminator_step is None
    assert "discriminator" in run.train_step([faces(64)])
    met = run.discriminator_step
    assert met is not None
    before = copy.deepcopy(met.discriminator.state_dict())
    assert "discriminator" not in run.train_step([faces(64)])
    assert run.discriminator_step is met
    for name, value in met.discriminator.state_dict().items():
        assert torch.equal(value, before[name])


def test_state_of_a_run_without_a_discriminator_begins_one_with_it_afresh(
    tiny_with: Callable[..., Config],
) -> None:
    first = trainer(tiny_with(f"stages=[{{steps=2, {QUIET}}}, {{steps=1}}]"))
    first.train_step([faces(32)])
    state = first.state()
    assert "d" not in state
    second = trainer(tiny_with("stages=[{steps=3}]"))
    second.load_state(state)
    assert "discriminator" in second.train_step([faces(32)])
