"""Where GPEN breaks in f16 and bf16, on the CPU, into benchmarks/results/engines-f16.json.

    python benchmarks/engines_f16.py [--crops FOLDER] [--sizes 512 2048]

Three ways to compute in a precision are compared with f32 (PSNR of 8-bit colour, "broken" where
values are no numbers): "half" turns the whole reference module into it, as programs around the
public code do; "autocast" lets torch choose what stays f32, as this project did first; "ours" is
the engine torch. Networks are the default one and random ones of published widths, as they are and
rewritten: the rewritten ones compute the same image in f32 with other magnitudes, as trained
networks may have them. "code" has a code 1,000 times as long, which the mapping network normalises;
"style" has styles 200 times as large and "weak" weights 1/50 as large, which demodulation undoes.

Products are computed in f32 and rounded once, as tensor cores do it, whatever this CPU would do.

Then single parts of the reference module are turned into f16 alone: what each costs, and the
largest value that it makes. The default network takes a minute, each size several, on two cores.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from engines_compare import psnr
from engines_prepare import load_pictures, random_network, reference_module
from gpen.engines.torch_network import InferenceNetwork
from gpen.models import Tensor, Weights, find_model, load_weights
from report import machine, markdown, write_results

DEFAULT_MODEL = "gpen-default-256"
DTYPES = {"f16": torch.float16, "bf16": torch.bfloat16}
Rewrite = Callable[[str], float]


def _rewrites() -> dict[str, Rewrite]:
    """Factors of each tensor that leave the image as it is, but for the epsilons."""

    def code(name: str) -> float:
        return 1000.0 if name.startswith("final_linear") else 1.0

    def style(name: str) -> float:
        demodulated = ".modulation." in name and "to_rgb" not in name
        return 200.0 if demodulated else 1.0

    def weak(name: str) -> float:
        demodulated = name.startswith("generator.conv") and name.endswith(".conv.weight")
        return 1 / 50 if demodulated else 1.0

    return {"as it is": lambda _: 1.0, "code": code, "style": style, "weak": weak}


#: Parts of the reference module, as the ends of names, that are turned into f16 alone.
PARTS: dict[str, Callable[[str, str], bool]] = {
    "encoder": lambda name, _: name.startswith("ecd") and name.count(".") == 0,
    "final linear": lambda name, _: name == "final_linear",
    "mapping": lambda name, _: name == "generator.style",
    "modulated convolutions": lambda name, kind: kind == "ModulatedConv" and "to_rgb" not in name,
    "to RGB": lambda name, _: "to_rgb" in name and name.endswith(".conv"),
    "upsampling of RGB": lambda name, _: name.endswith(".upsample"),
}


def rewritten(weights: Weights, rewrite: Rewrite) -> dict[str, Tensor]:
    """The tensors times their factors."""
    return {
        name: Tensor("f32", (tensor.float32() * np.float32(rewrite(name))).astype(np.float32))
        for name, tensor in weights.tensors.items()
    }


def compared(
    name: str, weights: Weights, images: torch.Tensor, folder: Path
) -> Iterator[dict[str, Any]]:
    """PSNR of each precision and way, for each rewrite of a network."""
    from gpen.models.safetensors import write_safetensors

    assert weights.net is not None
    for rewrite, factors in _rewrites().items():
        tensors = rewritten(weights, factors)
        path = folder / "rewritten.safetensors"
        write_safetensors(tensors, path)
        exact = run(reference_module(path), images)
        for precision, dtype in DTYPES.items():
            half = reference_module(path).to(dtype)
            fast = InferenceNetwork(weights.net, tensors, torch.device("cpu"), dtype)
            outputs = {
                "half": run(half, images.to(dtype)),
                "autocast": run(_autocast(reference_module(path), dtype), images),
                "ours": run(fast, images),
            }
            shown = {way: _told(output, exact) for way, output in outputs.items()}
            yield {"network": name, "magnitudes": rewrite, "precision": precision, **shown}


class AsTensorCores(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sums of products of f16 and bf16 in f32, rounded once; CPUs are slow at it, or sum in f16."""

    _PRODUCTS = (
        torch.ops.aten.convolution.default,
        torch.ops.aten.bmm.default,
        torch.ops.aten.mm.default,
        torch.ops.aten.addmm.default,
    )

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Compute one operation."""
        given = [x for x in args if isinstance(x, torch.Tensor)]
        narrow = next((x.dtype for x in given if x.dtype in DTYPES.values()), None)
        if operation not in self._PRODUCTS or narrow is None:
            return operation(*args, **(kwargs or {}))
        wide = [x.float() if isinstance(x, torch.Tensor) else x for x in args]
        return operation(*wide, **(kwargs or {})).to(narrow)


def run(network: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor) -> Any:
    """(N, 3, S, S) f32, one image after the other."""
    with torch.no_grad(), AsTensorCores():  # type: ignore[no-untyped-call]
        return torch.cat([network(image[None]).float() for image in images]).numpy()


def _autocast(module: Any, dtype: torch.dtype) -> Callable[[torch.Tensor], torch.Tensor]:
    fast = type(module)(module.config)
    fast.load_state_dict(module.state_dict())

    def call(image: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype):
            output: torch.Tensor = fast(image)
        return output

    return call


def _told(output: Any, exact: Any) -> str:
    if not np.isfinite(output).all():
        return "broken"
    values = psnr(output, exact)
    return f"{statistics.fmean(values):.1f} (lowest {min(values):.1f})"


def parts(images: torch.Tensor, path: Path) -> Iterator[dict[str, Any]]:
    """What each part costs that alone is f16."""
    exact = run(reference_module(path), images)
    for part, belongs in PARTS.items():
        module = reference_module(path)
        chosen = [m for name, m in module.named_modules() if belongs(name, type(m).__name__)]
        with _in_f16(chosen) as largest:
            output = run(module, images)
        largest_value = f"{max(largest):.3g}" if largest else ""
        yield {"part in f16": part, "PSNR dB": _told(output, exact), "largest": largest_value}


@contextmanager
def _in_f16(modules: list[torch.nn.Module]) -> Iterator[list[float]]:
    """Turn modules into f16; yields the largest values that they answer."""
    largest: list[float] = []

    def narrow(_: torch.nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(x.half() if isinstance(x, torch.Tensor) else x for x in given)

    def widen(_: torch.nn.Module, __: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        largest.append(output.abs().max().item())
        return output.float()

    for module in modules:
        module.half()
        module.register_forward_pre_hook(narrow)
        module.register_forward_hook(widen)
    yield largest


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--crops", default="", help="folder of aligned .jpg crops")
    parser.add_argument("--sizes", type=int, nargs="*", default=[])
    parser.add_argument("--count", type=int, default=2, help="crops for each network")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    table: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        for subject in [DEFAULT_MODEL, *map(str, options.sizes)]:
            path = Path(name) / "random.safetensors"
            size = int(subject) if subject.isdigit() else 256
            images = load_pictures(options.crops, size, options.count)
            if subject.isdigit():
                random_network(size, images[0], path)
            else:
                path = find_model(subject).path
            weights, given = load_weights(path), torch.from_numpy(images)
            title = f"random {size}" if subject.isdigit() else subject
            found = list(compared(title, weights, given, Path(name)))
            print(markdown(found), flush=True)
            alone = list(parts(given, path))
            print(markdown(alone), flush=True)
            table += found
            rows += [{**row, "network": title} for row in (*found, *alone)]
    write_results("engines-f16", {"machine": machine(), "rows": rows}, table)


if __name__ == "__main__":
    main()
