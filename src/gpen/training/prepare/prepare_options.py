"""The options of `gpen data prepare`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...errors import SettingsError
from ...face_templates import TEMPLATES
from ...settings import DEFAULT_DETECTOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which faces `gpen data prepare` takes, and how it stores them.

    The default thresholds were set on `shared/faces`: they keep ordinary photos and refuse what is
    enlarged or blurred by a pixel or more.

    Attributes:
        size: Side of the crops in pixels.
        template: A name in `gpen.face_templates.TEMPLATES`.
        detector: "gpen-detector", or the name or path of a detector file.
        models_dir: A folder to look for the detector first.
        min_score: Least confidence of the detector.
        min_face: Least side of the crop in the photo's own pixels, as a share of `size`.
        min_inside: Least share of the crop that shows the photo and not its mirror image.
        min_sharpness: Least `measures.sharpness`.
        max_sharpness: Largest of it; what has more is noise.
        max_turn: Largest `measures.turn`: 0 looks into the camera, at 1 the nose is over an eye.
        max_duplicate: Faces whose hashes differ in no more of 256 bits are duplicates; -1 keeps
            all.
        identity_from_folder: The folder of a photo names the person.
        identities: A file of lines "photo,person".
        val_share: Share of persons (photos, where persons are not known) to test on.
        seed: Decides the split and the order of the faces.
        jpeg_quality: 1-100.
        png: Store crops without loss.
        shard_size: Faces in a shard.
        limit: Look at this many photos only; 0 for all.
        licence: A note that each face carries.
        max_pixels: Photos with more pixels are refused.
    """

    size: int = 512
    template: str = "gpen"
    detector: str = DEFAULT_DETECTOR
    models_dir: Path | None = None
    min_score: float = 0.8
    min_face: float = 0.5
    min_inside: float = 0.5
    min_sharpness: float = 0.1
    max_sharpness: float = 0.7
    max_turn: float = 0.9
    max_duplicate: int = 32
    identity_from_folder: bool = False
    identities: Path | None = None
    val_share: float = 0.05
    seed: int = 0
    jpeg_quality: int = 95
    png: bool = False
    shard_size: int = 1000
    limit: int = 0
    licence: str = ""
    max_pixels: int = 250_000_000

    def __post_init__(self) -> None:
        """Refuse values that mean nothing.

        Raises:
            SettingsError: Names the option, its value and what was expected.
        """
        if self.template not in TEMPLATES:
            raise SettingsError(
                f"template is {self.template!r}; expected one of {', '.join(sorted(TEMPLATES))}"
            )
        for name, low, high in (
            ("size", 32, 4096),
            ("min_score", 0, 1),
            ("min_face", 0, 8),
            ("min_inside", 0, 1),
            ("min_sharpness", 0, 10),
            ("max_sharpness", 0, 10),
            ("max_turn", 0, 100),
            ("max_duplicate", -1, 128),
            ("val_share", 0, 1),
            ("jpeg_quality", 1, 100),
            ("shard_size", 1, 10**9),
            ("limit", 0, 10**12),
            ("max_pixels", 1, 10**12),
        ):
            value = getattr(self, name)
            if not low <= value <= high:  # false for NaN too
                raise SettingsError(f"{name} is {value}; expected {low} to {high}")
        if self.identities is not None and self.identity_from_folder:
            raise SettingsError(
                "identities come from a file or from the folders' names; expected one of the two"
            )

    @property
    def suffix(self) -> str:
        """Ending of the crops."""
        return "png" if self.png else "jpg"

    def of_crops(self) -> dict[str, str | int | float | bool | None]:
        """The options that affect what the first phase stores."""
        return {
            "size": self.size,
            "template": self.template,
            "detector": self.detector,
            "models_dir": str(self.models_dir or ""),
            "quality": None if self.png else self.jpeg_quality,
            "max_pixels": self.max_pixels,
        }
