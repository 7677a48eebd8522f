"""The HTTP server under load and under fuzzing, into benchmarks/results/server.json.

    python benchmarks/server.py [--quick]

A server in a process of its own restores `examples/demo.jpg` (512 × 512 px, one face) for 1, 8
and 50 clients, each of which sends the next photo when it has its output. Requests per second and
latencies are those that clients see; the clients run on the same machine. Beside them stands the
same work in a loop of Python, without HTTP. Memory is that of the server's process after a first
round of 200 photos and after 1,000 more, all from 50 clients; every output is compared with the
first. Then schemathesis makes up requests from the server's own description.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from report import machine, write_results, write_table

ROOT = Path(__file__).resolve().parents[1]
PHOTO = ROOT / "examples/demo.jpg"
#: Photos for each number of clients.
PHOTOS = {1: 100, 8: 300, 50: 1000}
WARM_UP = 200
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance"
_SERVE = "import typer; from gpen.cli.web import web; typer.run(web)"


@contextmanager
def server(*options: str) -> Iterator[tuple[str, int]]:
    """A server that runs; its address and process number."""
    command = [sys.executable, "-c", _SERVE, "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split(" · ")[1], process.pid
    finally:
        process.terminate()
        process.wait(timeout=30)


def memory_mib(pid: int) -> float | None:
    """Resident memory of a process; None where the system does not say."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return None
    match = re.search(r"VmRSS:\s+(\d+) kB", status.read_text())
    return round(int(match[1]) / 1024, 1) if match else None


async def load(url: str, clients: int, photos: int, expected: bytes) -> dict[str, Any]:
    """Photos from clients that each wait for their answer."""
    import httpx

    photo, latencies, errors = PHOTO.read_bytes(), list[float](), 0
    left = iter(range(photos))

    async def ask() -> None:
        nonlocal errors
        async with httpx.AsyncClient(base_url=url, timeout=120, trust_env=False) as client:
            for _ in left:
                started = time.perf_counter()
                output = await client.post("/v1/restore", content=photo)
                latencies.append(time.perf_counter() - started)
                errors += output.content != expected

    started = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(clients)))
    seconds = time.perf_counter() - started
    cuts = statistics.quantiles(latencies, n=100)
    return {
        "clients": clients,
        "photos": photos,
        "photos/s": round(photos / seconds, 1),
        "p50 ms": round(1000 * cuts[49]),
        "p95 ms": round(1000 * cuts[94]),
        "p99 ms": round(1000 * cuts[98]),
        "errors": errors,
    }


def loop(photos: int) -> dict[str, Any]:
    """The same work in Python, by as many threads as `restore_many` takes."""
    import gpen
    from gpen.images.write import encode_image

    restorer, photo = gpen.Restorer(), PHOTO.read_bytes()
    restorer.restore(photo)
    started = time.perf_counter()
    for result in restorer.restore_many(photo for _ in range(photos)):
        encode_image(result.photo)
    seconds = time.perf_counter() - started
    return {"clients": "none: Python", "photos": photos, "photos/s": round(photos / seconds, 1)}


def under_load(counts: dict[int, int], warm_up: int) -> dict[str, Any]:
    """Rows of the table, and memory."""
    import httpx

    with server() as (url, pid):
        expected = httpx.post(f"{url}/v1/restore", content=PHOTO.read_bytes(), timeout=60).content
        most = max(counts)
        asyncio.run(load(url, most, warm_up, expected))
        before = memory_mib(pid)
        rows = [asyncio.run(load(url, most, counts[most], expected))]
        after = memory_mib(pid)
        rows += [
            asyncio.run(load(url, clients, photos, expected))
            for clients, photos in counts.items()
            if clients != most
        ]
    rows.sort(key=lambda row: row["clients"])
    memory = {"clients": most, "photos before": warm_up, "MiB before": before}
    memory |= {"photos": counts[most], "MiB after": after}
    return {"load": rows, "memory": [memory]}


def fuzzed(examples: int) -> list[dict[str, Any]]:
    """What schemathesis finds."""
    with server("--max-seconds", "1") as (url, _), tempfile.TemporaryDirectory() as folder:
        command = [
            str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json",
            "--max-examples", str(examples), "--checks", CHECKS, "--no-color",
            "--generation-deterministic",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    print(done.stdout[-4000:], done.stderr)
    generated = re.search(r"([\d,]+) generated", done.stdout)
    tested = re.search(r"Tested: (\d+)", done.stdout)
    failures = re.findall(r"❌ ST\d+ (.+): (\d+)", done.stdout)
    return [
        {
            "operations": int(tested[1]) if tested else 0,
            "requests": int(generated[1].replace(",", "")) if generated else 0,
            "server errors": sum(int(n) for what, n in failures if "Server error" in what),
            "other failures": sum(int(n) for what, n in failures if "Server error" not in what),
        }
    ]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="try it out; nothing is written")
    options = parser.parse_args()
    counts = {1: 5, 8: 16, 50: 60} if options.quick else PHOTOS
    data: dict[str, Any] = {"machine": machine(), "python": loop(counts[1])}
    data |= under_load(counts, 10 if options.quick else WARM_UP)
    data["fuzzing"] = fuzzed(1 if options.quick else 50)
    if options.quick:
        print(json.dumps(data, indent=1, ensure_ascii=False))
        return
    write_results("server", data, table=[*data["load"], data["python"]])
    for name in ("memory", "fuzzing"):
        write_table(f"server-{name}", data[name])


if __name__ == "__main__":
    main()
