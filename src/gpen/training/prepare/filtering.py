"""Chooses faces: thresholds, duplicates, and the split into training and validation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .candidates import Candidate
from .prepare_options import Options

Split = Literal["train", "val"]

#: Reasons to refuse a face, in the order of the checks.
UNSURE, SMALL, MIRRORED, BLURRED, NOISY = "unsure", "small", "cut off", "blurred", "noisy"
TURNED, BYSTANDER, DUPLICATE = "turned", "bystander", "duplicate"
REASONS = (UNSURE, SMALL, MIRRORED, BLURRED, NOISY, TURNED, BYSTANDER, DUPLICATE)

_BITS = 256
_BLOCK = 256  # faces compared at a time; more take memory and are no faster


def refusal(face: Candidate, options: Options, *, named: bool) -> str | None:
    """Why a face is refused on its own, or None.

    Args:
        face: The face.
        options: The thresholds.
        named: The photo is of a known person, so that only its largest face is theirs.
    """
    checks = (
        (face.score < options.min_score, UNSURE),
        (face.native < options.min_face * options.size, SMALL),
        (face.inside < options.min_inside, MIRRORED),
        (face.sharpness < options.min_sharpness, BLURRED),
        (face.sharpness > options.max_sharpness, NOISY),
        (face.turn > options.max_turn, TURNED),
        (named and face.face > 0, BYSTANDER),
    )
    return next((reason for refused, reason in checks if refused), None)


def duplicates(faces: Sequence[Candidate], most_bits: int) -> dict[str, str]:
    """Faces that look like another one that shows more detail, or came first: key → its key.

    Mirrored copies count, as training mirrors faces anyway. Every pair is compared, by matrix
    products: 20,000 faces take 2 s on one core, and ten times as many a hundred times as long.

    Args:
        faces: The faces.
        most_bits: Hashes that differ in no more bits are of the same image; -1: none are.
    """
    if most_bits < 0 or not faces:
        return {}
    order = sorted(range(len(faces)), key=lambda i: (-faces[i].detail, faces[i].key))
    looks = _signs([faces[i].looks for i in order])
    mirrored = _signs([faces[i].looks_mirrored for i in order])
    least = _BITS - 2 * most_bits  # dot product of ±1 is agreeing less differing bits
    found: dict[str, str] = {}
    is_kept = np.zeros(len(faces), bool)
    for start in range(0, len(faces), _BLOCK):
        block = slice(start, start + _BLOCK)
        end = min(start + _BLOCK, len(faces))
        like = np.maximum(looks[block] @ looks[:end].T, mirrored[block] @ looks[:end].T) >= least
        for row, number in enumerate(range(start, end)):
            twins = np.flatnonzero(like[row, :number] & is_kept[:number])
            if len(twins):
                found[faces[order[number]].key] = faces[order[int(twins[0])]].key
            else:
                is_kept[number] = True
    return found


def _signs(hashes: Sequence[str]) -> NDArray[np.float32]:
    """Hashes as rows of ±1, (N, 256)."""
    packed = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(len(hashes), -1)
    return np.unpackbits(packed, axis=1).astype(np.float32) * 2 - 1


def split_groups(groups: Sequence[str], val_share: float, seed: int) -> Mapping[str, Split]:
    """The split of each person (or photo), by a hash of the name.

    A group therefore stays in its split when others join the data set. Where the hash leaves one
    of the splits empty though the share asks for both, the group nearest to it moves over.
    """
    shares = {group: _share(f"{seed}:{group}") for group in groups}
    splits: dict[str, Split] = {
        group: "val" if share < val_share else "train" for group, share in shares.items()
    }
    if len(shares) > 1 and 0 < val_share < 1 and len(set(splits.values())) == 1:
        first = min(shares, key=lambda group: shares[group])
        last = max(shares, key=lambda group: shares[group])
        splits |= {first: "val", last: "train"}
    return splits


def shuffled(faces: Sequence[Candidate], seed: int) -> list[Candidate]:
    """The faces in an order that tells nothing, for readers that read shards from one end."""
    return sorted(faces, key=lambda face: (_share(f"{seed}/{face.key}"), face.key))


def _share(text: str) -> float:
    """A hash of a text as a number in [0, 1)."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48
