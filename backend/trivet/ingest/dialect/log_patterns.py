"""What error logs of serving engines say of their health: data, tried in the order written.

Phrases are looked for in the text of a record and in the type and message of its exception, in lower case. They are those of
PyTorch, vLLM, SGLang, TGI, TensorRT-LLM and llama.cpp.
"""

from typing import Final

from trivet_collectors import semconv as sc

# (what is said, which kind of health event it is, in one word what happened)
PHRASES: Final[tuple[tuple[str, str, str], ...]] = (
    ("cuda out of memory", sc.HEALTH_OUT_OF_MEMORY, "cuda"),
    ("outofmemoryerror", sc.HEALTH_OUT_OF_MEMORY, "cuda"),
    ("cuda_error_out_of_memory", sc.HEALTH_OUT_OF_MEMORY, "cuda"),
    ("cudaerrormemoryallocation", sc.HEALTH_OUT_OF_MEMORY, "cuda"),
    ("hip out of memory", sc.HEALTH_OUT_OF_MEMORY, "hip"),
    ("no available memory for the cache blocks", sc.HEALTH_OUT_OF_MEMORY, "kv_cache"),
    ("not enough memory. please try to increase --mem-fraction-static", sc.HEALTH_OUT_OF_MEMORY, "kv_cache"),
    ("kv cache pool is full", sc.HEALTH_OUT_OF_MEMORY, "kv_cache"),
    ("failed to load model", sc.HEALTH_MODEL_LOAD, "load"),
    ("error loading model", sc.HEALTH_MODEL_LOAD, "load"),
    ("failed to load weights", sc.HEALTH_MODEL_LOAD, "weights"),
    ("engine core initialization failed", sc.HEALTH_MODEL_LOAD, "engine"),
    ("engine process failed to start", sc.HEALTH_MODEL_LOAD, "engine"),
    ("failed to load 'model", sc.HEALTH_MODEL_LOAD, "load"),
    ("shard complete standard error output", sc.HEALTH_MODEL_LOAD, "shard"),
    ("has fallen off the bus", sc.HEALTH_GPU_LOST, "bus"),
    ("uncorrectable ecc error", sc.HEALTH_ECC, "uncorrected"),
)


def health_of(said: str) -> tuple[str, str] | None:
    """(kind, reason) of the health event that an error log tells of; None where it tells of none."""
    lower = said.lower()
    return next(((kind, reason) for phrase, kind, reason in PHRASES if phrase in lower), None)
