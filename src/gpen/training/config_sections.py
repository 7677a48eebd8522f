"""The sections of a training config, and what each of their settings means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..networks.gpen_config import published_channels


@dataclass(frozen=True, slots=True)
class Network:
    """The generator.

    "Published" is what the authors' code and weights have, "described" what their paper says.

    Attributes:
        size: Side of the restored images, in pixels.
        encoder: Turns the damaged image into a code: "conv" (published), "resnet50" or
            "resnet101".
        encoder_width: Channels of a ResNet's first layer, 64 in the original; the conv encoder
            takes the widths of the levels.
        encoder_features: Whether the encoder's feature maps enter the synthesis network as well.
        n_mlp: Layers of the mapping from code to style; 8 published, 2 described.
        style_dim: Length of code and style.
        injection: How features and style enter the synthesis network: "concat" (published),
            "add" or "adain".
        upsampling: "blur" (published: transposed convolution, then blur) or "nearest".
        subpixel: 4 stops the levels at a quarter of the size: blocks of 4 × 4 pixels become
            channels at the input and pixels again at the output, and the network returns its input
            plus a residual. Needs encoder "conv" and injection "concat". 1 is published.
        refine_width: Channels of the layer at half the size that precedes the residual; for
            `subpixel` 4.
        channels: Channels of each level, from 4 × 4 px to `size` / `subpixel`. Stages at smaller
            sizes use the first ones, those of sub-pixel networks the last ones. Empty for the
            published channels, scaled by the next two settings.
        channel_multiplier: Factor for the channels of the levels from 64 px on.
        narrow: Factor for the channels of all levels; 1 is published.
        pass_through: Whether the network starts out returning its input, so that it only has to
            learn what to change. Needs encoder "conv" and injection "concat". After `init`, its
            last layers are initialised anew.
        init: Weights to start from, a path or the name of a model; empty starts from random ones.
        prior: StyleGAN2 generator that initialises the synthesis network; empty for none.
        encoder_init: ImageNet ResNet of torchvision that initialises the encoder's convolutions;
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
        """Channels of each level, from 4 × 4 px up, of the network for images of a size."""
        top = size // self.subpixel
        if not self.channels:
            return published_channels(top, self.channel_multiplier, self.narrow)
        levels = top.bit_length() - 2
        return self.channels[:levels] if self.subpixel == 1 else self.channels[-levels:]


