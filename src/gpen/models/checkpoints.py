"""Finds the network to use in what training tools save: wrappers and prefixes of names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from .kinds import recognise

T = TypeVar("T")

# Where checkpoints keep the network to use, best first: moving averages, then the rest.
_WRAPPERS = (
    "g_ema",
    "G_ema",
    "netG_ema",
    "params_ema",
    "params-ema",
    "ema",
    "params",
    "state_dict",
    "model_state_dict",
    "net_state_dict",
)
_MORE_WRAPPERS = ("model", "net", "netG", "generator", "g", "d")
#: Beginnings of names that mean no more than a wrapper does, best first. `generator.` is none: the
#: names of a GPEN network begin with it.
_PREFIXES = tuple(f"{name}." for name in (*_WRAPPERS, "module", "netG", "model", "net", "g"))
#: torch.compile puts it wherever a module was compiled.
_COMPILED = "_orig_mod."
_MAX_DEPTH = 4

#: What libraries store beside a network's own tensors, and no network needs for its outputs.
_BOOKKEEPING = re.compile(
    r"(.*\.)?(num_batches_tracked|n_averaged|noises\.noise_\d+|latent_avg|mean_latent|w_avg)"
)


def unwrapped(tree: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """The innermost state dict that a checkpoint keeps under one of the usual names."""
    for _ in range(_MAX_DEPTH):
        inner = (tree.get(key) for key in (*_WRAPPERS, *_MORE_WRAPPERS))
        found = next((value for value in inner if isinstance(value, Mapping)), None)
        if found is None:
            break
        tree = found
    return tree


def plain_names(state: Mapping[str, T]) -> dict[str, T]:
    """Tensors under the names that the network itself gives them.

    Where names without a prefix are those of a network that gpen knows, nothing is taken off.
    Of a file with several networks (`params_ema.…` and `params.…`) the best is taken.

    Example:
        >>> plain_names({"module._orig_mod.a": 1, "module.b": 2})
        {'a': 1, 'b': 2}
    """
    plain = {name.replace(_COMPILED, ""): value for name, value in state.items()}
    for _ in range(_MAX_DEPTH):
        prefix = next((p for p in _PREFIXES if any(name.startswith(p) for name in plain)), None)
        if prefix is None or recognise(plain):
            break
        plain = {
            name.removeprefix(prefix): value
            for name, value in plain.items()
            if name.startswith(prefix)
        }
    return plain


def is_bookkeeping(name: str) -> bool:
    """Whether a tensor is a count or an average that no network needs for its outputs."""
    return _BOOKKEEPING.fullmatch(name) is not None
