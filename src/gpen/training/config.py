"""What a training run is made of: one tree of frozen dataclasses; `config_file` reads it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..networks.gpen_config import published_channels

Precision = Literal["f32", "bf16", "f16"]


@dataclass(frozen=True, slots=True)
class Network:
    """The generator.

    Attributes:
        size: Side of the images it restores, in pixels.
        encoder: What turns the damaged image into a code: "conv" (published), "resnet50",
            "resnet101".
        encoder_width: Width of a ResNet's first layer, published 64; the conv encoder has its own.
        encoder_features: Whether the encoder's feature maps join the synthesis too.
        n_mlp: Layers from the code to the style; published 8, described 2.
        style_dim: Length of code and style.
        injection: How features and style enter: "concat" (published), "add", "adain".
        upsampling: "blur" (published: transposed convolution and blur) or "nearest".
        subpixel: 4 ends the levels at a quarter of the size, fed and read out by blocks of 4 × 4
            pixels, and returns the input plus a change; needs encoder "conv" and injection
            "concat". Published 1.
        refine_width: Channels at half the size, before the change is read off; with `subpixel` 4.
        channels: Width of each level, from 4 × 4 to `size` / `subpixel`; smaller stages have the
            first of them, sub-pixel networks the last. Empty takes the published ones, changed by
            the next two.
        channel_multiplier: Width of the levels from 64 px on.
        narrow: Width of all levels, of the published 1.
        pass_through: Whether the network begins by returning its input, and so learns only what to
            change; needs encoder "conv" and injection "concat". After `init` its last layers are
            set anew.
        init: Weights to start from: a path or the name of a model; empty starts from nothing.
        prior: A StyleGAN2 generator whose synthesis to start from; empty for none.
        encoder_init: torchvision's ResNet of ImageNet whose convolutions to start the encoder from;
            empty for none.
    """

    size: int = 256
    encoder: Literal["conv", "resnet50", "resnet101"] = "conv"
    encoder_width: int = 64
    encoder_features: bool = True
    n_mlp: int = 8
    style_dim: int = 512
    injection: Literal["concat", "add", "adain"] = "concat"
    upsampling: Literal["blur", "nearest"] = "blur"
    subpixel: Literal[1, 4] = 1
    refine_width: int = 16
    channels: tuple[int, ...] = ()
    channel_multiplier: float = 2.0
    narrow: float = 1.0
    pass_through: bool = False
    init: str = ""
    prior: str = ""
    encoder_init: str = ""

    def widths(self, size: int) -> tuple[int, ...]:
        """Widths of the levels, from 4 × 4 up, of the network for images of a side."""
        top = size // self.subpixel
        if not self.channels:
            return published_channels(top, self.channel_multiplier, self.narrow)
        levels = top.bit_length() - 2
        return self.channels[:levels] if self.subpixel == 1 else self.channels[-levels:]


@dataclass(frozen=True, slots=True)
class Discriminator:
    """What judges the generator's images.

    Attributes:
        kind: "stylegan2" (published), "patchgan" (several scales), "projected" (through the frozen
            features of `files.lpips_backbone`, in views of side `loss.cut`, and closely at eyes,
            mouth and cheek) or "none".
        channel_multiplier: Width of StyleGAN2's levels from 64 px on.
        narrow: Width of all of StyleGAN2's levels.
        group: Images compared with each other by StyleGAN2's minibatch deviation; 0 for the
            whole batch, as published.
        resolutions: Sides that PatchGAN looks at; those above the network's size are left out.
        patch_channels: Width of PatchGAN's first layer, and of the projected one's heads.
        region: Side in pixels of the regions that the projected one looks at closely.
        augment: Whether colours and place of both sides' faces are changed before they are judged.
    """

    kind: Literal["stylegan2", "patchgan", "projected", "none"] = "stylegan2"
    channel_multiplier: float = 2.0
    narrow: float = 1.0
    group: int = 0
    resolutions: tuple[int, ...] = (64, 128, 256, 512, 1024, 2048)
    patch_channels: int = 64
    region: int = 96
    augment: bool = False


@dataclass(frozen=True, slots=True)
class Loss:
    """Weight of each loss; 0 leaves it out.

    Attributes:
        l1: Mean absolute error.
        l2: Mean squared error.
        smooth_l1: Squared below 1, absolute above.
        perceptual: VGG-19 features; needs `files.vgg19`.
        l1_coarse: Mean absolute error at an eighth of the size: tone and colour.
        texture: Difference in the local strength of fine detail (Haar bands), wherever it lies.
        lpips: LPIPS; needs `files.lpips_backbone` and `files.lpips_heads`.
        cut: Side of the part that `perceptual`, `lpips` and `texture` look at: a cut at full size
            or the whole face shrunk to it, face by face; 0 for all of every face.
        identity: 1 - cosine of face embeddings, by `files.identity` or the one that gpen brings.
        adversarial: The discriminator's opinion.
        adversarial_kind: "nonsaturating" (published) or "hinge".
        balance: Whether `adversarial` is the length of its gradient at the output, as a share of
            that of all others (after Esser et al., CVPR 2021); else it is a weight.
        lecam: Weight of what keeps the discriminator's opinions of both sides together.
        r1: Gradient penalty on real images.
        r1_every: Steps between gradient penalties.
        feature_matching: L1 between the discriminator's features of restored and true images.
        path_length: Path-length regularisation.
        path_length_every: Steps between path-length penalties.
        relative: How much the pixel, perceptual and identity losses of a face count by what is left
            to do: 0 as they are, 1 divided by the error of the damaged face itself, so that a good
            face that is spoiled counts as much as a bad one that is not mended.
        eyes: Extra weight of the pixel losses around the eyes.
        mouth: The same around the mouth.
    """

    l1: float = 1.0
    l2: float = 0.0
    smooth_l1: float = 0.0
    l1_coarse: float = 0.0
    texture: float = 0.0
    perceptual: float = 0.0
    lpips: float = 0.0
    cut: int = 0
    identity: float = 0.0
    adversarial: float = 1.0
    adversarial_kind: Literal["nonsaturating", "hinge"] = "nonsaturating"
    balance: bool = False
    lecam: float = 0.0
    r1: float = 10.0
    r1_every: int = 16
    feature_matching: float = 0.02
    path_length: float = 0.0
    path_length_every: int = 4
    relative: float = 0.0
    eyes: float = 0.0
    mouth: float = 0.0


@dataclass(frozen=True, slots=True)
class Files:
    """Weight files that losses need; empty where none does.

    Attributes:
        vgg19: VGG-19 of torchvision, .pth or .safetensors.
        lpips_backbone: SqueezeNet 1.1, AlexNet or VGG-16.
        lpips_heads: LPIPS v0.1 heads for that backbone.
        identity: Empty for gpen's own, or dlib's .onnx, IR-SE50, MobileFaceNet, ArcFace .onnx.
    """

    vgg19: str = ""
    lpips_backbone: str = ""
    lpips_heads: str = ""
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Data:
    """Faces to learn from.

    Attributes:
        train: Folders of aligned faces, `gpen data prepare` folders, or shards (.tar).
        val: The same, to evaluate on; never trained on.
        validated: Faces of `val` to evaluate.
        workers: Processes that decode and damage faces; 0 does it between the steps.
        half: "even" takes every second face of `val` from the first, "odd" from the second: weights
            chosen by one half are measured by the other.
        flip: Share of faces that are mirrored.
        detail: Share of the size at which a face must have been captured for its truth to be sharp.
            Others teach at half the size only, and are not evaluated; 0 takes all for sharp. Faces
            whose list or JSON says nothing of `native` are sharp.
        templates: Alignments that faces are framed by, each as likely as the others: "gpen",
            "ffhq_512".
        rotate: Largest error of the alignment in degrees; small ones are likelier.
        zoom: The same of its scale, as a share of it.
        shift: The same of its place, as a share of the size.
        sharp_share: Share of faces that are drawn from the sharp ones only; 0 draws from all alike.
        tone: Spread of gamma, brightness and colour of face and truth together; 0 for none.
    """

    train: tuple[str, ...] = ()
    val: tuple[str, ...] = ()
    validated: int = 32
    workers: int = 2
    half: Literal["", "even", "odd"] = ""
    flip: float = 0.5
    detail: float = 0.0
    templates: tuple[str, ...] = ("gpen",)
    rotate: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    sharp_share: float = 0.0
    tone: float = 0.0


@dataclass(frozen=True, slots=True)
class Degradation:
    """How faces are damaged.

    Attributes:
        presets: Recipes to draw from, each as likely as the others: "published", "gfpgan",
            "codeformer", "real", "tiny", "none", "resized", "soft", "phone", "web", "video". A name
            that stands twice is twice as likely.
        light: Share damaged lightly only, so that good faces are left as they are.
        grey: Share turned grey, their truth too; negative keeps the recipe's own.
    """

    presets: tuple[str, ...] = ("published",)
    light: float = 0.0
    grey: float = -1.0


@dataclass(frozen=True, slots=True)
class Optimiser:
    """How weights change.

    Attributes:
        batch: Faces in a step, over all processes.
        accumulate: Parts that each process takes its share of a batch in, to save memory.
        lr: Adam's learning rate.
        encoder: Learning rate of the encoder, of `lr`.
        synthesis: Learning rate of mapping and synthesis, of `lr`.
        discriminator: Learning rate of the discriminator, of `lr`.
        betas: Adam's.
        decay: Last share of each stage's steps over which learning rates fall to 0, by a cosine.
        warmup: Steps over which they rise.
        clip_norm: Longest gradient of each network; 0 for no limit.
        ema_half_lives: Faces over which moving averages forget half, one for each; what does best
            on held-out faces is kept as `best.safetensors`, the first as `weights.safetensors`.
    """

    batch: int = 16
    accumulate: int = 1
    lr: float = 2e-3
    encoder: float = 1.0
    synthesis: float = 1.0
    discriminator: float = 1.0
    betas: tuple[float, float] = (0.0, 0.99)
    decay: float = 0.0
    warmup: int = 0
    clip_norm: float = 0.0
    ema_half_lives: tuple[float, ...] = (10_000.0,)


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a run, with what differs in it.

    Attributes:
        steps: How many.
        size: Side of the images; 0 for the network's. Grows by doubling from stage to stage.
        loss: Losses that differ in this stage, by name.
        frozen: Whether the generator rests, so that the discriminator catches up with it.
    """

    steps: int = 0
    size: int = 0
    loss: Mapping[str, Any] = field(default_factory=dict)
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """A training run.

    Attributes:
        name: Names the run's folder.
        seed: Decides all that is random.
        precision: Arithmetic under autocast: "f32", "bf16", "f16".
        device: "auto", "cpu", "cuda", "mps".
        compile: Whether torch compiles the networks first: much faster, after some minutes; needs
            a C++ compiler on the CPU.
        stages: Parts of the run, one after the other.
        every: Steps between checkpoints, evaluations and sheets.
        log_every: Steps between lines of the log.
    """

    name: str = "run"
    seed: int = 0
    precision: Precision = "bf16"
    device: str = "auto"
    compile: bool = False
    every: int = 1000
    log_every: int = 50
    network: Network = field(default_factory=Network)
    discriminator: Discriminator = field(default_factory=Discriminator)
    loss: Loss = field(default_factory=Loss)
    files: Files = field(default_factory=Files)
    data: Data = field(default_factory=Data)
    degradation: Degradation = field(default_factory=Degradation)
    optimiser: Optimiser = field(default_factory=Optimiser)
    stages: tuple[Stage, ...] = (Stage(steps=100_000),)

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> Stage:
        """The stage that a step (from 0) belongs to; the last one from its end on."""
        return self.stages[self.place_at(step)[0]]

    def place_at(self, step: int) -> tuple[int, int]:
        """Number of the stage that a step belongs to, and the steps before it in that stage."""
        last = len(self.stages) - 1
        for number, stage in enumerate(self.stages):
            if step < stage.steps or number == last:
                return number, step
            step -= stage.steps
        raise ValueError("a run without stages")

    def stage_ended_at(self, step: int) -> int | None:
        """Number of the stage whose last step makes so many steps; None in the middle of one."""
        number, done = self.place_at(step - 1)
        return number if done + 1 == self.stages[number].steps else None

    def size_at(self, step: int) -> int:
        """Side of the images at a step."""
        return self.stage_at(step).size or self.network.size

    def loss_at(self, step: int) -> Loss:
        """Weights of the losses at a step."""
        return dataclasses.replace(self.loss, **self.stage_at(step).loss)
