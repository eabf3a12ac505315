"""Compute units, their provenance, and the roofline."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelib.data import Figure
from edgelib.errors import UnknownFigure
from edgelib.hardware import Engine, attainable, device, device_names, engine, engine_names, ridge
from edgelib.hardware.cores import width
from edgelib.hardware.device import engine_from_row

POSITIVE = st.floats(1e-3, 1e15)


@pytest.mark.parametrize("name", engine_names())
def test_every_figure_has_a_source_and_a_confidence(name):
    for figure in engine(name).figures.values():
        assert figure.source and figure.confidence in ("high", "medium", "low")
        assert figure.unit in ("B/s", "OP/s", "Hz", "threads", "pipes")


def test_units_become_si():
    m1 = engine("M1-7c/GPU")
    assert (m1.kind, m1.bandwidth) == ("gpu", 68e9)
    assert m1.peak.value == pytest.approx(7 * 128 * 2 * 1.278e9, rel=2e-3)  # cores x FMA x 2 x clock


def test_an_unpublished_figure_is_refused():
    with pytest.raises(UnknownFigure, match="peak_fp16 of SD8EG5/CPU is unpublished"):
        engine("SD8EG5/CPU").figure("peak_fp16")
    with pytest.raises(UnknownFigure, match="bandwidth of bare is unpublished; known: nothing"):
        _ = Engine("bare", "cpu").bandwidth


ROW = {
    "device_unit": "New/NPU",
    "soc": "New",
    "unit": "NPU",
    "clock_GHz": "",
    "bandwidth_GBps": "34.1",
    "bandwidth_provenance": "recalled",
    "peak_int8_TOPS": "6",
    "peak_provenance": "read",
    "source": "a page",
}


def test_a_new_device_from_its_row_alone():
    unit = engine_from_row(ROW)
    assert (unit.kind, unit.bandwidth, unit.peak.value) == ("npu", 34.1e9, 6e12)
    assert unit.figure("bandwidth").confidence == "low" and unit.figure("peak_int8").confidence == "medium"
    with pytest.raises(UnknownFigure):
        unit.figure("clock")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit": "TPU"}, "kind"),
        ({"bandwidth_GBps": "fast"}, "fast"),
        ({"bandwidth_GBps": "-3"}, "greater than 0"),
    ],
)
def test_bad_rows_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        engine_from_row(ROW | change)


def test_having_changes_a_copy():
    m1 = engine("M1-7c/GPU")
    assert m1.having(bandwidth=1e11).bandwidth == 1e11 and m1.bandwidth == 68e9
    for bad in ({"bandwidth": 0}, {"bandwidth": "68"}, {"speed": 3}, {"peak_fp16": float("nan")}):
        with pytest.raises(ValueError):
            m1.having(**bad)


@pytest.mark.parametrize(
    ("soc", "cores", "threads", "pipes"),
    [
        ("BCM2712", "4xA76", 4, 2),
        ("Apple M4", "4P+6E", 4, 4),
        ("Snapdragon 8 Gen 1", "1+3+4", 4, 2.5),
        ("Snapdragon 8 Gen 3", "1xX4+5xA720+2xA520", 6, (4 + 5 * 2) / 6),
        ("Snapdragon 8 Elite", "2x4.32+6x3.53 Oryon", 8, 4),
        ("Cix", "12 cores", 12, None),
        ("Intel N150", "4xGracemont", 4, 3),
        ("?", "", None, None),
    ],
)
def test_width_of_a_cpu(soc, cores, threads, pipes):
    figures = width(soc, cores, "a page")
    assert {name: figure.value for name, figure in figures.items()} == {
        name: value for name, value in (("threads", threads), ("simd_pipes", pipes)) if value is not None
    }


def test_a_device_has_units():
    phone = device("Snapdragon 8 Gen 3")
    assert {unit.kind for unit in phone.engines} == {"cpu", "gpu", "npu"}
    assert phone.engine("npu").name == "SD8G3/NPU"
    for ask in (lambda: device("Snapdragon"), lambda: phone.engine("dsp"), lambda: device(None)):
        with pytest.raises(ValueError, match="accepted"):
            ask()
    assert sum(len(device(name).engines) for name in device_names()) == len(engine_names())


def test_gigahertz_and_the_preferred_peak():
    assert engine("M1-7c/GPU").figure("clock").value == 1.278e9
    orin = engine("AGXOrin64/GPU")
    assert orin.peak.value == orin.figure("peak_fp16").value != orin.figure("peak_int8").value
    with pytest.raises(ValueError, match="bandwidth"):
        Engine("x", "gpu", "", {"bandwidth": Figure(0.0, "B/s", "s", "low")})


@pytest.mark.parametrize("name", ["M1", "m1-7c/gpu", "", None, 3])
def test_unknown_engines_are_refused(name):
    with pytest.raises(ValueError, match="accepted"):
        engine(name)


def test_a_figure_of_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="figure"):
        Engine("x", "gpu", "", {"colour": Figure(1.0, "B/s", "s", "low")})


@given(POSITIVE, POSITIVE, POSITIVE)
def test_the_roofline_is_the_smaller_of_its_roofs(intensity, peak, bandwidth):
    assert attainable(intensity, peak, bandwidth) == pytest.approx(
        min(peak, intensity * bandwidth), rel=1e-12
    )
    assert attainable(ridge(peak, bandwidth), peak, bandwidth) == pytest.approx(peak)


def test_the_roofline_takes_arrays_and_refuses_nonsense():
    np.testing.assert_allclose(attainable(np.array([0.5, 2, 8]), 10, 4), [2, 8, 10])
    for bad in ((-1, 1, 1), (1, 0, 1), (1, 1, 0), (float("nan"), 1, 1), ("1", 1, 1)):
        with pytest.raises(ValueError):
            attainable(*bad)
    for bad in ((0, 1), (1, -1)):
        with pytest.raises(ValueError):
            ridge(*bad)
