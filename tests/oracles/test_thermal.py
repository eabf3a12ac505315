"""The thermal model against the exponential, a matrix-free integrator of higher order, and energy balance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelib.hardware.thermal import Body, Throttle, simulate, sustained_rate

BODIES = st.builds(Body, st.floats(0.5, 20), st.floats(5, 500), st.floats(-10, 40))


def runge_kutta(body, power, start, seconds, steps=400):
    """Fourth-order integration of C dT/dt = P - (T - air) / R."""
    h, t = seconds / steps, start

    def slope(temperature):
        return (power - (temperature - body.air_C) / body.resistance_K_W) / body.capacity_J_K

    for _ in range(steps):
        a = slope(t)
        b = slope(t + h / 2 * a)
        c = slope(t + h / 2 * b)
        d = slope(t + h * c)
        t += h / 6 * (a + 2 * b + 2 * c + d)
    return t


@given(BODIES, st.floats(0, 10), st.floats(-10, 60), st.floats(1, 1000))
def test_closed_form_solves_the_equation(body, power, start, seconds):
    numeric = runge_kutta(body, power, start, min(seconds, 5 * body.time_constant_s))
    closed = body.temperature_C(power, min(seconds, 5 * body.time_constant_s), start)
    assert closed == pytest.approx(numeric, abs=1e-4)


def test_one_time_constant_does_63_percent():
    body = Body(5, 60, 20)
    assert body.time_constant_s == 300
    rise = (body.temperature_C(4, 300) - 20) / (body.steady_C(4) - 20)
    assert rise == pytest.approx(1 - np.exp(-1))
    assert body.steady_C(4) == 40


@given(st.floats(3.2, 12))
def test_time_to_the_limit_inverts_the_closed_form(power):
    body = Body(6, 60)
    assert body.temperature_C(power, body.seconds_to(43, power)) == pytest.approx(43)


def test_steps_converge_to_the_exponential():
    """Below the limit nothing switches; the error of Euler's method halves with the step."""
    body, throttle = Body(6, 60), Throttle((2.5, 1.0), (1.0, 0.5), 60, 2)
    errors = []
    for step in (2.0, 1.0, 0.5):
        trace = simulate(body, throttle, 600, step)
        errors.append(float(np.abs(trace.temperature_C - body.temperature_C(2.5, trace.time_s)).max()))
    assert errors[-1] < 0.01
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.05) == errors[1] / errors[2]


def test_heat_in_is_heat_stored_and_heat_shed():
    body = Body(6, 60)
    trace = simulate(body, Throttle((6, 40.0), (1.5, 20.0), 43, 2), 1800, 0.05)
    put_in = float(trace.power_W[:-1].sum()) * 0.05
    stored = body.capacity_J_K * (trace.temperature_C[-1] - trace.temperature_C[0])
    shed = float(((trace.temperature_C[:-1] - body.air_C) / body.resistance_K_W).sum()) * 0.05
    assert put_in == pytest.approx(stored + shed, rel=1e-9)


@pytest.mark.parametrize(("fast", "slow"), [((6.0, 40.0), (1.5, 20.0)), ((4.0, 30.0), (2.0, 25.0))])
def test_long_run_mean_is_the_duty_cycle_of_the_power_budget(fast, slow):
    """By hand: the share of fast time makes the mean power 18 K / 6 K/W = 3 W."""
    body, throttle = Body(6, 60), Throttle(fast, slow, 43, 0.2)
    trace = simulate(body, throttle, 20_000, 0.05)
    settled = trace.rate[len(trace.rate) // 4 :].mean()
    share = (3 - slow[0]) / (fast[0] - slow[0])
    assert sustained_rate(body, throttle) == pytest.approx(share * fast[1] + (1 - share) * slow[1])
    assert settled == pytest.approx(sustained_rate(body, throttle), rel=0.02)


def test_sustained_rate_is_cut_at_both_ends():
    throttle = Throttle((2.0, 40.0), (1.0, 20.0), 43, 2)
    assert sustained_rate(Body(6, 60), throttle) == 40  # 3 W are shed
    assert sustained_rate(Body(60, 60), throttle) == 20  # 0.3 W are shed
