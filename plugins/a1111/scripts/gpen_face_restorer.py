"""What WebUI and Forge load where this folder is linked into extensions."""

from __future__ import annotations

from gpen_webui.start import load

#: WebUI looks for classes among the names of this file.
globals().update(load())
