"""The text of a first metered test, with the library that the project runs its models with."""

from __future__ import annotations

from pathlib import Path

from pytest_energy.init.dependencies import ON_TORCH
from pytest_energy.init.project import Project

DATA = Path(__file__).with_name("data")

_LOADS = {
    "sentence-transformers": 'sentence_transformers.SentenceTransformer("org/model")',
    "diffusers": 'diffusers.DiffusionPipeline.from_pretrained("org/model")',
    "torch": 'torch.load("model.pt")',
    "onnxruntime": 'onnxruntime.InferenceSession("model.onnx")',
    "onnxruntime-gpu": 'onnxruntime.InferenceSession("model.onnx")',
    "llama-cpp-python": 'llama_cpp.Llama("model.gguf")',
    "vllm": 'vllm.LLM("org/model")',
    "tensorflow": 'tensorflow.keras.models.load_model("model.keras")',
    "keras": 'keras.saving.load_model("model.keras")',
    "xgboost": 'xgboost.Booster(model_file="model.json")',
    "lightgbm": 'lightgbm.Booster(model_file="model.txt")',
    "spacy": 'spacy.load("en_core_web_sm")',
    "fasttext": 'fasttext.load_model("model.bin")',
}
"""How each library loads a model, for the comment where the reader's own goes."""


def example(project: Project) -> str:
    """A module with one metered test, which passes as it stands.

    Args:
        project: that it is for.
    """
    libraries = project.dependencies.libraries
    first = libraries[0] if libraries else ""
    text = (DATA / f"{_template(first, project.asyncio)}.py.txt").read_text("utf-8")
    load = f", with {_LOADS[first]} for example" if first in _LOADS else ""
    # A comment has a line of its own, so that none becomes too long.
    return text.replace("{load}", load).replace("test_inference", project.test_function)


def _template(library: str, asyncio: bool) -> str:
    if library in ("transformers", "scikit-learn"):
        return library
    if library == "openai":
        return "openai-async" if asyncio else library
    return "torch" if library in ON_TORCH else "plain"
