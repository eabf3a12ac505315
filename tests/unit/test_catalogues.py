"""Every figure is sourced, parses, and agrees with an oracle where there is one."""

import csv
import re
from collections import Counter
from importlib.resources import files

import gguf
import pytest

from edgelib.hardware.device import engine, engine_names
from edgelib.workloads.formats import format_names, weight_format
from edgelib.workloads.transformer import transformer

CONFIDENCE = {"high", "medium", "low"}
UNITS = {
    "bandwidth": "GB/s",
    "peak_int8": "TOPS",
    "peak_fp16": "TFLOPS",
    "clock": "GHz",
    "cores": "cores",
    "tdp": "W",
}
# The largest that any edge device of this decade reaches, in the unit of the catalogue.
CEILING = {"bandwidth": 1e3, "peak_int8": 1e3, "peak_fp16": 1e3, "clock": 6.5, "tdp": 300}
# Measured, but no figure of theirs was found.
WITHOUT_FIGURES = {"RK3562/NPU", "RV1126B/NPU"}
# Measured, but their shape is not that of a plain decoder (per-layer embeddings).
WITHOUT_SHAPE = {"Gemma-3n-E2B", "Gemma-3n-E4B"}

EXACT = (
    "f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q2_k q3_k q4_k q5_k q6_k iq4_nl iq4_xs "
    "iq3_xxs iq3_s iq2_xxs iq2_xs iq2_s iq1_s"
)


