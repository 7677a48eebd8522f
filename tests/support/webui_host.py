"""A stand-in for Stable Diffusion WebUI: just what its extensions may rely on, older and newer."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

EXTENSION = Path(__file__).resolve().parents[2] / "plugins" / "a1111"

#: What scripts show that are there without being chosen.
ALWAYS_VISIBLE = object()
#: Arguments that the components of Gradio 3 and 4 both take.
_COMMON = {"value", "label", "elem_id"}
_COMPONENTS = {
    "Dropdown": {"choices"},
    "Radio": {"choices"},
    "CheckboxGroup": {"choices"},
    "Slider": {"minimum", "maximum", "step"},
    "Checkbox": set(),
    "Number": set(),
    "Textbox": set(),
}


class Component:
    """A Gradio component; refuses arguments that the real one does not know."""

    known: ClassVar[set[str]] = set()

    def __init__(self, **arguments: Any) -> None:
        unknown = set(arguments) - _COMMON - self.known
        assert not unknown, f"{type(self).__name__} does not take {unknown}"
        self.value = arguments.get("value")
        self.arguments = arguments


class Accordion:
    def __init__(self, label: str = "", open: bool = True) -> None:
        self.label = label

    def __enter__(self) -> Accordion:
        return self

    def __exit__(self, *_: object) -> None: ...


class InputAccordion(Component):
    """The newer box with a switch in its head."""

    def __init__(self, value: bool, *, label: str, elem_id: str) -> None:
        super().__init__(value=value, label=label, elem_id=elem_id)

    def __enter__(self) -> InputAccordion:
        return self

    def __exit__(self, *_: object) -> None: ...


class FaceRestoration:
    def name(self) -> str:
        return "None"

    def restore(self, np_image: Any) -> Any:
        return np_image


class OlderImage:
    def __init__(self, image: Any) -> None:
        self.image = image
        self.info: dict[str, Any] = {}


class NewerImage(OlderImage):
    def __init__(self, image: Any) -> None:
        super().__init__(image)
        self.shared = SimpleNamespace(target_width=None, target_height=None)
        self.extra_images: list[Any] = []
        self.nametags: list[str] = []
        self.disable_processing = False
        self.caption = None


class OlderScript:
    filename = controls = args_from = args_to = group = name = None
    order = 1000

    def ui(self) -> Any: ...

    def process(self, pp: Any, **args: Any) -> None: ...

    def image_changed(self) -> None: ...


class NewerScript(OlderScript):
    def process_firstpass(self, pp: Any, **args: Any) -> None: ...


class Options:
    """Saved settings: an attribute for each value set, else the default of an option added."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}

    def add_option(self, key: str, info: Any) -> None:
        self.rows[key] = info

    def __getattr__(self, key: str) -> Any:
        if key in self.__dict__.get("rows", {}):
            return self.rows[key].default
        raise AttributeError(key)


class OptionInfo:
    def __init__(
        self,
        default: Any = None,
        label: str = "",
        component: Any = None,
        component_args: Any = None,
        onchange: Any = None,
        section: Any = None,
        refresh: Any = None,
    ) -> None:
        self.default, self.label, self.component = default, label, component
        self.component_args, self.section, self.refresh = component_args, section, refresh


