"""What clients of bad will do to honest ones, as rows of a table.

    python benchmarks/server_attacks.py [--only NAME ...] [--load SECONDS]

Each attack meets a fresh server. The attacker calls from 127.0.0.2, the honest client from
127.0.0.1, which systems other than Linux may not allow. An honest client that is not served within
150 s is given up. `--load` lets 100 honest clients from ten addresses do a bit of everything
instead, and reads the memory of the server and its decoding processes.
"""

from __future__ import annotations

import argparse
import io
import re
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from fractions import Fraction
from typing import Any

import httpx
import psutil

from report import markdown
from server import PHOTO, ROOT, memory_mib, server

ATTACKER, HONEST = "127.0.0.2", "127.0.0.1"
#: Longest time that anyone is waited for, in seconds.
PATIENCE_S = 150
SCANS = ROOT.parent / "shared/cases/scans.jpg"


def client(url: str, address: str) -> httpx.Client:
    transport = httpx.HTTPTransport(local_address=address)
    return httpx.Client(base_url=url, timeout=PATIENCE_S, trust_env=False, transport=transport)


def honest_photo(url: str) -> str:
    """What an honest client sees of its photo."""
    started = time.perf_counter()
    try:
        with client(url, HONEST) as one:
            status = one.post("/v1/restore", content=PHOTO.read_bytes()).status_code
    except httpx.TimeoutException:
        return f"not served in {PATIENCE_S} s"
    return f"{status} after {time.perf_counter() - started:.1f} s"


def sending(url: str, path: str, length: int, body: bytes) -> socket.socket:
    """A request whose body is as long as it says only if `body` is all of it."""
    host, port = re.findall(r"//([^:]+):(\d+)", url)[0]
    connection = socket.create_connection((host, int(port)), source_address=(ATTACKER, 0))
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection


def slow_jpeg() -> bytes:
    """As many scans of the shared case as gpen lets pass."""
    data = SCANS.read_bytes()
    starts = [match.start() for match in re.finditer(rb"\xff\xda", data)]
    return data[: starts[99]] + b"\xff\xd9"


def slow_decoding(url: str) -> str:
    """Photos that take long to decode, from clients that leave after 2 seconds."""
    data = slow_jpeg()
    gone = [sending(url, "/v1/restore", len(data), data) for _ in range(6)]
    time.sleep(2)
    for one in gone:
        one.close()
    return honest_photo(url)


def slow_uploads(url: str) -> str:
    """128 uploads of a byte every 4 seconds."""
    with ExitStack() as stack:
        slow = [stack.enter_context(sending(url, "/v1/restore", 99999, b"x")) for _ in range(128)]
        for _ in range(6):
            time.sleep(4)
            for one in slow:
                with suppress(OSError):  # refused by now
                    one.sendall(b"x")
        return honest_photo(url)


def full_queue(url: str) -> str:
    """90 photos at once, before the honest one."""
    data = PHOTO.read_bytes()
    with ExitStack() as stack:
        for _ in range(90):
            stack.enter_context(sending(url, "/v1/restore", len(data), data))
        return honest_photo(url)


def many_connections(url: str) -> str:
    """1,000 connections that say nothing."""
    host, port = re.findall(r"//([^:]+):(\d+)", url)[0]
    with ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(
                socket.create_connection((host, int(port)), source_address=(ATTACKER, 0))
            )
        return honest_photo(url)


def clip(seconds: int, rate: int) -> bytes:
    """A video of 16 × 16 px that repeats its one packet."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("mjpeg", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuvj420p"
        packet = stream.encode(av.VideoFrame(16, 16, "yuvj420p"))[0]
        data = bytes(packet)
        for index in range(seconds * rate):
            copy = av.Packet(data)
            copy.stream, copy.is_keyframe, copy.time_base = stream, True, Fraction(1, rate)
            copy.pts = copy.dts = index
            container.mux(copy)
    return file.getvalue()


def many_frames(url: str) -> str:
    """A video of 1,000 frames per second and 1.7 million frames."""
    with client(url, ATTACKER) as one:
        response = one.post("/v1/videos", content=clip(1700, 1000))
    return f"{response.status_code} {response.json().get('detail', response.json().get('state'))}"


def forgotten_videos(url: str) -> str:
    """Videos until no more are taken, and nobody who asks for them; then an honest one."""
    data, states = clip(60, 25), list[int]()
    with client(url, ATTACKER) as one:
        states += [one.post("/v1/videos", content=data).status_code for _ in range(9)]
    with client(url, HONEST) as one:
        answer = one.post("/v1/videos", content=clip(1, 25))
        if answer.status_code != 202:
            return f"{answer.status_code} {answer.json()['detail']}"
        job, started = answer.json(), time.perf_counter()
        while time.perf_counter() - started < PATIENCE_S and job["state"] in ("queued", "running"):
            job = one.get(job["url"], params={"wait": 20}).json()
    return f"{job['state']} after {time.perf_counter() - started:.1f} s"


ATTACKS: dict[str, Callable[[str], str]] = {
    one.__name__: one
    for one in (
        slow_decoding, slow_uploads, full_queue, many_connections, many_frames, forgotten_videos,
    )
}  # fmt: skip


def load(url: str, pid: int, seconds: float) -> Iterator[dict[str, object]]:
    """What 100 clients see: memory after a tenth of the time and at the end, and all answers."""
    photo, end_s, statuses = PHOTO.read_bytes(), time.monotonic() + seconds, Counter[str]()

    def ask(number: int) -> None:
        with client(url, f"127.0.0.{2 + number % 10}") as one:
            while time.monotonic() < end_s:
                try:
                    for response in bit_of_everything(one, photo):
                        statuses[str(response.status_code)] += 1
                        if time.monotonic() > end_s:
                            break
                except httpx.HTTPError as error:
                    statuses[type(error).__name__] += 1

    with ThreadPoolExecutor(100) as pool:
        for number in range(100):
            pool.submit(ask, number)
        for part in (0.1, 0.9):
            time.sleep(seconds * part)
            decoders = [memory_mib(one.pid) for one in children_of(pid)]
            yield {"after": part, "MiB": memory_mib(pid), "decoders MiB": decoders}
    yield {"answers": dict(statuses)}


def children_of(pid: int) -> list[Any]:
    children: list[Any] = psutil.Process(pid).children()  # type: ignore[no-untyped-call]
    return children


def bit_of_everything(one: httpx.Client, photo: bytes) -> Iterator[httpx.Response]:
    """Requests of one visitor; each answer."""
    yield one.get("/")
    yield one.get("/v1/settings")
    yield one.post("/v1/detect", content=photo)
    yield one.post("/v1/restore", content=photo, params={"format": "png"})
    kept = one.post("/v1/restore", content=photo, headers={"Accept": "application/json"})
    yield kept
    yield one.get(kept.json()["result"]["url"])
    yield one.delete(kept.json()["result"]["url"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", choices=list(ATTACKS), nargs="*", default=list(ATTACKS))
    parser.add_argument("--load", type=float, metavar="SECONDS")
    options = parser.parse_args()
    if options.load:
        with server() as (url, pid):
            honest_photo(url)
            for row in load(url, pid, options.load):
                print(row, flush=True)
        return
    rows = []
    for name in options.only:
        with server() as (url, _):
            honest_photo(url)  # the networks are open
            rows.append({"attack": name, "the honest client": ATTACKS[name](url)})
            print(rows[-1], flush=True)
    print(markdown(rows))


if __name__ == "__main__":
    main()