def rows(name: str) -> list[dict[str, str]]:
    with files("edgelib.data").joinpath(f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ENGINES, MODELS, FORMATS = rows("engines"), rows("models"), rows("formats")
MEASUREMENTS, CLAIMS = rows("measurements"), rows("claims")
BLOCKS = {kind.name.lower(): size for kind, size in gguf.GGML_QUANT_SIZES.items()}


def by_model(row: dict[str, str]) -> str:
    return row["model"]


def shape(row: dict[str, str]) -> dict[str, int]:
    """The columns of a model that are whole numbers."""
    text = {"model", "alias", "layer_vectors", "final_vectors", "source", "confidence", "note"}
    return {name: int(value) for name, value in row.items() if name not in text and value}


def matrices(row: dict[str, str]) -> int:
    """Weights of one layer's matrices: queries, output; keys, values; feed-forward."""
    s = shape(row)
    d, queries, keys = s["d_model"], s["heads"] * s["head_dim"], s["kv_heads"] * s["head_dim"]
    return d * queries + queries * d + d * keys + d * keys + s["mlp_matrices"] * d * s["d_ff"]


def total(row: dict[str, str]) -> int:
    s = shape(row)
    embeddings = s["vocab"] * s["d_model"] * (1 if s["tied"] else 2)
    layers = s["layers"] * (matrices(row) + s["extra_params_per_layer"])
    return embeddings + layers + s["extra_params_final"]


@pytest.mark.parametrize("table", [ENGINES, MODELS, FORMATS], ids=["engines", "models", "formats"])
def test_every_row_has_a_source_and_a_confidence(table: list[dict[str, str]]) -> None:
    bare = [row for row in table if not row["source"].strip() or row["confidence"] not in CONFIDENCE]
    assert bare == []
    recalled = [
        row for row in table if re.match("recalled|assumed", row["source"]) and row["confidence"] != "low"
    ]
    assert recalled == []


@pytest.mark.parametrize(
    ("table", "key"),
    [
        (ENGINES, ("engine", "figure")),
        (MODELS, ("model",)),
        (MODELS, ("alias",)),
        (FORMATS, ("format",)),
        (CLAIMS, ("id",)),
    ],
    ids=["engines", "models", "aliases", "formats", "claims"],
)
def test_nothing_stands_twice(table: list[dict[str, str]], key: tuple[str, ...]) -> None:
    counts = Counter(tuple(row[name] for name in key) for row in table)
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("row", ENGINES, ids=lambda row: f"{row['engine']} {row['figure']}")
def test_figure_has_its_unit_and_a_possible_value(row: dict[str, str]) -> None:
    assert row["unit"] == UNITS[row["figure"]]
    assert row["kind"] == row["engine"].split("/")[1].lower()
    if row["figure"] == "cores":
        assert re.match(r"[1-9]", row["value"])
        return
    numbers = [float(part) for part in row["value"].split("-")]
    assert len(numbers) == 1 or row["figure"] == "tdp"
    assert numbers == sorted(numbers)
    assert 0 < numbers[0] <= numbers[-1] <= CEILING[row["figure"]]


def test_nothing_is_missing() -> None:
    assert len({row["engine"] for row in ENGINES}) == 72
    assert len(MODELS) == 29
    assert len(MEASUREMENTS) == 249
    assert len(CLAIMS) == 343
    assert {row["device_unit"] for row in MEASUREMENTS} - {
        row["engine"] for row in ENGINES
    } == WITHOUT_FIGURES
    assert {row["model"] for row in MEASUREMENTS} - {row["alias"] for row in MODELS} == WITHOUT_SHAPE
    # Decode cannot be predicted without a bandwidth.
    assert {row["engine"] for row in ENGINES if row["figure"] == "bandwidth"} == {
        row["engine"] for row in ENGINES
    }


def test_every_measurement_and_claim_names_its_source() -> None:
    assert [row for row in MEASUREMENTS if not row["source"] or not row["source_id"]] == []
    assert [row["id"] for row in CLAIMS if not row["source"] or not row["verdict"]] == []


def test_apple_gpu_peaks_follow_from_cores_and_clock() -> None:
    """128 multiply-adds per core and cycle; the figures are rounded to 10 GFLOPS."""
    figures = {(row["engine"], row["figure"]): row["value"] for row in ENGINES}
    gpus = [e for e, figure in figures if figure == "peak_fp16" and re.match(r"M\d.*-\d+c/GPU", e)]
    assert len(gpus) == 28
    for gpu in gpus:
        cores, clock = int(figures[gpu, "cores"]), float(figures[gpu, "clock"])
        assert float(figures[gpu, "peak_fp16"]) == pytest.approx(cores * 256 * clock / 1000, abs=0.011)


@pytest.mark.parametrize("row", MODELS, ids=by_model)
def test_vectors_are_what_the_columns_say(row: dict[str, str]) -> None:
    names = {"__builtins__": {}, **shape(row)}
    assert eval(row["layer_vectors"], names) == int(row["extra_params_per_layer"])
    assert eval(row["final_vectors"], names) == int(row["extra_params_final"])


@pytest.mark.parametrize("row", [row for row in MODELS if row["total_params_published"]], ids=by_model)
def test_formula_gives_the_published_total(row: dict[str, str]) -> None:
    assert total(row) == int(row["total_params_published"])


def test_models_without_a_published_total_are_named() -> None:
    without = {row["model"] for row in MODELS if not row["total_params_published"]}
    assert without == {"minicpm4-0.5b", "bitnet-b1.58-3b"}
    assert all("no exact total found" in row["note"] for row in MODELS if row["model"] in without)


@pytest.mark.parametrize("row", MODELS, ids=by_model)
def test_model_is_consistent(row: dict[str, str]) -> None:
    s = shape(row)
    assert s["heads"] % s["kv_heads"] == 0
    assert s["tied"] in (0, 1) and s["mlp_matrices"] in (2, 3)
    assert row["model"] == row["model"].lower()
    # The name says the size in billions, embeddings counted or not, rounded by the maker.
    named = re.search(r"([\d.]+)B", row["alias"].split("-", 1)[1])
    assert named and total(row) / 1e9 == pytest.approx(float(named[1]), rel=0.35)


def test_llama_7b() -> None:
    (llama,) = (row for row in MODELS if row["model"] == "llama-2-7b")
    assert total(llama) == 6_738_415_616
    assert 32 * matrices(llama) + 32000 * 4096 == 6_607_077_376


@pytest.mark.parametrize("row", MODELS, ids=by_model)
def test_library_counts_as_the_formula_does(row: dict[str, str]) -> None:
    model = transformer(row["model"])
    assert model.params == total(row)
    assert model.matmul_params == int(row["layers"]) * matrices(row) + int(row["vocab"]) * int(row["d_model"])


@pytest.mark.parametrize(
    "row", [row for row in FORMATS if row["format"] in BLOCKS], ids=lambda r: r["format"]
)
def test_block_formats_equal_gguf(row: dict[str, str]) -> None:
    weights, size = BLOCKS[row["format"]]
    assert float(row["bits_per_weight"]) == 8 * size / weights
    assert int(row["block"]) == weights


def test_formats_asked_for_are_there() -> None:
    assert set(EXACT.split()) <= BLOCKS.keys() & set(format_names())
    bits = {row["format"]: float(row["bits_per_weight"]) for row in FORMATS}
    groups = {"int8": 8, "w8a8": 8, "int4": 4, "int4_g128": 4 + 16 / 128, "int4_g32": 4 + 16 / 32}
    zeros = {"int4_g128_zero": 4 + 32 / 128, "int4_g64_zero": 4 + 32 / 64, "awq_g128": 4 + (16 + 4) / 128}
    assert {name: bits[name] for name in groups | zeros} == groups | zeros


@pytest.mark.parametrize(
    "row", [row for row in FORMATS if row["file_bits_per_weight"]], ids=lambda r: r["format"]
)
def test_mixes_give_the_published_file(row: dict[str, str]) -> None:
    """Layers, output matrix and embedding of Llama-3.1-8B in their types, vectors in 32 bits.

    llama.cpp keeps the embedding in the base type of the mix: q4_k for q4_k_m.
    """
    (llama,) = (r for r in MODELS if r["model"] == "llama-3.1-8b")
    bits = {r["format"]: float(r["bits_per_weight"]) for r in FORMATS}
    s = shape(llama)
    head = s["vocab"] * s["d_model"]
    vectors = s["layers"] * s["extra_params_per_layer"] + s["extra_params_final"]
    file_bits = (
        s["layers"] * matrices(llama) * float(row["bits_per_weight"])
        + head * (bits[row["head_format"]] + bits[row["format"][:4]])
        + 32 * vectors
    )
    assert file_bits / total(llama) == pytest.approx(float(row["file_bits_per_weight"]), abs=1.5e-4)


def test_library_reads_every_row() -> None:
    assert set(engine_names()) == {row["engine"] for row in ENGINES}
    assert set(format_names()) == {row["format"] for row in FORMATS}
    assert engine("GB10/GPU").bandwidth == 273e9
    assert weight_format("q4_0").bits == 4.5 and weight_format("q4_0").head_bits == 6.5625
    assert weight_format("q8_0").head_bits == 8.5 and weight_format("iq2_xs").head_bits == 5.5