class NewerOptionInfo(OptionInfo):
    def __init__(self, *arguments: Any, category_id: str | None = None, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.category_id = category_id


class Script:
    """A script of the generation tabs."""

    infotext_fields: Any = None

    def title(self) -> str: ...

    def show(self, is_img2img: bool) -> Any: ...

    def ui(self, is_img2img: bool) -> Any: ...

    def postprocess_image(self, p: Any, pp: Any, *args: Any) -> None: ...


class WebUI:
    """One start of WebUI, with the extension loaded as WebUI loads it."""

    def __init__(
        self, patch: pytest.MonkeyPatch, root: Path, *, newer: bool, use_cpu: tuple[str, ...] = ()
    ) -> None:
        self.root, self.newer, self._patch = root, newer, patch
        self.messages: list[tuple[str, bool]] = []
        self.collected = 0
        self.shared = _module(
            "modules.shared",
            face_restorers=[FaceRestoration()],
            opts=Options(),
            OptionInfo=NewerOptionInfo if newer else OptionInfo,
            cmd_opts=SimpleNamespace(use_cpu=list(use_cpu), gfpgan_models_path=None),
        )
        self._settings_callbacks: list[Any] = []
        self._put(self._modules())
        self._forget()

    def _modules(self) -> list[ModuleType]:
        def report(message: str, *, exc_info: bool = False) -> None:
            self.messages.append((message, exc_info))

        def collect() -> None:
            self.collected += 1

        components = {
            name: type(name, (Component,), {"known": known}) for name, known in _COMPONENTS.items()
        }
        self.gradio = _module("gradio", Accordion=Accordion, **components)
        return [
            _module("modules"),
            self.shared,
            self.gradio,
            _module("modules.paths_internal", models_path=str(self.root / "models")),
            _module("modules.devices", torch_gc=collect),
            _module("modules.face_restoration", FaceRestoration=FaceRestoration),
            _module("modules.errors", **({"report": report} if self.newer else {})),
            _module("modules.scripts", Script=Script, AlwaysVisible=ALWAYS_VISIBLE),
            _module("modules.script_callbacks", on_ui_settings=self._settings_callbacks.append),
            _module(
                "modules.ui_components",
                **({"InputAccordion": InputAccordion} if self.newer else {}),
            ),
            _module(
                "modules.scripts_postprocessing",
                ScriptPostprocessing=NewerScript if self.newer else OlderScript,
            ),
        ]

    def _put(self, modules: list[ModuleType]) -> None:
        for module in modules:
            self._patch.setitem(sys.modules, module.__name__, module)
            parent, _, name = module.__name__.rpartition(".")
            if parent:
                setattr(sys.modules[parent], name, module)

    def _forget(self) -> None:
        """Drop the extension's modules of an earlier start."""
        for name in [name for name in sys.modules if name.partition(".")[0] == "gpen_webui"]:
            self._patch.delitem(sys.modules, name)

    def load(self, extension: Path = EXTENSION) -> ModuleType:
        """Run an extension's script, its folder on the path only meanwhile, and the callbacks."""
        self._settings_callbacks.clear()
        (path,) = (extension / "scripts").glob("*.py")
        sys.path.insert(0, str(extension))
        try:
            spec = importlib.util.spec_from_file_location(path.name, path)
            script = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(script)
        finally:
            sys.path.remove(str(extension))
        for callback in self._settings_callbacks:
            callback()
        return script

    def restorer(self) -> Any:
        """What WebUI's `restore_faces` picks for the name GPEN."""
        return next(known for known in self.shared.face_restorers if known.name() == "GPEN")

    def generate(self, script: ModuleType, image: Any, **values: Any) -> dict[str, Any]:
        """Have the script of the generation tabs work on an image that was made.

        Returns:
            `image`, and `parameters` that go into its file.
        """
        instance = _class_of(script, Script)()
        assert instance.show(False) is ALWAYS_VISIBLE
        enable, blend = instance.ui(False)
        enable.value = values.get("enable", enable.value)
        blend.value = values.get("blend", blend.value)
        p, pp = SimpleNamespace(extra_generation_params={}), SimpleNamespace(image=image)
        instance.postprocess_image(p, pp, enable.value, blend.value)
        return {"image": pp.image, "parameters": p.extra_generation_params}

    def extras(self, script: ModuleType, image: Any, **values: Any) -> Any:
        """Run the Extras script on an image as an API call with these arguments would."""
        instance = _class_of(script, NewerScript if self.newer else OlderScript)()
        instance.controls = instance.ui()
        pp = (NewerImage if self.newer else OlderImage)(image)
        arguments = {name: values.get(name) for name in instance.controls}
        assert set(values) <= set(arguments)
        if self.newer:
            instance.process_firstpass(pp, **arguments)
        instance.process(pp, **arguments)
        instance.image_changed()
        return pp


def _class_of(script: ModuleType, base: type) -> type:
    """The one class of a kind among the names of a script, as WebUI looks for it."""
    (found,) = {
        value
        for value in vars(script).values()
        if isinstance(value, type) and issubclass(value, base) and value is not base
    }
    return found


def _module(name: str, **names: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(names)
    return module
