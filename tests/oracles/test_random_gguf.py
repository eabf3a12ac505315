"""A file of random weights, read back with the `gguf` package, which its format comes from."""

import gguf
import numpy as np
import pytest

from edgelib.errors import UnknownName
from edgelib.hardware import engine
from edgelib.metrics import predict
from edgelib.workloads import Transformer, transformer
from edgelib.workloads.random_gguf import FORMATS, write_random_gguf
from tests.tiny import TINY


def read(path, model, weights, **options):
    write_random_gguf(path, model, weights, **options)
    return gguf.GGUFReader(path)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("weights", FORMATS)
def test_the_file_holds_the_bytes_that_the_model_counts(tmp_path, weights, tied):
    model = Transformer(**{**vars(TINY), "tied": tied})
    reader = read(tmp_path / "a.gguf", model, weights)
    stored = sum(int(tensor.n_bytes) for tensor in reader.tensors)
    counted = predict(model, engine("RPi5/CPU"), weights=weights).memory_B["weights"]
    if tied and weights == "q4_0":  # the tied matrix is the embedding, and stays 4-bit here
        counted -= model.head_params * (6.5625 - 4.5) / 8
    assert stored == counted
    assert sum(int(tensor.n_elements) for tensor in reader.tensors) == model.params


@pytest.mark.parametrize("weights", FORMATS)
def test_weights_are_random_small_and_finite(tmp_path, weights):
    for tensor in read(tmp_path / "a.gguf", TINY, weights).tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)
        assert np.isfinite(values).all()
        if tensor.name.endswith("norm.weight"):
            assert (values == 1).all()
        else:
            assert 1e-3 < values.std() < 0.1 and np.abs(values).max() < 0.2


def test_shapes_and_types_are_those_of_llama(tmp_path):
    tensors = {t.name: t for t in read(tmp_path / "a.gguf", TINY, "q4_0").tensors}
    assert list(tensors["blk.1.ffn_down.weight"].shape) == [512, 256]  # gguf lists columns first
    assert list(tensors["blk.0.attn_k.weight"].shape) == [256, 128]
    assert tensors["output.weight"].tensor_type == gguf.GGMLQuantizationType.Q6_K
    assert tensors["token_embd.weight"].tensor_type == gguf.GGMLQuantizationType.Q4_0
    assert tensors["output_norm.weight"].tensor_type == gguf.GGMLQuantizationType.F32


def test_header_and_vocabulary(tmp_path):
    reader = read(tmp_path / "a.gguf", TINY, "f16", context=64)

    def field(name):
        return reader.fields[name].contents()

    assert field("general.architecture") == "llama"
    assert (field("llama.block_count"), field("llama.context_length")) == (2, 64)
    assert (field("llama.attention.head_count"), field("llama.attention.head_count_kv")) == (4, 2)
    tokens = field("tokenizer.ggml.tokens")
    assert len(tokens) == len(set(tokens)) == 300
    assert field("tokenizer.ggml.token_type").count(int(gguf.TokenType.BYTE)) == 256


def test_a_seed_gives_one_file(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_random_gguf(tmp_path / name, TINY, "q8_0", seed=seed)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


def test_what_llama_cannot_hold_is_refused(tmp_path):
    path = tmp_path / "a.gguf"
    with pytest.raises(UnknownName, match="weights = 'q2_k' is unknown"):
        write_random_gguf(path, TINY, "q2_k")
    with pytest.raises(ValueError, match=r"qwen2-0\.5b.*no biases"):
        write_random_gguf(path, transformer("qwen2-0.5b"), "f16")
    with pytest.raises(ValueError, match="vocab = 100"):
        write_random_gguf(path, Transformer(**{**vars(TINY), "vocab": 100}), "f16")
    with pytest.raises(ValueError, match="multiple of 256"):
        write_random_gguf(path, Transformer(**{**vars(TINY), "d_model": 96, "vector_params": 0}), "q4_0")
    with pytest.raises(ValueError, match="context"):
        write_random_gguf(path, TINY, "f16", context=0)
    assert not path.exists()
