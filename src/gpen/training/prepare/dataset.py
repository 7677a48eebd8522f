"""Second phase: from all crops to shards, manifest, report and sheet."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...errors import WriteError
from ...files import written_whole
from .candidates import Candidate, Finding, read_findings
from .filtering import DUPLICATE, REASONS, Split, duplicates, refusal, shuffled, split_groups
from .selection_sheet import draw_sheet
from .work_plan import PARTS, Plan, finished_digest

_NEW = "new"


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a run, as in `report.json`.

    Attributes:
        digest: Of everything that decides the result.
        options: The options.
        photos: Photos looked at.
        unreadable: Photos and sources that could not be read, and why.
        without_face: Photos on which no face was found.
        faces: Faces found.
        kept: Faces of each split.
        refused: Refused faces by reason.
        identities: Persons and single photos of each split.
        duplicates: Keys of dropped faces and of the faces they look like.
    """

    digest: str
    options: dict[str, str]
    photos: int
    unreadable: list[tuple[str, str]]
    without_face: list[str]
    faces: int
    kept: dict[str, int]
    refused: dict[str, int]
    identities: dict[str, int]
    duplicates: dict[str, str]


@dataclass(slots=True)
class _Choice:
    """Faces by outcome."""

    kept: dict[Split, list[Candidate]] = field(default_factory=lambda: {"train": [], "val": []})
    refused: dict[str, list[Candidate]] = field(default_factory=lambda: {r: [] for r in REASONS})
    groups: dict[str, str] = field(default_factory=dict)  # key → person, or photo
    twins: dict[str, str] = field(default_factory=dict)


def finished_report(plan: Plan) -> Report | None:
    """The report of the data set, where an earlier run has finished just this one."""
    if finished_digest(plan.target) != plan.digest:
        return None
    return Report(**json.loads((plan.target / "report.json").read_text("utf-8")))


def build_dataset(plan: Plan, on_face: Callable[[int, int], None] | None = None) -> Report:
    """Choose among the faces that `find_faces` has stored, and write the data set.

    Args:
        plan: A plan whose faces have been found.
        on_face: Called with faces written and faces to write.

    Returns:
        The report. Where no face is kept there is no manifest, and `.work` stays, so that other
        thresholds can be tried without looking at the photos again.

    Raises:
        WriteError: The folder is not writable or full; what was there before is still there.
    """
    findings = [finding for batch in plan.batches() for finding in read_findings(batch)]
    choice = _choose(plan, findings)
    report = _report(plan, findings, choice)
    new = plan.work / _NEW
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        rows = _write_shards(plan, choice, new, on_face)
        _write_text(new / "report.json", json.dumps(asdict(report), indent=2, ensure_ascii=False))
        draw_sheet(choice.kept, choice.refused, plan, report.without_face, new / "sheet.jpg")
        if rows:
            lines = (json.dumps(row, ensure_ascii=False) for row in rows)
            _write_text(new / "manifest.jsonl", "\n".join(lines))
        _publish(plan, new, complete=bool(rows))
    except OSError as error:
        raise WriteError(
            f"cannot write to {plan.target} ({error.strerror or error}); what was found is kept: "
            "make room and run it again",
            path=plan.target,
        ) from error
    return report


def _choose(plan: Plan, findings: Sequence[Finding]) -> _Choice:
    choice, options = _Choice(), plan.options
    identities = {photo.number: photo.identity for photo in plan.photos}
    fine: list[Candidate] = []
    for finding in findings:
        identity = identities[finding.number]
        group = f"photo {finding.source}" if identity is None else f"person {identity}"
        for face in finding.faces:
            choice.groups[face.key] = group
            reason = refusal(face, options, named=identity is not None)
            (fine if reason is None else choice.refused[reason]).append(face)
    choice.twins = duplicates(fine, options.max_duplicate)
    choice.refused[DUPLICATE] = [face for face in fine if face.key in choice.twins]
    kept = [face for face in fine if face.key not in choice.twins]
    groups = [choice.groups[face.key] for face in kept]
    splits = split_groups(groups, options.val_share, options.seed)
    for face in shuffled(kept, options.seed):
        choice.kept[splits[choice.groups[face.key]]].append(face)
    return choice


