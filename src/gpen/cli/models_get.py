"""`gpen models get`: downloads published weight files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpen.errors import GpenError, OutputExistsError, SettingsError, WeightsError, WriteError

from . import completion, console

if TYPE_CHECKING:
    from gpen.models.catalogue import Offer

EPILOG = """
**Examples**

`gpen models get` — what can be fetched, and under which licence

`gpen models get gpen_bfr_512` — then `gpen restore old.jpg --model gpen_bfr_512`

`gpen models get gpen_bfr_512 --accept-licence --mirror https://hf-mirror.com`

An interrupted download resumes with the same command. HTTPS_PROXY and NO_PROXY are honoured.
A mirror takes the place of every host; one with `{file}` in it names each file: `https://files.example/{file}`.
"""


def get(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="Models to fetch; none lists the available ones.",
            autocompletion=completion.offers,
        ),
    ] = None,
    models_dir: Annotated[
        Path | None,
        typer.Option(help="Target folder; default: gpen's models folder.", show_default=False),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(metavar="URL", envvar="GPEN_MIRROR", help="Mirror to fetch from."),
    ] = None,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept the licences without being asked.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    json_: Annotated[
        bool, typer.Option("--json", help="List as JSON, for other programs.")
    ] = False,
) -> None:
    """Fetch published weights: checked, resumable, after accepting their licence once."""
    from gpen.models.catalogue import OFFERS, find_offer, mirrored

    if not names:
        _show(OFFERS, as_json=json_)
        return
    offers = [find_offer(name) for name in dict.fromkeys(names)]
    urls = {offer: mirrored(offer, mirror) if mirror else offer.urls for offer in offers}
    folder = _folder(models_dir)
    missing = [offer for offer in offers if overwrite or not (folder / offer.file).exists()]
    _accept(missing, unasked=accept_licence)
    failed = 0
    for offer in offers:
        try:
            if offer in missing:
                _fetch(offer, urls[offer], folder / offer.file)
            else:
                _confirm(offer, folder / offer.file)
        except GpenError as error:  # one that fails does not stop the rest
            console.complain(str(error))
            failed += 1
    if failed:
        code = console.EXIT_SOME_FAILED if failed < len(offers) else console.EXIT_NOTHING_DONE
        raise typer.Exit(code)


def _show(offers: Sequence[Offer], *, as_json: bool) -> None:
    from rich.table import Table

    if as_json:
        console.say(json.dumps([asdict(offer) for offer in offers], indent=2))
        return
    table = Table(box=None, header_style="bold")
    for heading in ("name", "size", "checked by", "licence", "what it is"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "name")
    for offer in offers:
        size = f"{offer.size / 2**20:.1f} MiB" if offer.size else "?"
        checks = "sha256" if offer.sha256 else "content only"
        table.add_row(offer.name, size, checks, offer.licence, offer.title)
    console.out.print(table)


def _folder(models_dir: Path | None) -> Path:
    """The folder to put files into, made if need be."""
    from gpen.files import made_data_dir

    folder = models_dir or made_data_dir() / "models"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(
            f"cannot make {folder} ({error.strerror}): choose another with --models-dir",
            path=folder,
        ) from error
    return folder


def _confirm(offer: Offer, target: Path) -> None:
    """Say what a file that is there already is.

    Raises:
        OutputExistsError: It is not the published one.
        WeightsError: It is damaged.
    """
    from gpen.files import sha256

    if offer.sha256 is not None and sha256(target) != offer.sha256:
        raise OutputExistsError(
            f"{target} is there, but not the published file: move it away, or replace it with "
            "--overwrite",
            path=target,
        )
    console.say(f"{target} is there already: {_fits(offer)(target)}")


def _accept(offers: Sequence[Offer], *, unasked: bool) -> None:
    """Show the licences that were not accepted before, and have them accepted.

    Raises:
        SettingsError: There is nobody to ask.
    """
    from gpen.models.licences import accept, is_accepted

    for offer in offers:
        if is_accepted(offer):
            continue
        console.say(f"{offer.name}: {offer.title}", to=console.err, style="bold")
        console.say(f"licence: {offer.licence} · {offer.home}", to=console.err)
        console.say(offer.terms, to=console.err)
        if not unasked:
            if not sys.stdin.isatty():
                raise SettingsError(
                    f"{offer.name} is fetched once its licence, '{offer.licence}', is accepted: "
                    "add --accept-licence if you do"
                )
            if not typer.confirm("Accept?", err=True):
                console.complain(f"{offer.name} was not fetched: its licence was not accepted")
                raise typer.Exit(console.EXIT_NOTHING_DONE)
        accept(offer)


def _fetch(offer: Offer, urls: Sequence[str], target: Path) -> None:
    """Fetch one file and say what came."""
    from gpen.models.download import download

    titles: list[str] = []
    with _progress(offer.name) as progress:
        digest = download(
            urls,
            target,
            size=offer.size,
            sha256=offer.sha256,
            check=lambda part: titles.append(_fits(offer)(part)),
            progress=progress,
        )
    console.say(f"{target} · {titles[-1]} · {target.stat().st_size / 2**20:.1f} MiB")
    console.say(f"sha256 {digest}" + ("" if offer.sha256 else " (not checked: none is known)"))


def _fits(offer: Offer) -> Callable[[Path], str]:
    """What says of a file what it is, and raises WeightsError if it cannot do the offer's work."""
    from gpen.models import load_weights

    def check(path: Path) -> str:
        weights = load_weights(path)
        if weights.role != offer.role:
            raise WeightsError(
                f"{offer.file} is {weights.title} where {offer.title} was expected: "
                "name another place with --mirror",
                path=path,
            )
        return weights.title

    return check


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar of bytes on standard error; silent where that is not a terminal."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console.err, transient=True, disable=not console.err.is_terminal
    ) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
