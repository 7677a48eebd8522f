"""What WebUI loads: registers GPEN, and shows it the Extras script.

WebUI runs this file again at every reload, and finds script classes among its names.
"""

from __future__ import annotations

import sys

try:
    import gpen
except ImportError as error:
    print(f"GPEN is absent: {error}: see docs/webui.md of gpen", file=sys.stderr)
else:
    from gpen_webui import models, restorer
    from gpen_webui.extras import GpenPostprocessing

    __all__ = ["GpenPostprocessing", "gpen"]
    models.make_findable()
    restorer.register()
