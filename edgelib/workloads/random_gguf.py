"""What does llama.cpp load? A GGUF file of a given shape with random weights: as fast as a trained one.

Speed depends on how many weights there are and how they are stored, never on their values. Layout:
the GGUF specification, and ggml's block structures as published in the `gguf` package.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelib.errors import choice, integer
from edgelib.workloads.transformer import Transformer

# format: weights in a block, its bytes, where its 16-bit scale stands, and one that gives small weights
_BLOCKS = {"q8_0": (32, 34, 0, 2e-4), "q4_0": (32, 18, 0, 2e-3), "q6_k": (256, 210, 208, 1e-5)}
FORMATS = ("f16", "q8_0", "q4_0")
_OUTPUT = {"q4_0": "q6_k"}  # what llama.cpp's own quantiser does to the output matrix
_BYTE_TOKENS = 256
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6  # kinds of token


def write_random_gguf(
    path: Path, model: Transformer, weights: str, *, context: int = 2048, seed: int = 0
) -> None:
    """Write `model` with random weights in format f16, q8_0 or q4_0.

    The shape must be one of the LLaMA family: gated feed-forward, and no vectors but two norms per
    layer and a last one. The vocabulary is made up. As in llama.cpp's own
    q4_0 files, an output matrix of its own is q6_k.

    Raises
    ------
    ValueError : another format, or a shape that needs another architecture.
    ImportError : the package `gguf` is not installed.
    """
    choice("weights", weights, FORMATS)
    norms = (2 * model.layers + 1) * model.d_model
    if model.mlp_matrices != 3 or model.vector_params not in (0, norms):
        raise ValueError(
            f"model = {model.name!r}: expected the shape of a LLaMA (no biases, gated feed-forward)"
        )
    if model.vocab < _BYTE_TOKENS + 4:
        raise ValueError(
            f"model = {model.name!r}: vocab = {model.vocab}, expected at least {_BYTE_TOKENS + 4}"
        )
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(integer("context", context, at_least=1))
    writer.add_embedding_length(model.d_model)
    writer.add_block_count(model.layers)
    writer.add_feed_forward_length(model.d_ff)
    writer.add_head_count(model.heads)
    writer.add_head_count_kv(model.kv_heads)
    writer.add_key_length(model.head_dim)
    writer.add_value_length(model.head_dim)
    writer.add_rope_dimension_count(model.head_dim)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(model.vocab)
    _add_vocabulary(writer, model.vocab)

    tensors = dict(_tensors(model))
    formats = {
        name: _OUTPUT.get(weights, weights) if name == "output.weight" else weights for name in tensors
    }
    for name, shape in tensors.items():
        if len(shape) == 1:
            writer.add_tensor_info(name, shape, np.dtype(np.float32), 4 * shape[0])
        else:
            size = _size(shape, formats[name])
            raw = formats[name] != "f16"  # raw bytes of blocks: the row is given in bytes
            stored = (shape[0], size // shape[0]) if raw else shape
            kind = gguf.GGMLQuantizationType[formats[name].upper()]
            writer.add_tensor_info(name, stored, np.dtype(np.uint8 if raw else np.float16), size, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    rng = np.random.default_rng(seed)
    for name, shape in tensors.items():  # one at a time: the file may be larger than the memory
        norm = len(shape) == 1
        data = np.ones(shape, np.float32) if norm else _random(rng, shape, formats[name])
        writer.write_tensor_data(data)
    writer.close()


def _tensors(model: Transformer) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape (rows = outputs, columns = inputs) of every tensor."""
    d, q, kv = model.d_model, model.heads * model.head_dim, model.kv_heads * model.head_dim
    yield "token_embd.weight", (model.vocab, d)
    if not model.tied:
        yield "output.weight", (model.vocab, d)
    yield "output_norm.weight", (d,)
    for layer in range(model.layers):
        block = f"blk.{layer}."
        yield block + "attn_norm.weight", (d,)
        yield block + "attn_q.weight", (q, d)
        yield block + "attn_k.weight", (kv, d)
        yield block + "attn_v.weight", (kv, d)
        yield block + "attn_output.weight", (d, q)
        yield block + "ffn_norm.weight", (d,)
        yield block + "ffn_gate.weight", (model.d_ff, d)
        yield block + "ffn_up.weight", (model.d_ff, d)
        yield block + "ffn_down.weight", (d, model.d_ff)


def _size(shape: tuple[int, ...], weights: str) -> int:
    """Bytes of a matrix."""
    count = shape[0] * shape[1]
    if weights == "f16":
        return 2 * count
    block, size, *_ = _BLOCKS[weights]
    if shape[1] % block:
        raise ValueError(f"a row of {shape[1]} weights: {weights} needs a multiple of {block}")
    return count // block * size


def _random(rng: np.random.Generator, shape: tuple[int, ...], weights: str) -> NDArray[Any]:
    """A matrix as it is stored, its bits drawn at random."""
    raw = np.frombuffer(rng.bytes(_size(shape, weights)), np.uint8)
    if weights == "f16":  # random sign and fraction; the exponent keeps 1/64 <= |w| < 1/32
        return (raw.view(np.uint16) & 0x83FF | 0x2400).view(np.float16).reshape(shape)
    _, size, place, scale = _BLOCKS[weights]
    blocks = raw.reshape(-1, size).copy()
    blocks[:, place : place + 2] = np.array([scale], np.float16).view(np.uint8)
    return blocks.reshape(shape[0], -1)


def _add_vocabulary(writer: Any, size: int) -> None:
    """Three special tokens, the 256 bytes, and invented words: what llama.cpp's tokeniser asks for."""
    words = [f"\u2581w{i}" for i in range(size - 3 - _BYTE_TOKENS)]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(_BYTE_TOKENS)), *words])
    writer.add_token_scores([0.0] * size)
    writer.add_token_types([_UNKNOWN, _CONTROL, _CONTROL, *[_BYTE] * _BYTE_TOKENS, *[_NORMAL] * len(words)])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
