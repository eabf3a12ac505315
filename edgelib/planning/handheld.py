r"""What does one answer cost a handheld, in seconds and in joules? A model device for choosing a policy.

An answer is a prefill and then decoded tokens. Seconds are those of `metrics.predict`, at a clock f:

    prefill = max(operations / rate(f), bytes / bandwidth)
    token   = max(bytes / bandwidth, unpacking / rate(f)), both plus the runtime's fixed time

Power is a sum, $P_{system} + V I_{leak} + n \alpha C V^2 f + E_{byte} \cdot bytes / s$, with the voltage V
that f needs. Cores that wait for memory do not stop switching: $\alpha$ lies between `stalled` and 1.

| figure | from |
| --- | --- |
| cores, pipes, bandwidth | Raspberry Pi 5, `data/engines.csv`: four Cortex-A76, LPDDR4X-4267 of 32 bits |
| clocks and voltages | the same core in an RK3588, `hardware.power` |
| model, formats, runtime | LLaMA-3.2 1B; q4_0 and q8_0; "packed" in `data/runtimes.csv` |
| energy of a byte | `lpddr4_3200` in `data/energy.csv` |
| the defaults of `Handheld` | assumed: nobody publishes them for one device; round and of a plausible size |
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from edgelib.errors import choice, fraction, integer, nonnegative, positive, scalar
from edgelib.hardware.device import engine
from edgelib.hardware.power import RK3588_A76, VoltageCurve, dynamic_power, leakage_power
from edgelib.metrics import predict
from edgelib.metrics.energy import energy_of

PRECISIONS = ("q4_0", "q8_0")
_ENGINE, _MODEL, _RUNTIME, _MEMORY = "RPi5/CPU", "llama-3.2-1b", "packed", "lpddr4_3200"
_LONGEST = 8192  # tokens of a prompt or an answer


class Phase(NamedTuple):
    """A stretch of time in one state, and where its joules go: cores, memory, everything else."""

    state: str  # "prefill", "decode", "idle", "sleep" or "wake"
    seconds: float
    cores_J: float = 0.0
    memory_J: float = 0.0
    system_J: float = 0.0

    @property
    def joules(self) -> float:
        """All of it."""
        return self.cores_J + self.memory_J + self.system_J


class _Setting(NamedTuple):
    """What a precision and a clock fix: the coefficients of time, and watts of the cores."""

    weight_B: float
    kv_B: float  # per token of context
    bandwidth: float
    unpack_s: float
    token_overhead_s: float
    linear_s: float  # of prefill: seconds per prompt token,
    square_s: float  # per token and token before it,
    head_s: float  # and once
    prefill_overhead_s: float
    cores_W: float  # at full activity
    leakage_W: float
    byte_J: float


@dataclass(frozen=True)
class Handheld:
    """A handheld without a screen. `ASSUMED` says what each field means; all but the curve are assumed."""

    idle_W: float = 1.0
    asleep_W: float = 0.05
    wake_s: float = 2.0
    wake_J: float = 7.0
    cores: int = 4
    capacitance_F: float = 0.35e-9
    stalled: float = 0.5
    leak_A: float = 0.2
    curve: VoltageCurve = RK3588_A76

    def __post_init__(self) -> None:
        for name in ("idle_W", "wake_s", "capacitance_F"):
            scalar(name, positive(name, getattr(self, name)))
        for name in ("asleep_W", "wake_J", "leak_A"):
            scalar(name, nonnegative(name, getattr(self, name)))
        scalar("stalled", fraction("stalled", self.stalled))
        integer("cores", self.cores, at_least=1)
        if self.asleep_W >= self.idle_W:
            raise ValueError(f"asleep_W = {self.asleep_W!r}: expected less than idle_W = {self.idle_W!r}")

    @property
    def clocks(self) -> int:
        """How many clocks there are; a clock is a number from 0 (lowest) to `clocks` - 1."""
        return len(self.curve.freq_Hz)

    def phases(self, prompt: float, answer: float, precision: str, clock: int) -> tuple[Phase, Phase]:
        """Prefill and decode of one answer.

        prompt, answer : tokens, 1 to 8,192.   precision : "q4_0" or "q8_0".   clock : 0 to `clocks` - 1.

        Raises
        ------
        ValueError : an argument outside of that; the message names it.
        """
        _tokens("prompt", prompt)
        _tokens("answer", answer)
        s = self._setting(precision, clock)
        reading = s.weight_B / s.bandwidth
        computing = s.head_s + prompt * (s.linear_s + s.square_s * (prompt + 1))
        prefill_s = max(computing, reading) + s.prefill_overhead_s
        prefill = self._busy("prefill", s, prefill_s, min(computing, prefill_s), s.weight_B)

        size = s.weight_B + s.kv_B * (prompt + answer / 2)
        token_s = max(size / s.bandwidth, s.unpack_s) + s.token_overhead_s
        return prefill, self._busy("decode", s, answer * token_s, answer * s.unpack_s, answer * size)

    def _busy(self, state: str, s: _Setting, seconds: float, computing_s: float, size_B: float) -> Phase:
        active_s = computing_s + self.stalled * (seconds - computing_s)
        return Phase(
            state,
            seconds,
            cores_J=s.cores_W * active_s + s.leakage_W * seconds,
            memory_J=s.byte_J * size_B,
            system_J=self.idle_W * seconds,
        )

    def _setting(self, precision: str, clock: int) -> _Setting:
        """Computed once: a policy may try every setting for every query."""
        if not (type(clock) is int and 0 <= clock < self.clocks):
            raise ValueError(f"clock = {clock!r}: expected a whole number from 0 to {self.clocks - 1}")
        known = self._settings.get((choice("precision", precision, PRECISIONS), clock))
        return known or self._settings.setdefault((precision, clock), _set(self, precision, clock))

    @cached_property
    def _settings(self) -> dict[tuple[str, int], _Setting]:
        return {}

    def idle(self, seconds: float) -> Phase:
        """Awake, waiting for the next query."""
        return Phase("idle", seconds, system_J=self.idle_W * seconds)

    def sleep(self, seconds: float) -> Phase:
        """Asleep. Waking up comes on top."""
        return Phase("sleep", seconds, system_J=self.asleep_W * seconds)

    def wake(self) -> Phase:
        """Waking up: a pause asleep is `break_even_s(idle_W, asleep_W, wake_J)` long before it pays."""
        return Phase("wake", self.wake_s, system_J=self.asleep_W * self.wake_s + self.wake_J)


def _tokens(argument: str, tokens: float) -> None:
    if not (type(tokens) in (int, float) and 1 <= tokens <= _LONGEST):
        raise ValueError(f"{argument} = {tokens!r}: expected 1 to {_LONGEST:,} tokens")


def _set(device: Handheld, precision: str, clock: int) -> _Setting:
    frequency = device.curve.freq_Hz[clock]
    volts = device.curve.volts_at(frequency)
    cpu = engine(_ENGINE).having(clock=frequency, threads=device.cores)
    e = predict(_MODEL, cpu, weights=precision, prompt=1, generate=0, context=0, runtime=_RUNTIME)
    model, rate = e.model, e.value("utilisation") * e.value("peak")
    return _Setting(
        weight_B=e.value("weight_bytes"),
        kv_B=e.value("kv_bytes_per_token"),
        bandwidth=e.value("sustained_bandwidth"),
        unpack_s=e.value("unpack_s"),
        token_overhead_s=e.value("overhead_s"),
        linear_s=2 * model.layer_params / rate,
        square_s=2 * model.layers * model.heads * model.head_dim / rate,
        head_s=2 * model.head_params / rate,
        prefill_overhead_s=e.value("prefill_overhead_s"),
        cores_W=device.cores * dynamic_power(device.capacitance_F, volts, frequency),
        leakage_W=leakage_power(volts, device.leak_A),
        byte_J=energy_of(_MEMORY).of_bytes(1),
    )


HANDHELD = Handheld()
ASSUMED = {
    "idle_W": "awake and waiting, in W; everything but cores and memory draws it during an answer, too",
    "asleep_W": "asleep, in W, with a microphone that listens",
    "wake_s": "to wake up, in s",
    "wake_J": "to wake up, in J above sleeping as long",
    "cores": "at work on an answer",
    "capacitance_F": "switched by a busy core in a cycle, in F: 0.84 W at 1 V and 2.4 GHz",
    "stalled": "share of that in a core that waits for memory",
    "leak_A": "leakage of all cores while they work, in A",
}


def answer_cost(
    prompt: float, answer: float, precision: str, clock: int, device: Handheld = HANDHELD
) -> tuple[float, float]:
    """Seconds and joules of one answer, arguments as in `Handheld.phases`."""
    prefill, decode = device.phases(prompt, answer, precision, clock)
    return prefill.seconds + decode.seconds, prefill.joules + decode.joules