def _report(plan: Plan, findings: Sequence[Finding], choice: _Choice) -> Report:
    unreadable = [(f.source, f.error) for f in findings if f.error]
    return Report(
        digest=plan.digest,
        options={name: str(value) for name, value in asdict(plan.options).items()},
        photos=len(plan.photos),
        unreadable=[*plan.failures, *unreadable],
        without_face=[f.source for f in findings if not f.error and not f.faces],
        faces=sum(len(f.faces) for f in findings),
        kept={split: len(faces) for split, faces in choice.kept.items()},
        refused={reason: len(faces) for reason, faces in choice.refused.items()},
        identities={
            split: len({choice.groups[face.key] for face in faces})
            for split, faces in choice.kept.items()
        },
        duplicates=choice.twins,
    )


def _write_shards(
    plan: Plan, choice: _Choice, new: Path, on_face: Callable[[int, int], None] | None
) -> list[dict[str, Any]]:
    """Write all shards; returns the rows of the manifest."""
    rows: list[dict[str, Any]] = []
    total = sum(map(len, choice.kept.values()))
    size = plan.options.shard_size
    for split, faces in choice.kept.items():
        for number, start in enumerate(range(0, len(faces), size)):
            shard = new / split / f"{number:06d}.tar"
            shard.parent.mkdir(exist_ok=True)
            part = faces[start : start + size]
            notes = [_note(plan, choice.groups[face.key], split, face) for face in part]
            _write_shard(shard, part, notes, plan.options.suffix)
            place = f"{split}/{shard.name}"
            rows += [
                {"key": face.key, "shard": place, **note}
                for face, note in zip(part, notes, strict=True)
            ]
            if on_face is not None:
                on_face(len(rows), total)
    return rows


def _note(plan: Plan, group: str, split: Split, face: Candidate) -> dict[str, Any]:
    """The JSON of a face in a shard."""
    dropped = ("key", "looks", "looks_mirrored", "file", "place")
    note = {name: value for name, value in asdict(face).items() if name not in dropped}
    kind, _, name = group.partition(" ")
    note |= {"identity": name if kind == "person" else None, "split": split}
    note |= {"template": plan.options.template}
    return note | ({"licence": plan.options.licence} if plan.options.licence else {})


def _write_shard(
    path: Path, faces: Sequence[Candidate], notes: Sequence[dict[str, Any]], suffix: str
) -> None:
    from webdataset.writer import TarWriter

    with (
        written_whole(path) as temporary,
        temporary.open("wb") as file,
        # A fixed time: the same faces give the same bytes.
        TarWriter(file, user="gpen", mode=0o644, encoder=False, mtime=0) as writer,
    ):
        for face, note in zip(faces, notes, strict=True):
            text = json.dumps(note, ensure_ascii=False).encode()
            writer.write({"__key__": face.key, suffix: face.encoded(), "json": text})


def _write_text(path: Path, text: str) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _publish(plan: Plan, new: Path, *, complete: bool) -> None:
    """Move everything into place, the manifest last: it marks the data set as complete."""
    manifest = plan.target / "manifest.jsonl"
    if not complete:
        if not manifest.exists():  # else an older data set keeps its report
            for name in ("sheet.jpg", "report.json"):
                (new / name).replace(plan.target / name)
        return
    manifest.unlink(missing_ok=True)
    for name in PARTS:
        place = plan.target / name
        if place.is_dir():
            shutil.rmtree(place)
        if (new / name).exists():
            (new / name).replace(place)
    shutil.rmtree(plan.work, ignore_errors=True)
