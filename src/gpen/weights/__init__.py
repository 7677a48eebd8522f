"""Weight files: what they are, where they lie, and how they turn into one another."""

from __future__ import annotations

from .conversion import convert, write_inference_graph
from .files import cache_dir, crc32, remove_leftovers, temporary_file, written_whole
from .find import ASSETS, ModelInfo, find_file, find_model, find_role, list_models, model_folders
from .kinds import GENERATOR_KINDS, HALVABLE_KINDS
from .load import Weights, load_weights
from .notes import config_note
from .onnxfile import OnnxFile, read_onnx
from .specs import Architecture
from .tensors import Tensor

__all__ = [
    "ASSETS",
    "GENERATOR_KINDS",
    "HALVABLE_KINDS",
    "Architecture",
    "ModelInfo",
    "OnnxFile",
    "Tensor",
    "Weights",
    "cache_dir",
    "config_note",
    "convert",
    "crc32",
    "find_file",
    "find_model",
    "find_role",
    "list_models",
    "load_weights",
    "model_folders",
    "read_onnx",
    "remove_leftovers",
    "temporary_file",
    "write_inference_graph",
    "written_whole",
]