@dataclass(frozen=True, slots=True)
class Discriminator:
    """The discriminator.

    Attributes:
        kind: "stylegan2" (published), "patchgan" (at several scales), "projected" (on the frozen
            features of `files.lpips_backbone`, in views of `loss.cut` px, and on crops around
            eyes, mouth and cheek) or "none".
        channel_multiplier: Factor for the channels of StyleGAN2's levels from 64 px on.
        narrow: Factor for the channels of all of StyleGAN2's levels.
        group: Group size of StyleGAN2's minibatch standard deviation; 0 for the whole batch, as
            published.
        resolutions: Image sizes that PatchGAN sees; those above the network's are left out.
        patch_channels: Channels of PatchGAN's first layer, and of the projected kind's heads.
        region: Side of the projected kind's crops, in pixels.
        augment: Whether real and restored images are shifted and recoloured at random before the
            discriminator sees them (DiffAugment).
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
    """The weight of each loss; 0 turns it off.

    Attributes:
        l1: Mean absolute error.
        l2: Mean squared error.
        smooth_l1: Squared error below 1, absolute error above.
        l1_coarse: Mean absolute error at an eighth of the size: tone and colour.
        texture: Difference in the local strength of fine detail (Haar bands), regardless of where
            exactly the detail lies.
        perceptual: Distance of VGG-19 features; needs `files.vgg19`.
        lpips: LPIPS; needs `files.lpips_backbone` and `files.lpips_heads`.
        cut: Size of the views that `perceptual`, `lpips` and `texture` compare: for each face
            either a crop at full resolution or the whole face scaled down; 0 compares whole faces
            at full resolution.
        identity: 1 - cosine similarity of face embeddings, by `files.identity` or the embedding
            that gpen ships.
        adversarial: Loss of the generator against the discriminator.
        adversarial_kind: "nonsaturating" (published) or "hinge".
        balance: Whether `adversarial` is a ratio of gradients instead of a weight: the norm of its
            gradient at the output, relative to that of all other losses (Esser et al., CVPR 2021).
        lecam: Weight of LeCam regularisation of the discriminator.
        r1: Gradient penalty on real images.
        r1_every: Steps between gradient penalties.
        feature_matching: L1 between the discriminator's features of restored and true images.
        path_length: Path-length regularisation.
        path_length_every: Steps between path-length penalties.
        relative: Exponent from 0 to 1 that weighs the pixel, perceptual and identity losses of
            each face by the error of its damaged input: 0 weighs all faces alike, 1 divides by
            that error, so that spoiling a good face costs as much as failing to restore a bad one.
        eyes: Extra weight of the pixel losses around the eyes.
        mouth: Extra weight of the pixel losses around the mouth.
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
    """Weight files that losses need; empty where they are not needed.

    Attributes:
        vgg19: VGG-19 of torchvision, .pth or .safetensors.
        lpips_backbone: SqueezeNet 1.1, AlexNet or VGG-16.
        lpips_heads: LPIPS v0.1 heads for that backbone.
        identity: A face embedding: dlib's or ArcFace's .onnx, IR-SE50 or MobileFaceNet; empty for
            the one that gpen ships.
    """

    vgg19: str = ""
    lpips_backbone: str = ""
    lpips_heads: str = ""
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Data:
    """The faces to learn from.

    Attributes:
        train: Folders of aligned faces, folders of `gpen data prepare`, or shards (.tar).
        val: The same, for evaluation only.
        validated: How many faces of `val` are evaluated.
        workers: Processes that decode and degrade faces; 0 does so in the training process.
        half: Which half of `val` is evaluated: "even" for faces 0, 2, 4, …, "odd" for the others,
            empty for both. Weights chosen on one half can then be measured on the other.
        flip: Probability that a face is mirrored.
        detail: Least original resolution of a sharp face, as a fraction of the size. Other faces
            are compared at half the size only, and are not evaluated; 0 takes all faces for sharp.
            So are faces whose list or JSON gives no `native` resolution.
        templates: Alignment templates, "gpen" and "ffhq_512"; each is equally likely.
        rotate: Largest random rotation of the alignment, in degrees; small ones are likelier.
        zoom: Largest random change of its scale, as a fraction of it.
        shift: Largest random shift of it, as a fraction of the size.
        sharp_share: Probability that a face is drawn from the sharp ones only; 0 draws from all.
        tone: Strength of random gamma, brightness and colour, the same for input and truth; 0 for
            none.
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
    """How faces are degraded.

    Attributes:
        presets: Recipes, each equally likely: "published", "gfpgan", "codeformer", "real", "tiny",
            "none", "resized", "soft", "phone", "web" or "video". A name given twice is twice as
            likely.
        light: Probability of a light degradation, from which the network learns to leave good
            faces alone.
        grey: Probability that input and truth are grey; negative leaves it to the recipe.
    """

    presets: tuple[str, ...] = ("published",)
    light: float = 0.0
    grey: float = -1.0


@dataclass(frozen=True, slots=True)
class Optimiser:
    """The optimiser (Adam), its schedule, and moving averages of the weights.

    Attributes:
        batch: Faces in a step, over all processes.
        accumulate: Gradient accumulation: parts in which each process works through its share of a
            batch, to save memory.
        lr: Learning rate.
        encoder: Factor for the learning rate of the encoder.
        synthesis: Factor for the learning rate of mapping and synthesis network.
        discriminator: Factor for the learning rate of the discriminator.
        betas: Adam's beta1 and beta2.
        decay: Final fraction of each stage over which the learning rates fall to 0, as a cosine.
        warmup: Steps over which the learning rates rise from 0.
        clip_norm: Largest gradient norm of each network; 0 for no limit.
        ema_half_lives: Half-life of each moving average of the weights, in faces. The average that
            does best on held-out faces is saved as `best.safetensors`, the first one as
            `weights.safetensors`.
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
