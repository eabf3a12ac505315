"""When does each instruction start, and what was it waiting for? A small program, cycle by cycle."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from edgelib.errors import integer
from edgelib.hardware.pipeline.core import Core, Operation, as_core

_REGISTER = re.compile(r"\b(?:[vqdsxw]\d+|sp)\b")
_ALIASES = {"q": "v", "d": "v", "s": "v", "w": "x"}
_SAME = {"sub": "add", "subs": "add", "adds": "add"}  # run as an addition does; flags are left out


@dataclass(frozen=True)
class Instruction:
    """op : mnemonic as the core knows it.   dest : register written, "" for none.   sources : registers read.

    An accumulating op reads its destination besides.
    """

    op: str
    dest: str
    sources: tuple[str, ...]
    text: str = ""

    def __str__(self) -> str:
        return self.text or f"{self.op} {', '.join(filter(None, (self.dest, *self.sources)))}"


Program = str | Sequence[Instruction]


def parse(text: str) -> tuple[Instruction, ...]:
    """Instructions of a small program in Arm's syntax, one per line or separated by semicolons.

    "fmla v0.8h, v1.8h, v2.8h" becomes the op "fmla8h". Arrangements, lane numbers, immediates and comments
    (//) are left out. The first register is the destination, except in a store or a branch.

    Raises
    ------
    ValueError : a line without registers (other than a branch), or an address with update ("[x0], #16").
    """
    found = []
    for line in re.split(r"[\n;]", text):
        words = line.split("//")[0].strip().lower()
        if not words:
            continue
        op, _, rest = words.partition(" ")
        if re.search(r"\]\s*!|\]\s*,\s*#", rest):
            raise ValueError(f"program line {words!r}: expected no address update; write an add of its own")
        rest = re.sub(r"#\S+", "", rest)
        registers = tuple(
            _ALIASES.get(r[0], r[0]) + r[1:] if r != "sp" else r for r in _REGISTER.findall(rest)
        )
        op = "fmla8h" if op == "fmla" and ".8h" in rest else _SAME.get(op, op)
        if op.split(".")[0] in ("b", "cbz", "cbnz"):
            found.append(Instruction("b", "", registers, words))
        elif not registers:
            raise ValueError(
                f"program line {words!r}: expected a mnemonic and registers, as 'mla v0, v1, v2'"
            )
        elif op == "str":
            found.append(Instruction(op, "", registers, words))
        else:
            found.append(Instruction(op, registers[0], registers[1:], words))
    if not found:
        raise ValueError(f"program = {text!r}: expected at least one instruction")
    return tuple(found)


@dataclass(frozen=True)
class Timeline:
    """What happened to each instruction, in program order.

    dispatch, issue, ready : cycle of entry into the window, of start, and of the finished result.
    pipe : where it ran.   stall : what delayed its start: "" (nothing), "operand v0", "pipe",
    "front end", "window full", "order" (an in-order core waiting for an earlier instruction).
    """

    instructions: tuple[Instruction, ...]
    dispatch: tuple[int, ...]
    issue: tuple[int, ...]
    ready: tuple[int, ...]
    pipe: tuple[str, ...]
    stall: tuple[str, ...]
    forwarded: tuple[bool, ...]
    busy: tuple[int, ...]

    @property
    def cycles(self) -> int:
        """Until the last result is ready."""
        return max(self.ready)

    @property
    def ipc(self) -> float:
        """Instructions per cycle over the whole run, fill and drain included."""
        return len(self.instructions) / self.cycles


def _chain(program: Program, core: Core, iterations: int) -> list[tuple[Instruction, Operation]]:
    parsed = parse(program) if isinstance(program, str) else tuple(program)
    if not parsed:
        raise ValueError(f"program = {program!r}: expected at least one instruction")
    return [(i, core.operation(i.op)) for i in parsed] * integer("iterations", iterations, at_least=1)


def simulate(program: Program, core: Core | str, iterations: int = 1) -> Timeline:
    """Run `program` `iterations` times in a row on `core`.

    program : text for `parse`, or Instructions.   core : a Core, or the name of one in the catalogue.

    Only true dependences count: registers are renamed (an in-order core, too, reads before it overwrites).
    Among ready instructions the oldest starts first, on the free pipe that the fewest operations can use.

    Raises
    ------
    ValueError : a program that does not parse, or an instruction that the core lacks.
    UnknownFigure : an instruction whose timing is unpublished.
    """
    unit = as_core(core)
    steps = _chain(program, unit, iterations)
    producers = _producers(steps)
    demand: dict[str, int] = {}
    for op in unit.operations.values():
        for pipe in op.pipes:
            demand[pipe] = demand.get(pipe, 0) + 1

    total = len(steps)
    dispatch, issue, ready = [-1] * total, [-1] * total, [-1] * total
    chosen, stall, forwarded = [""] * total, [""] * total, [False] * total
    free_at = dict.fromkeys(demand, 0)
    waiting: list[int] = []  # entered and not started, oldest first
    operands: dict[int, tuple[int, str, bool]] = {}  # known once all producers have started
    cycle = left = entered = 0
    full = False
    while left < total:
        while left < entered and 0 <= ready[left] <= cycle:
            left += 1
        was_full, full = full, False
        for _ in range(unit.width):
            # An in-order core has no window: it looks at the next `width` instructions.
            room = unit.width - len(waiting) if unit.in_order else (unit.rob or total) - (entered - left)
            if entered == total or room <= 0:
                full = not unit.in_order and entered < total
                break
            dispatch[entered] = cycle
            stall[entered] = "window full" if was_full else "front end" if cycle else ""
            waiting.append(entered)
            entered += 1
        for k in waiting:
            op = steps[k][1]
            found = operands.get(k) or _operands(producers[k], steps, issue, op)
            when, last, quick = found
            if when >= 0:
                operands[k] = found
            ready_now = 0 <= when <= cycle
            pipes = [pipe for pipe in op.pipes if free_at[pipe] <= cycle] if ready_now else []
            if pipes:
                pipe = min(pipes, key=lambda name: demand[name])
                free_at[pipe] = cycle + op.busy
                issue[k], ready[k], chosen[k], forwarded[k] = cycle, cycle + op.latency, pipe, quick
            else:
                stall[k] = "pipe" if ready_now else f"operand {last}"
                if unit.in_order:
                    break
        waiting = [k for k in waiting if issue[k] < 0]
        if unit.in_order:
            for k in waiting[1:]:
                stall[k] = "order"
        cycle += 1
    return Timeline(
        instructions=tuple(i for i, _ in steps),
        dispatch=tuple(dispatch),
        issue=tuple(issue),
        ready=tuple(ready),
        pipe=tuple(chosen),
        stall=tuple(stall),
        forwarded=tuple(forwarded),
        busy=tuple(op.busy for _, op in steps),
    )


def _producers(steps: list[tuple[Instruction, Operation]]) -> list[list[tuple[str, int, bool]]]:
    """For each instruction: (register, producing instruction, whether it is read as the accumulator)."""
    writer: dict[str, int] = {}
    found = []
    for k, (instruction, op) in enumerate(steps):
        reads = [(name, False) for name in instruction.sources]
        if op.accumulates:
            reads.append((instruction.dest, True))
        found.append([(name, writer[name], total) for name, total in reads if name in writer])
        if instruction.dest:
            writer[instruction.dest] = k
    return found


def _operands(
    producers: list[tuple[str, int, bool]],
    steps: list[tuple[Instruction, Operation]],
    issue: list[int],
    op: Operation,
) -> tuple[int, str, bool]:
    """When all operands can be read (-1: not known yet), the last of them, and whether it is forwarded."""
    when, last, quick = 0, "", False
    for name, producer, accumulator in producers:
        if issue[producer] < 0:
            return -1, name, False
        made = steps[producer][1]
        forward = accumulator and made.name == op.name and made.forward is not None
        at = issue[producer] + (made.chain_latency if forward else made.latency)
        if at > when:
            when, last, quick = at, name, forward
    return when, last, quick


def steady_cycles(program: Program, core: Core | str, iterations: int = 24) -> float:
    """Cycles per iteration in the long run: fill and drain cancel in the difference of two runs."""
    short = simulate(program, core, iterations)
    long = simulate(program, core, 3 * iterations)
    return (max(long.issue) - max(short.issue)) / (2 * iterations)


def chains(op: str, count: int) -> tuple[Instruction, ...]:
    """One step of `count` independent accumulations: op v0, v30, v31; op v1, v30, v31; ...

    At most 30 of them, as two registers hold the factors.
    """
    if integer("count", count, at_least=1) > 30:
        raise ValueError(f"count = {count!r}: expected at most 30, two of 32 registers hold the factors")
    return tuple(Instruction(op, f"v{k}", ("v30", "v31")) for k in range(count))
