"""The catalogue of published weight files for `gpen models get`.

Sizes and sums are those of the hosts (Git LFS, Hugging Face), as projects that pin them repeat
them; where none was found they are None, and a download is checked by what it holds alone.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..errors import SettingsError, UnknownModelError
from .kinds import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A downloadable weight file.

    Attributes:
        name: What it is called here, and its file's name without suffix.
        suffix: Of its file.
        title: What it is, in a sentence.
        role: What gpen uses it for.
        urls: Where it lies, the same bytes everywhere; the first that answers is taken.
        size: Bytes, or None where unknown.
        sha256: In hex, or None where unknown.
        licence: Its name, or what is known of it.
        terms: The same in a sentence or two, shown before it is accepted.
        home: Page of its makers.
    """

    name: str
    suffix: str
    title: str
    role: Role
    urls: tuple[str, ...]
    size: int | None = None
    sha256: str | None = None
    licence: str
    terms: str
    home: str

    @property
    def file(self) -> str:
        return self.name + self.suffix


_GPEN_HOME = "https://github.com/yangxy/GPEN"
_GPEN_LICENCE = "non-commercial"
_GPEN_TERMS = (
    "The code's page said '© Alibaba, 2021. For academic and non-commercial use only.' until March "
    "2026 and names no licence since. Ask the authors before any commercial use."
)
_REALESRGAN = "https://github.com/xinntao/Real-ESRGAN"
_INSIGHTFACE = {
    "licence": "non-commercial research",
    "terms": "InsightFace offers its trained networks for non-commercial research only.",
    "home": "https://github.com/deepinsight/insightface",
}
_BUFFALO = (
    "https://huggingface.co/public-data/insightface/resolve/"
    "33c1063c49c785b7652d3fd529f86fa4f149392b/models/buffalo_l"
)
_ALIYUN = "https://public-vigen-video.oss-cn-shanghai.aliyuncs.com/robin/models"
_MODELSCOPE = (
    "https://www.modelscope.cn/models/iic/cv_gpen_image-portrait-enhancement-hires/resolve/master"
)


def _facefusion(px: int, size: int, sha256: str) -> Offer:
    """A GPEN generator as facefusion exported it."""
    file = f"gpen_bfr_{px}.onnx"
    return Offer(
        name=f"gpen_bfr_{px}",
        suffix=".onnx",
        title=f"GPEN for {px} px, as facefusion exported it",
        role="restorer",
        urls=(
            f"https://huggingface.co/facefusion/models-3.0.0/resolve/main/{file}",
            f"https://github.com/facefusion/facefusion-assets/releases/download/models-3.0.0/{file}",
        ),
        size=size,
        sha256=sha256,
        licence=_GPEN_LICENCE,
        terms=f"{_GPEN_TERMS} facefusion marks its export non-commercial.",
        home=_GPEN_HOME,
    )


def _published(name: str, suffix: str, px: int, url: str) -> Offer:
    """A GPEN generator of its authors, whose size and sum are not known here."""
    return Offer(
        name=name,
        suffix=suffix,
        title=f"GPEN for {px} px, as its authors published it",
        role="restorer",
        urls=(url,),
        licence=_GPEN_LICENCE,
        terms=_GPEN_TERMS,
        home=_GPEN_HOME,
    )


def _realesrgan(name: str, title: str, release: str, size: int, sha256: str) -> Offer:
    """An upscaler of Real-ESRGAN's authors."""
    return Offer(
        name=name,
        suffix=".pth",
        title=f"{title}, an upscaler of backgrounds",
        role="upscaler",
        urls=(f"{_REALESRGAN}/releases/download/{release}/{name}.pth",),
        size=size,
        sha256=sha256,
        licence="BSD-3-Clause",
        terms="BSD 3-Clause, by Xintao Wang; any use, as long as the notice stays with it.",
        home=_REALESRGAN,
    )


def _realesrnet(factor: int) -> Offer:
    """GPEN's own upscaler, whose size and sum are not known here."""
    name = f"realesrnet_x{factor}"
    return Offer(
        name=name,
        suffix=".pth",
        title=f"RealESRNet ×{factor} of GPEN's demo, an upscaler of backgrounds",
        role="upscaler",
        urls=(f"{_ALIYUN}/{name}.pth",),
        licence=_GPEN_LICENCE,
        terms=_GPEN_TERMS,
        home=_GPEN_HOME,
    )


