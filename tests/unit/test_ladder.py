"""The ladder of mechanisms, against arithmetic done here."""

import numpy as np
import pytest

from edgelib.explore.book import worked_example
from edgelib.metrics.ladder import RUNGS, ladder
from edgelib.metrics.validate import read_cases
from edgelib.workloads import transformer


def test_the_first_two_rungs_by_hand():
    rows = []
    for case in read_cases()[0]:
        if "decode" in case.measured:
            size = (
                case.model.layer_params * case.weights.bits + case.model.head_params * case.weights.head_bits
            )
            size = size / 8 + case.model.kv_bytes_per_token() * case.context
            rows.append(
                (case.source, case.engine.kind, case.engine.bandwidth / size / case.measured["decode"])
            )
    order = {"cpu": 0, "gpu": 1, "npu": 2}
    rows.sort(key=lambda row: order[row[1]])  # stable
    ratio = np.array([row[2] for row in rows])
    rungs = ladder()
    np.testing.assert_allclose(rungs[0].ratio, ratio)
    others = np.array([row[0] != "RKLLM" for row in rows])
    np.testing.assert_allclose(
        rungs[1].ratio[~others], ratio[~others] / np.exp(np.median(np.log(ratio[others])))
    )


def test_mechanisms_pay():
    errors = [rung.error_pct("all", 50) for rung in ladder()]
    assert [rung.name for rung in ladder()] == list(RUNGS)
    assert errors[-1] < 13 and errors[0] > 50
    assert errors[3] < errors[2] and errors[4] < errors[3]  # time per layer; fabric and unpacking
    by_kind = {kind: ladder()[-1].error_pct(kind, 50) for kind in ("cpu", "gpu", "npu")}
    assert by_kind["cpu"] < 30 and by_kind["gpu"] < 7 and by_kind["npu"] < 15


def test_the_worked_example_adds_up():
    """Terms against the register of claims: 4.29, 1.07 and 8.66 GOP, 14.3 in all (1.1.1.78-80)."""
    terms = worked_example.token_terms(2048)
    assert terms["projections"] == pytest.approx(4.29e9, rel=2e-3)
    assert terms["scores and values"] == pytest.approx(1.07e9, rel=4e-3)
    assert terms["feed-forward"] == pytest.approx(8.66e9, rel=2e-3)
    assert sum(terms.values()) == transformer("llama-2-7b").decode_ops(2048)
    readout = worked_example.token_operations.scene(cores=4).readout
    assert (
        "14.3 GOP" in readout
        and "53.8 tok/s" in readout
        and "3.33" in readout
        and "memory decides" in readout
    )
    slow = worked_example.mean_utilisation.scene(share=50, slow=20).readout
    assert f"{1 / (0.5 / 20 + 0.5 / 80):.1f} %" in slow and "50.0 %" in slow
    wide = worked_example.token_milliseconds.scene(bandwidth=102.4, bits=4).readout
    milliseconds = (6_607_077_376 / 2 + 2**30) / 102.4e9 * 1e3
    assert wide.startswith(f"{milliseconds:.1f} ms")
