"""Weight files: finding, loading, recognising, converting, downloading."""

from __future__ import annotations

from .architecture import Architecture
from .conversion import convert, write_inference_graph
from .find import ASSETS, ModelInfo, find_file, find_model, find_role, list_models, model_folders
from .kinds import GENERATOR_KINDS, HALVABLE_KINDS
from .load import Weights, load_weights
from .notes import config_note
from .onnx_file import OnnxFile, read_onnx
from .tensors import Tensor
from .upscaler_tensors import FACTORS, UPSCALER_KINDS, UpscalerNet, mixed, plain_layout

__all__ = [
    "ASSETS",
    "FACTORS",
    "GENERATOR_KINDS",
    "HALVABLE_KINDS",
    "UPSCALER_KINDS",
    "Architecture",
    "ModelInfo",
    "OnnxFile",
    "Tensor",
    "UpscalerNet",
    "Weights",
    "config_note",
    "convert",
    "find_file",
    "find_model",
    "find_role",
    "list_models",
    "load_weights",
    "mixed",
    "model_folders",
    "plain_layout",
    "read_onnx",
    "write_inference_graph",
]
