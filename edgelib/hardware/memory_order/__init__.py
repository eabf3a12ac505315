"""Which results can threads see that share memory, and what do barriers and atomics change?

`language` writes small programs; `litmus` lists all their outcomes, sequentially consistent or on Arm;
`shapes` names the classic ones; `atomics` counts retries; `ring_queue` is a queue without a lock, and a
pool with a bug.
"""

from edgelib.hardware.memory_order.executions import Outcome
from edgelib.hardware.memory_order.language import Program, parse
from edgelib.hardware.memory_order.litmus import arm, sequential
from edgelib.hardware.memory_order.shapes import SHAPES, shape

__all__ = ["SHAPES", "Outcome", "Program", "arm", "parse", "sequential", "shape"]
