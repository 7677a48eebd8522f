"""Tells other programs that a video job has ended, at the addresses that the server allows.

The requests are signed as https://www.standardwebhooks.com wants it, where the server has a token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import threading
import time
import urllib.request
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from ..errors import SettingsError

_log = logging.getLogger("gpen.server")
#: Seconds before each try, and how long one may take.
_PAUSES_S = (0, 5, 30, 120)
_TIMEOUT_S = 10


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """What is allowed must not send us elsewhere."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""


class Webhooks:
    """Sends what has become of jobs."""

    def __init__(self, hosts: Collection[str], secret: str | None) -> None:
        """Allow hosts, such as "example.org" or "localhost:8000", to be called."""
        self._hosts, self._secret = {host.lower() for host in hosts}, secret
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="gpen-webhook")
        self._stopped = threading.Event()
        self._opener = urllib.request.build_opener(_NoRedirects, urllib.request.ProxyHandler({}))

    def check(self, url: str) -> str:
        """The address, if it may be called.

        Raises:
            SettingsError: It may not, or is none.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise SettingsError(f"webhook is {url[:60]!r}; expected an address with http or https")
        if parts.netloc.lower() not in self._hosts:
            raise SettingsError(
                f"this server does not call {parts.netloc[:60]!r}; whoever runs it can allow that "
                "by --allow-webhook"
            )
        return url

    def send(self, url: str, name: str, body: Mapping[str, Any]) -> None:
        """Send JSON, soon and again where it fails.

        Args:
            url: Has been checked.
            name: The same for each try.
            body: What to send.
        """
        if not self._stopped.is_set():
            self._pool.submit(self._try, url, name, json.dumps(body).encode())

    def _try(self, url: str, name: str, body: bytes) -> None:
        for pause_s in _PAUSES_S:
            if self._stopped.wait(pause_s):
                return
            request = urllib.request.Request(url, body, self._headers(name, body))  # noqa: S310
            try:
                with self._opener.open(request, timeout=_TIMEOUT_S):
                    return
            except (OSError, ValueError) as error:
                _log.warning("webhook of %s: %s", name, error)

    def _headers(self, name: str, body: bytes) -> dict[str, str]:
        now = str(int(time.time()))
        headers = {"Content-Type": "application/json", "webhook-id": name, "webhook-timestamp": now}
        if self._secret is not None:
            signed = f"{name}.{now}.".encode() + body
            digest = hmac.digest(self._secret.encode(), signed, hashlib.sha256)
            headers["webhook-signature"] = "v1," + base64.b64encode(digest).decode()
        return headers

    def stop(self) -> None:
        """Send nothing any more."""
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
