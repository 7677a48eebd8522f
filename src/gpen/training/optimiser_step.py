"""Adam for one network: averages gradients over processes, clips them, and checks them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .config_sections import Optimiser
from .processes import Processes


class NotFiniteError(Exception):
    """A loss or a gradient is NaN or infinite; the weights were not updated."""


class Learner:
    """A network and its optimiser.

    Attributes:
        net: The network.
        adam: Its optimiser.
        scaler: Scales its losses under f16.
    """

    def __init__(
        self,
        net: nn.Module,
        groups: Sequence[tuple[list[nn.Parameter], float]],
        config: Optimiser,
        processes: Processes,
        scaler: torch.amp.GradScaler,
        *,
        lazy: int,
    ) -> None:
        """Set Adam up.

        A lazy regulariser adds one update to every `lazy` ones; learning rate and betas are
        adjusted for that (StyleGAN2, Karras et al., CVPR 2020, appendix B).

        Args:
            net: The network.
            groups: Its parameters in groups, each with a factor for `config.lr`.
            config: Learning rate, betas, clipping.
            processes: The processes of the run.
            scaler: Scales losses in f16.
            lazy: Steps between lazy regularisations; 0 for none.
        """
        self.net, self.scaler = net, scaler
        self._config, self._processes = config, processes
        ratio = lazy / (lazy + 1) if lazy else 1.0
        beta1, beta2 = (beta**ratio for beta in config.betas)
        rated = [
            {"params": parameters, "lr": 0.0, "full_lr": config.lr * share * ratio}
            for parameters, share in groups
        ]
        self.adam = torch.optim.Adam(rated, betas=(beta1, beta2))

    def forget_gradients(self) -> None:
        """Clear the gradients."""
        self.adam.zero_grad(set_to_none=True)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss."""
        torch.autograd.backward(self.scaler.scale(loss))

    def take_step(self, rate: float, terms: dict[str, Tensor]) -> Tensor:
        """Update the weights by the mean gradient of all processes.

        Args:
            rate: Factor of the learning rates.
            terms: Losses that must be finite.

        Returns:
            The gradient norm before clipping.

        Raises:
            NotFiniteError: A loss or gradient is not finite. In f16 gradients may be infinite while
                the scaler searches for its scale.
        """
        for group in self.adam.param_groups:
            group["lr"] = group["full_lr"] * rate
        self._processes.average_gradients(self.net.parameters())
        self.scaler.unscale_(self.adam)
        limit = self._config.clip_norm or math.inf
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), limit)
        finite = bool(torch.stack([norm.new_zeros(()), *terms.values()]).isfinite().all())
        searching = self.scaler.is_enabled() and self.scaler.get_scale() > 1
        if self._processes.any(not finite or not (searching or bool(norm.isfinite()))):
            self.scaler.update()  # ends the step for the scaler too
            raise NotFiniteError
        self.scaler.step(self.adam)
        self.scaler.update()
        return norm.detach()

    def load_adam(self, state: dict[str, Any]) -> None:
        """Take Adam's moments over, but keep the rates and betas of this run's config."""
        kept = [
            {name: group[name] for name in ("full_lr", "betas")} for group in self.adam.param_groups
        ]
        self.adam.load_state_dict(state)
        for group, own in zip(self.adam.param_groups, kept, strict=True):
            group.update(own)


def add_terms(sums: dict[str, Tensor], terms: dict[str, Tensor], factor: float) -> None:
    """Add terms, times a factor, to sums of the same names."""
    for name, term in terms.items():
        sums[name] = sums.get(name, 0) + term.detach() * factor
