"""What `import gpen` promises."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gpen
from gpen import errors
from support.project_file import read_project_file

ROOT = Path(__file__).resolve().parents[1]


def test_public_names_are_sorted_and_importable() -> None:
    assert sorted(gpen.__all__) == gpen.__all__
    for name in gpen.__all__:
        assert getattr(gpen, name) is not None


def test_no_module_bears_the_name_of_a_public_function() -> None:
    modules = {module.name for module in pkgutil.iter_modules(gpen.__path__)}
    assert not modules & set(gpen.__all__)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="restart"):
        gpen.restart  # noqa: B018


@pytest.mark.parametrize(
    "statement", ["import gpen", "import gpen; gpen.Settings()", "import gpen.cli.app"]
)
def test_import_is_light(statement: str) -> None:
    """No network runtime, no OpenCV, no Pillow before they are needed."""
    code = f"{statement}; import sys; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(re.findall(r"'([\w.]+)'", done.stdout))
    assert not loaded & {"torch", "openvino", "onnxruntime", "cv2", "PIL", "onnx"}
    assert done.stderr == ""


def test_every_error_is_drawn_in_the_tree() -> None:
    classes = [
        value
        for value in vars(errors).values()
        if isinstance(value, type)
        and issubclass(value, errors.GpenError)
        and not value.__name__.startswith("_")
    ]
    assert len(classes) > 10
    for error in classes:
        assert error.__name__ in str(errors.__doc__)
        assert error is errors.GpenError or error.__name__ in gpen.__all__


def test_the_version_stands_in_one_place_and_in_the_changelog() -> None:
    project = read_project_file(ROOT)
    assert project["project"]["dynamic"] == ["version"]
    source = (ROOT / project["tool"]["hatch"]["version"]["path"]).read_text()
    assert f'VERSION = "{gpen.__version__}"' in source
    assert f"\n## {gpen.__version__}\n" in (ROOT / "CHANGELOG.md").read_text()
    assert "\nversion:" not in (ROOT / "CITATION.cff").read_text()
