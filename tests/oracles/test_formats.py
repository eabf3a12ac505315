"""Bits per weight against the gguf package and published file sizes."""

import pytest
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

from edgelib.metrics import predict
from edgelib.workloads import WeightFormat, format_names, weight_format

BLOCKS = {t.name.lower(): GGML_QUANT_SIZES[t] for t in GGMLQuantizationType}


@pytest.mark.parametrize("name", [n for n in format_names() if n in BLOCKS])
def test_bits_equal_the_block_of_gguf(name):
    weights, size = BLOCKS[name]
    assert weight_format(name).bits == 8 * size / weights


def test_the_formats_of_the_book_are_among_them():
    assert {"f16", "q8_0", "q4_0", "q2_k", "q6_k"} <= set(BLOCKS) & set(format_names())


@pytest.mark.parametrize(
    ("name", "size"),
    [("f16", 13_475_459_891), ("q8_0", 7_161_857_966), ("q4_0", 3_822_520_893)],
)
def test_file_sizes(name, size):
    """LLaMA-2 7B files, from sizes printed in GiB to two decimals (llama.cpp pull request 2917)."""
    weights = predict("llama-2-7b", "M1-7c/GPU", weights=name).memory_B["weights"]
    assert weights == pytest.approx(size, rel=0.0015)


@pytest.mark.parametrize("name", ["q4", "", None, 4, "Q4_0"])
def test_unknown_formats_are_refused(name):
    with pytest.raises(ValueError, match="accepted"):
        weight_format(name)


@pytest.mark.parametrize("bits", [0, -4, float("nan"), "4", None, True])
def test_impossible_bits_are_refused(bits):
    with pytest.raises(ValueError, match="bits"):
        WeightFormat("mine", bits, 8)
    with pytest.raises(ValueError, match="head_bits"):
        WeightFormat("mine", 4, bits)