OFFERS = (
    _facefusion(
        256, 75_792_988, "bad8bf0426873828df2dbf4e3b3d9ababba9da7965b8b72426569486f7ae5c25"
    ),
    _facefusion(
        512, 284_340_240, "d5f066b9068a8b74217f9712e28e875a6144629b108a6f7355acbdb3a2832c54"
    ),
    _facefusion(
        1024, 285_203_703, "bcd31aa52110a2005efc96abbab4546d57e42482648f08715b552423d96b381b"
    ),
    _facefusion(
        2048, 285_582_766, "66d12a637118d71b00f5a290b8dac13c81c1c0326a127a1978799c6e17bb8d1f"
    ),
    _published("GPEN-BFR-256", ".pth", 256, f"{_ALIYUN}/GPEN-BFR-256.pth"),
    _published("GPEN-BFR-512", ".pth", 512, f"{_ALIYUN}/GPEN-BFR-512.pth"),
    _published("GPEN-BFR-1024", ".pt", 1024, f"{_MODELSCOPE}/pytorch_model.pt"),
    _published("GPEN-BFR-2048", ".pt", 2048, f"{_MODELSCOPE}/pytorch_model-2048.pt"),
    Offer(
        name="GPEN-Colorization-1024",
        suffix=".pth",
        title="GPEN that colours faces, 1024 px, for `gpen colorize`",
        role="restorer",
        urls=(f"{_ALIYUN}/GPEN-Colorization-1024.pth",),
        licence=_GPEN_LICENCE,
        terms=_GPEN_TERMS,
        home=_GPEN_HOME,
    ),
    _realesrgan(
        "realesr-general-x4v3",
        "Real-ESRGAN ×4, small and fast",
        "v0.2.5.0",
        4_885_111,
        "8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
    ),
    _realesrgan(
        "realesr-general-wdn-x4v3",
        "Real-ESRGAN ×4 that denoises less, for --background-denoise",
        "v0.2.5.0",
        4_885_111,
        "1641f8c4464b9f097c9fdda5589273713f67cf59f3d909e0bd688f0cee269dca",
    ),
    _realesrgan(
        "RealESRGAN_x2plus",
        "Real-ESRGAN ×2",
        "v0.2.1",
        67_061_725,
        "49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb",
    ),
    _realesrgan(
        "RealESRGAN_x4plus",
        "Real-ESRGAN ×4",
        "v0.1.0",
        67_040_989,
        "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
    ),
    _realesrnet(1),
    _realesrnet(2),
    _realesrnet(4),
    Offer(
        name="face_detection_yunet_2023mar",
        suffix=".onnx",
        title="YuNet, a small face detector, run by OpenCV",
        role="detector",
        urls=(
            "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/"
            "face_detection_yunet_2023mar.onnx",
        ),
        size=232_589,
        sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        licence="MIT",
        terms="MIT, by Shiqi Yu; any use, as long as the notice stays with it.",
        home="https://github.com/opencv/opencv_zoo",
    ),
    Offer(
        name="retinaface-resnet50",
        suffix=".pth",
        title="RetinaFace with ResNet-50, a face detector, run by torch",
        role="detector",
        urls=(
            "https://github.com/xinntao/facexlib/releases/download/v0.1.0/"
            "detection_Resnet50_Final.pth",
        ),
        size=109_497_761,
        sha256="6d1de9c2944f2ccddca5f5e010ea5ae64a39845a86311af6fdf30841b0a5a16d",
        licence="MIT",
        terms="The code it comes with is MIT; it was trained on WIDER FACE, gathered for research.",
        home="https://github.com/biubug6/Pytorch_Retinaface",
    ),
    Offer(
        name="scrfd-10g",
        suffix=".onnx",
        title="SCRFD, a face detector, `det_10g` of InsightFace's buffalo_l",
        role="detector",
        urls=(f"{_BUFFALO}/det_10g.onnx",),
        size=16_923_827,
        sha256="5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91",
        **_INSIGHTFACE,
    ),
    Offer(
        name="arcface-w600k-r50",
        suffix=".onnx",
        title="ArcFace, which tells people apart, `w600k_r50` of InsightFace's buffalo_l",
        role="identity",
        urls=(f"{_BUFFALO}/w600k_r50.onnx",),
        size=174_383_860,
        sha256="4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
        **_INSIGHTFACE,
    ),
)


def licence_of(file: str) -> str | None:
    """The licence of a published file by its name, in any case; None where it is not listed."""
    return next((o.licence for o in OFFERS if o.file.casefold() == file.casefold()), None)


def find_offer(name: str) -> Offer:
    """The offer of a name, in upper or lower case.

    Raises:
        UnknownModelError: There is none; the error names those that are close.
    """
    by_name = {offer.name.casefold(): offer for offer in OFFERS}
    if offer := by_name.get(name.casefold()):
        return offer
    known = [offer.name for offer in OFFERS]
    close = difflib.get_close_matches(name.casefold(), by_name, n=3)
    hint = f"did you mean {' or '.join(by_name[match].name for match in close)}?"
    if not close:
        hint = f"expected one of {', '.join(known)}"
    raise UnknownModelError(f"nothing to fetch is called {name!r}: {hint}", name=name, known=known)


def mirrored(offer: Offer, mirror: str) -> tuple[str, ...]:
    """The URLs of an offer on a mirror, instead of its own.

    Args:
        offer: What is fetched.
        mirror: An address that takes the place of each host, such as `https://hf-mirror.com`, or
            one with `{file}`, such as `https://files.example/models/{file}`.

    Raises:
        SettingsError: It is no address of the web.
    """
    if urlsplit(mirror).scheme not in ("http", "https") or not urlsplit(mirror).netloc:
        raise SettingsError(
            f"mirror is {mirror!r}; expected an address such as https://hf-mirror.com, or one with "
            "{file} in it"
        )
    if "{file}" in mirror:
        return (mirror.replace("{file}", offer.file),)
    urls = (mirror.rstrip("/") + urlsplit(url).path for url in offer.urls)
    return tuple(dict.fromkeys(urls))
