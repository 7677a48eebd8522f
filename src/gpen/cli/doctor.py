"""`gpen doctor`: checks the installation."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from gpen.errors import GpenError

from . import console

if TYPE_CHECKING:
    from .doctor_machine import Finding

EPILOG = """
**Examples**

`gpen doctor` — exit code 0: all is well; 1: there is something to fix

`gpen doctor --json > report.json` — for a bug report, or another program

Nothing of yours is changed, and nothing leaves the machine.
"""

#: Speeds that are not begun by then are left out.
_BUDGET_S = 10.0
_MARKS = {"ok": ("ok", "green"), "note": ("note", "yellow"), "fix": ("fix", "red")}


def doctor(
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")] = False,
) -> None:
    """Check the installation: packages, devices, models, speed of each engine, what to fix."""
    found: dict[str, list[Finding]] = {}
    for part, findings in _parts():
        with console.err.status(f"Looking at {part}"):
            found[part] = _all(part, findings)
        if not json_:
            _show(part, found[part])
    unhealthy = [finding for part in found.values() for finding in part if finding.state == "fix"]
    if json_:
        parts = {part: [asdict(finding) for finding in found[part]] for part in found}
        console.say(json.dumps({"healthy": not unhealthy, **parts}, indent=2))
    elif unhealthy:
        things = "1 thing" if len(unhealthy) == 1 else f"{len(unhealthy)} things"
        console.say(f"{things} to fix", style="bold red")
    else:
        console.say("all is well", style="bold green")
    if unhealthy:
        raise typer.Exit(console.EXIT_SOME_FAILED)


def _parts() -> Iterator[tuple[str, Iterator[Finding]]]:
    """What is looked at, in order; each is looked at when its turn comes."""
    from . import doctor_machine, doctor_trials

    until_s = time.monotonic() + _BUDGET_S
    yield "installation", doctor_machine.installed()
    yield "machine", doctor_machine.machine()
    yield "models", doctor_trials.models()
    yield "folders", doctor_trials.storage()
    yield "video", doctor_trials.video()
    yield "example", doctor_trials.work()
    yield "speed", doctor_trials.speeds(until_s)


def _all(part: str, findings: Iterator[Finding]) -> list[Finding]:
    """The findings, whatever happens while looking: a broken installation is looked at, too."""
    from .doctor_machine import Finding

    found = []
    try:
        for finding in findings:
            found.append(finding)
    except GpenError as error:
        found.append(Finding(part, "fix", str(error)))
    except Exception as error:  # of a package that does not even load
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        found.append(Finding(part, "fix", text, "pip install --force-reinstall gpen"))
    return found


def _show(part: str, findings: list[Finding]) -> None:
    if not findings:
        return
    console.say(part, style="bold")
    for finding in findings:
        mark, style = _MARKS[finding.state]
        console.say(f"  {mark:4} {finding.about}: {finding.text}", style=style)
        if finding.todo:
            console.say(f"       → {finding.todo}", style=style)
