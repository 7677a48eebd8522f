"""Progressive JPEG files that are made to take forever.

Each scan of a progressive file goes over the whole image. Encoders write about ten; a file of less
than a megabyte can ask for thousands, each over 80 million pixels.

Format: ITU-T T.81, 1992, annexes B and G.
"""

from __future__ import annotations

import re
from typing import BinaryIO

from ..errors import ReadError

#: Ten times what libjpeg's own script for progressive files has.
MAX_SCANS = 100
#: In the data of a scan 0xFF is followed by 0, or by the number of a restart.
_SCAN = re.compile(rb"\xff\xda")


def refuse_many_scans(file: BinaryIO) -> None:
    """Refuse a progressive JPEG file with an absurd number of scans.

    Raises:
        ReadError: Says how many there are; the file is at its beginning otherwise.
    """
    file.seek(0)
    count = sum(1 for _ in _SCAN.finditer(file.read()))
    file.seek(0)
    if count > MAX_SCANS:
        raise ReadError(
            f"it is a JPEG of {count} scans, more than the limit of {MAX_SCANS}, which would take "
            "minutes to decode; if you trust it, convert it to PNG with another program"
        )
