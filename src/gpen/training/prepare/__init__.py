"""Photos to faces that a restorer can learn from; `gpen data prepare` calls this.

Two phases, so that a run can be killed at any moment and goes on where it was:

1. `find_faces` (slow, parallel). Photos are taken in batches of fixed members. Each batch becomes
   one file in `DST/.work`: a line of JSON with what was measured, then the encoded crops. It is
   written whole or not at all, and its name is a digest of its photos (name, size, time) and of
   all options that shape a crop. A later run finds the files it needs under their names. What
   depends on thresholds is not decided here, so other thresholds need no second look at photos.
2. `build_dataset` (fast, one thread). From the batch files in their order: refuse, drop
   near-duplicates, split, write shards, manifest, report and sheet into `DST/.work/new`, and move
   them to their places, the manifest last. Killed before that, it is done again from the start.

No result depends on the time, on the number of threads or on interruptions: the same photos and
options give the same bytes.
"""

from __future__ import annotations

from .candidates import find_faces
from .dataset import Report, build_dataset, finished_report
from .prepare_options import Options
from .work_plan import Plan, plan_work

__all__ = [
    "Options",
    "Plan",
    "Report",
    "build_dataset",
    "find_faces",
    "finished_report",
    "plan_work",
]
