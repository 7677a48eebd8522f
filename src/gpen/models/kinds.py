"""The kinds of weight files, and how each is recognised."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Role = Literal["restorer", "upscaler", "detector", "identity", "landmarks", "reliability", "none"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A family of weight files.

    Attributes:
        id: Short name, as `gpen models` shows it.
        title: What to call it in a sentence.
        marks: Tensor names, or their beginnings where they end in `*`, that together are found in
            no other family.
        role: What gpen can use it for.
    """

    id: str
    title: str
    marks: tuple[str, ...]
    role: Role = "none"


#: GPEN generators of the published family, which every tool reads.
PUBLISHED_KINDS = ("gpen", "gpen-sr")
#: GPEN generators that keep the image when they compute in bf16 or f16.
HALVABLE_KINDS = (*PUBLISHED_KINDS, "gpen-subpixel")
#: All GPEN generators.
GENERATOR_KINDS = (*HALVABLE_KINDS, "gpen-described", "gpen-modular")

#: The first whose marks are all there is meant, so the particular stand before the general.
KINDS = (
    Kind(
        "gpen-subpixel",
        "a sub-pixel GPEN generator",
        ("ecd0.0.0.weight", "generator.input.input", "generator.to_pixels.*"),
        role="restorer",
    ),
    Kind(
        "gpen",
        "a GPEN generator",
        ("ecd0.0.0.weight", "final_linear.0.weight", "generator.input.input"),
        role="restorer",
    ),
    Kind(
        "gpen-modular",
        "a GPEN generator with a ResNet",
        ("encoder.conv1.weight", "encoder.fc.weight", "generator.input.input"),
        role="restorer",
    ),
    Kind(
        "gpen-discriminator",
        "a GPEN discriminator",
        ("convs.1.conv1.0.weight", "final_conv.0.weight", "final_linear.1.weight"),
    ),
    Kind(
        "retinaface",
        "a RetinaFace detector",
        ("BboxHead.0.conv1x1.weight", "ClassHead.0.conv1x1.weight", "LandmarkHead.*"),
        role="detector",
    ),
    Kind("gfpgan", "a GFPGAN restorer", ("stylegan_decoder.*", "final_linear.weight")),
    Kind("codeformer", "a CodeFormer restorer", ("quantize.embedding.weight", "ft_layers.*")),
    Kind(
        "restoreformer",
        "a RestoreFormer restorer",
        ("quantize.embedding.weight", "encoder.conv_in.weight", "decoder.conv_in.weight"),
    ),
    Kind(
        "restoreformer",
        "a RestoreFormer restorer",
        ("vqvae.quantize.embedding.weight", "vqvae.encoder.conv_in.weight"),
    ),
    Kind("stable-diffusion", "a Stable Diffusion model", ("model.diffusion_model.*",)),
    Kind("stable-diffusion", "a Stable Diffusion VAE", ("encoder.mid.*", "post_quant_conv.*")),
    Kind("stable-diffusion", "a Stable Diffusion LoRA", ("lora_unet_*",)),
    Kind("rrdb", "a Real-ESRGAN upscaler", ("conv_first.weight", "body.0.rdb1.conv1.weight")),
    Kind("rrdb", "an ESRGAN upscaler", ("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight")),
    Kind("rrdb", "an ESRGAN upscaler", ("conv_first.weight", "RRDB_trunk.0.RDB1.conv1.weight")),
    Kind("parsenet", "a ParseNet face parser", ("out_mask_conv.conv2d.weight",)),
    Kind("bisenet", "a BiSeNet face parser", ("cp.resnet.conv1.weight", "conv_out.*")),
    Kind(
        "stylegan2",
        "a bare StyleGAN2 generator",
        ("style.1.weight", "input.input", "conv1.conv.weight"),
    ),
    Kind("stylegan2", "a bare StyleGAN2 generator", ("synthesis.b4.const", "mapping.*")),
    Kind(
        "arcface",
        "an ArcFace identity network",
        ("input_layer.0.weight", "output_layer.*"),
        role="identity",
    ),
    Kind(
        "mobilefacenet",
        "a MobileFaceNet identity network",
        ("dw_conv1.conv.weight", "linear7.conv.weight"),
        role="identity",
    ),
    Kind("lpips", "the heads of an LPIPS metric", ("lin0.model.1.weight",)),
    Kind(
        "compact",
        "a small Real-ESRGAN upscaler",
        ("body.0.weight", "body.0.bias", "body.1.weight", "body.2.weight", "body.2.bias"),
    ),
)


def recognise(names: Iterable[str]) -> Kind | None:
    """The family that tensor names belong to, or None."""
    known = set(names)

    def has(mark: str) -> bool:
        if mark.endswith("*"):
            return any(name.startswith(mark[:-1]) for name in known)
        return mark in known

    return next((kind for kind in KINDS if all(map(has, kind.marks))), None)
