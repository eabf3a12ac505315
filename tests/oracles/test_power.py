"""Published figures, closed forms and the register of claims, for power and batteries."""

import numpy as np
import pytest

from edgelib.hardware.battery import Battery
from edgelib.hardware.power import RK3588_A76, dynamic_power, period_energy, switching_energy


def test_a_capacitor_charged_through_a_resistor_takes_c_v_squared_from_the_supply():
    """Integrate the current of an RC circuit: the supply gives C V^2, whatever the resistance."""
    c, v = 2e-9, 0.9
    for r in (10.0, 1e3):
        t = np.linspace(0, 40 * r * c, 200_001)
        taken = np.trapezoid(v * (v / r) * np.exp(-t / (r * c)), t)
        assert taken == pytest.approx(switching_energy(c, v), rel=1e-4)


def test_the_kernels_table_of_the_rk3588():
    """Linux, rk3588-opp.dtsi, opp-table-cluster1: microvolts by hertz."""
    published = {
        1200000000: 675000, 1416000000: 725000, 1608000000: 762500, 1800000000: 850000,
        2016000000: 925000, 2208000000: 987500, 2400000000: 1000000,
    }  # fmt: skip
    assert dict(zip(RK3588_A76.freq_Hz, RK3588_A76.volts, strict=True)) == pytest.approx(
        {f: uv / 1e6 for f, uv in published.items()}
    )


def test_claim_1_2_3_02_the_square_is_missing():
    """Halving the clock of the A76: energy per operation falls with V^2, power with V^2 f."""
    high, low = (dynamic_power(1e-9, RK3588_A76.volts_at(f), f) for f in (2.4e9, 1.2e9))
    assert high / low == pytest.approx(2 / 0.675**2)
    assert (low / 1.2e9) / (high / 2.4e9) == pytest.approx(0.455625)


def test_measured_scaling_of_a_5_nm_chip():
    """Keller et al. (JSSC 2023): 95.6 TOPS/W at 0.46 V, 38.7 at 0.67 V (another layer): V^2 within 20 %."""
    scaling = switching_energy(1e-9, 0.67) / switching_energy(1e-9, 0.46)
    assert scaling == pytest.approx(95.6 / 38.7, rel=0.2)
    assert abs((0.67 / 0.46) / (95.6 / 38.7) - 1) > 0.2  # the linear law does not fit


def test_exercise_5_of_the_chapter():
    cell = Battery(3000, 3.7)
    assert cell.energy_Wh == pytest.approx(11.1)
    assert cell.hours(3) == pytest.approx(3.7) and cell.hours(1.5) == pytest.approx(7.4)
    assert cell.hours(1) == pytest.approx(11.1)  # three times 3.7 h
    assert Battery(3000, 3.7, 0.5).energy_J == pytest.approx(11.1 * 3600 / 2)


def test_period_by_hand():
    """2 W for 3 s, 0.5 W for the other 7, half a joule to wake: 6 + 3.5 + 0.5."""
    assert period_energy(2, 3, 10, 0.5, 0.5) == pytest.approx(10.0)
    assert period_energy(2, 10, 10, 0.5) == pytest.approx(20.0)
