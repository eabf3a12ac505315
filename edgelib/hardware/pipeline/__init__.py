"""How fast does a loop run on a core? Issue and latency, software pipelining, latency hiding, shares of work.

`core` and `simulate` run small programs; `modulo` schedules loops; `hiding` counts what must be in flight;
`sharing` splits work between cores of unequal speed.
"""

from edgelib.hardware.pipeline.core import (
    Core,
    Operation,
    chain_throughput,
    core,
    required_chains,
    timed_cores,
)
from edgelib.hardware.pipeline.simulate import Instruction, Timeline, chains, parse, simulate, steady_cycles

__all__ = [
    "Core",
    "Instruction",
    "Operation",
    "Timeline",
    "chain_throughput",
    "chains",
    "core",
    "parse",
    "required_chains",
    "simulate",
    "steady_cycles",
    "timed_cores",
]
