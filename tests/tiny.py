"""The smallest model that a real engine loads: shared by the tests of GGUF files and of engine runs."""

from edgelib.workloads import Transformer

TINY = Transformer(
    "tiny",
    layers=2,
    d_model=256,
    heads=4,
    kv_heads=2,
    head_dim=64,
    d_ff=512,
    vocab=300,
    vector_params=5 * 256,
)
