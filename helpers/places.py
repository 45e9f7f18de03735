"""Where the course lies on this machine. Rests on the standard library alone."""

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
SHIPPED = HERE / "_results"  # pyproject.toml puts the tables there in a wheel
FROM_WHEEL = SHIPPED.is_dir()
# A wheel has no course folder around it; what it has to keep lies where a clone would.
COURSE = Path(os.path.expanduser("~/anomaly-course")) if FROM_WHEEL else HERE.parent
RESULTS = SHIPPED if FROM_WHEEL else COURSE / "solutions" / "results"


def course_data():
    """The folder of prepared files: COURSE_DATA, else data/ in the course folder."""
    return Path(os.environ.get("COURSE_DATA") or COURSE / "data").expanduser()
