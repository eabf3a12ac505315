"""Power, thermal and battery models: bad input, properties, and the pictures within physics."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edgelib.explore.book import battery as battery_book
from edgelib.explore.book import joules, power, thrift
from edgelib.explore.scene import Dot, Line, Span
from edgelib.hardware.battery import Battery, mean_power_W
from edgelib.hardware.power import (
    RK3588_A76,
    VoltageCurve,
    break_even_s,
    dynamic_power,
    leakage_power,
    lowest_frequency,
    period_energy,
    switching_energy,
)
from edgelib.hardware.thermal import Body, Throttle, simulate

VOLTS, WATTS = st.floats(0.3, 2), st.floats(0, 100)


@given(VOLTS, st.floats(1e8, 4e9), st.floats(0, 1))
def test_power_is_energy_per_cycle_times_cycles(volts, freq, activity):
    assert dynamic_power(1e-9, volts, freq, activity) == pytest.approx(
        freq * switching_energy(1e-9, volts, activity)
    )


@given(st.floats(1.2e9, 2.4e9), st.floats(1.2e9, 2.4e9))
def test_a_higher_clock_never_makes_an_operation_cheaper(f, g):
    low, high = sorted((f, g))
    assert RK3588_A76.volts_at(low) <= RK3588_A76.volts_at(high)


def test_arrays_broadcast():
    grid = dynamic_power(1e-9, np.array([[0.7], [1.0]]), np.array([1e9, 2e9, 3e9]))
    assert grid.shape == (2, 3) and grid[1, 2] == pytest.approx(3.0)
    assert RK3588_A76.volts_at(np.array([1.2e9, 2.4e9])).tolist() == [0.675, 1.0]
    assert Battery(3000, 3.7).hours(np.array([3.0, 1.5])).tolist() == pytest.approx([3.7, 7.4])


@given(st.floats(0.1, 10), st.floats(0, 1), st.floats(0, 10))
def test_break_even_is_where_sleeping_and_waiting_cost_the_same(extra, asleep, wake):
    awake = asleep + extra
    pause = break_even_s(awake, asleep, wake)
    assume(pause > 1e-9)
    waiting = period_energy(awake, pause, pause)
    sleeping = period_energy(0, 0, pause, asleep, wake)
    assert waiting == pytest.approx(sleeping)


def test_the_lowest_frequency_is_the_first_that_meets_the_target():
    assert lowest_frequency(RK3588_A76, lambda f: f / 1e8, 16.0) == 1.608e9
    assert lowest_frequency(RK3588_A76, lambda f: f / 1e8, 12.0) == 1.2e9
    with pytest.raises(ValueError, match="at most 24"):
        lowest_frequency(RK3588_A76, lambda f: f / 1e8, 25.0)


@given(st.floats(0.1, 20), st.floats(5, 200), st.floats(0, 40), st.floats(0, 20), st.floats(0.5, 8))
def test_the_governor_holds_the_limit_to_within_one_step(resistance, capacity, air, fast, hysteresis):
    """Never above the limit by more than one step at full power; never below the air."""
    body = Body(resistance, capacity, air)
    limit = air + 18
    slow = 0.9 * body.sustained_W(limit)
    assume(fast > slow)
    step = min(1.0, body.time_constant_s / 2)
    trace = simulate(body, Throttle((fast, 2.0), (slow, 1.0), limit, hysteresis), 300 * step, step)
    assert trace.temperature_C.max() <= limit + step * fast / capacity + 1e-9
    assert trace.temperature_C.min() >= air - 1e-9
    assert set(trace.rate) <= {1.0, 2.0}


def test_a_wide_hysteresis_switches_less_often():
    body, switches = Body(6, 60), []
    for hysteresis in (0.5, 2, 8):
        trace = simulate(body, Throttle((6, 2.0), (1, 1.0), 43, hysteresis), 1200, 0.5)
        switches.append(int(np.count_nonzero(np.diff(trace.rate))))
    assert switches[0] > switches[1] > switches[2] > 0


def test_below_the_sustained_power_nothing_is_throttled():
    trace = simulate(Body(6, 60), Throttle((2.9, 2.0), (1, 1.0), 43, 2), 3600, 1.0)
    assert trace.mean_rate == 2.0 and Body(6, 60).seconds_to(43, 2.9) == math.inf
    assert Body(6, 60, 50).seconds_to(43, 1) == 0 and Body(6, 60, 50).sustained_W(43) == 0


@given(WATTS, WATTS, st.floats(0, 1))
def test_a_mix_lies_between_its_uses(a, b, share):
    assert min(a, b) - 1e-9 <= mean_power_W([(a, share), (b, 1 - share)]) <= max(a, b) + 1e-9


CURVE = {"name": "c", "freq_Hz": (1e9, 2e9), "volts": (0.7, 1.0), "source": "here"}


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda: switching_energy(-1e-9, 1), "capacitance_F"),
        (lambda: switching_energy(1e-9, 0), "volts"),
        (lambda: switching_energy(1e-9, 1, 1.5), "activity"),
        (lambda: dynamic_power(1e-9, 1, -1), "freq_Hz"),
        (lambda: dynamic_power(1e-9, math.nan, 1e9), "volts"),
        (lambda: leakage_power(1, "much"), "current_A"),
        (lambda: leakage_power(0, 1), "volts"),
        (lambda: VoltageCurve(**CURVE | {"volts": (1.0, 0.7)}), "never fall"),
        (lambda: VoltageCurve(**CURVE | {"freq_Hz": (2e9, 1e9)}), "rise"),
        (lambda: VoltageCurve(**CURVE | {"volts": (1.0,)}), "shapes"),
        (lambda: RK3588_A76.volts_at(1e9), "runs from"),
        (lambda: RK3588_A76.volts_at(np.array([2e9, 3e9])), "runs from"),
        (lambda: lowest_frequency(RK3588_A76, lambda f: f, 0), "target"),
        (lambda: lowest_frequency(RK3588_A76, lambda f: f * np.nan, 1), "rate"),
        (lambda: period_energy(1, 2, 1), "busy_s"),
        (lambda: period_energy(-1, 1, 1), "busy_W"),
        (lambda: period_energy(1, 1, 2, -1), "rest_W"),
        (lambda: period_energy(1, 1, 2, 1, -1), "wake_J"),
        (lambda: break_even_s(1, 1, 1), "awake_W"),
        (lambda: break_even_s(1, -1, 1), "asleep_W"),
        (lambda: break_even_s(1, 0.5, -1), "wake_J"),
        (lambda: Body(0, 1), "resistance_K_W"),
        (lambda: Body(1, -1), "capacity_J_K"),
        (lambda: Body(1, 1, math.inf), "air_C"),
        (lambda: Body(1, 1).temperature_C(1, -1), "seconds"),
        (lambda: Body(1, 1).temperature_C(-1, 1), "power_W"),
        (lambda: Body(1, 1).seconds_to(None, 1), "limit_C"),
        (lambda: Throttle((1, 1), (2, 1), 43, 2), "slow"),
        (lambda: Throttle((1, -1), (0, 0), 43, 2), "fast"),
        (lambda: Throttle((2, 1), (1, 1), 43, -2), "hysteresis_K"),
        (lambda: simulate(Body(6, 60), Throttle((9, 2), (4, 1), 43, 2), 60), "at most 3 W"),
        (lambda: simulate(Body(6, 60), Throttle((9, 2), (2, 1), 43, 2), 0), "seconds"),
        (lambda: simulate(Body(6, 60), Throttle((9, 2), (2, 1), 43, 2), 600, 400), "step_s"),
        (lambda: Battery(0, 3.7), "capacity_mAh"),
        (lambda: Battery(3000, -3.7), "volts"),
        (lambda: Battery(3000, 3.7, 1.2), "usable"),
        (lambda: Battery(3000, 3.7).hours(0), "power_W"),
        (lambda: mean_power_W([(1, 0.5)]), "sum to 0.5"),
        (lambda: mean_power_W([(-1, 1)]), "power_W"),
    ],
)
def test_bad_input_is_named(call, names):
    with pytest.raises(ValueError, match=names):
        call()


# ------------------------------------------------------------------ pictures


def dots(scene):
    return [mark for mark in scene.marks if isinstance(mark, Dot)]


def test_the_lowest_sufficient_clock_is_left_of_the_target():
    for target in power.energy_delay.controls["target"].values:
        scene = power.energy_delay.scene(target=target)
        chosen = next(d for d in dots(scene) if d.role == "error")
        assert chosen.x <= 1e3 / target * (1 + 1e-9) or "out of reach" in scene.readout


def test_with_the_linear_law_switching_saves_nothing():
    assert "switching saves 0 J" in power.energy_delay.scene(law=0).readout
    assert "switching saves 0 J" not in power.energy_delay.scene(law=2).readout


def test_temperature_in_the_picture_stays_at_the_limit():
    for device in battery_book.thermal_throttle.controls["device"].values:
        for burst in battery_book.thermal_throttle.controls["burst"].values:
            scene = battery_book.thermal_throttle.scene(device=device, burst=burst, air=30)
            line = next(m for m in scene.marks if isinstance(m, Line) and m.term == "temperature")
            assert max(line.y) <= battery_book.LIMIT_C + 0.5


def test_waterfall_levels_add_up():
    for phase in joules.energy_waterfall.controls["phase"].values:
        scene = joules.energy_waterfall.scene(phase=phase)
        bars = [m for m in scene.marks if m.kind == "bar"]
        drops = sum(b.y1 - b.y0 for b in bars[1:-1])
        assert bars[-1].y1 == pytest.approx(100 - drops)


def test_a_plan_in_the_picture_meets_its_deadline():
    for phase in thrift.energy_schedule.controls["phase"].values:
        for slack in (0, 50, 100):
            scene = thrift.energy_schedule.scene(phase=phase, slack=slack)
            deadline = next(m for m in scene.marks if isinstance(m, Line)).x[0]
            spans = [m for m in scene.marks if isinstance(m, Span)]
            assert len(spans) == 10 and max(s.x1 for s in spans) <= deadline * (1 + 1e-6)


def test_charge_never_rises_and_ends_when_the_mean_power_says():
    for minutes in (5, 20, 60):
        scene = battery_book.battery_life.scene(minutes=minutes)
        line = next(m for m in scene.marks if isinstance(m, Line) and m.role == "memory")
        assert np.all(np.diff(line.y) <= 1e-9)
    assert "last 2.77 h" in battery_book.battery_life.scene(minutes=60).readout  # 11.1 Wh / 4 W
    assert "last 3.70 h" in battery_book.battery_life.scene(minutes=60, rest=0).readout
