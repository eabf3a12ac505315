r"""What does a packet do? It reads everything, then writes everything: a machine that runs Hexagon programs.

    machine = Machine(memory=4096)
    machine.r[0] = 128
    machine.run("{ v0.cur=vmem(r0++#1); v2.w+=vrmpy(v0.ub,r1.b) }")

In one packet every instruction sees the registers as they were before it, except where the assembler says
otherwise: `r5.new` and `p0.new` are values made in the packet, `v0.cur` and `v0.tmp` hand a load on at once.
Loads read memory before the stores of their packet. Addresses of `vmem` lose their low seven bits, silently.
The machine executes what it can read; whether a Hexagon could is for `edgelib.hardware.vliw` to say.
Executed: the subset of `hexagon_semantics`. Checked against qemu-hexagon.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from edgelib.errors import integer
from edgelib.isa.hexagon_packets import Packet, parse_packets
from edgelib.isa.hexagon_semantics import NotExecuted, Value, compare, compute, signed, unsigned
from edgelib.isa.hexagon_syntax import Instruction

_SIZE = {"memb": 1, "memub": 1, "memh": 2, "memuh": 2, "memw": 4, "memd": 8, "vmem": 128, "vmemu": 128}
_LOAD = re.compile(r"(?:RR|R|V)(?:\.cur|\.tmp)?=(memu?[bh]|mem[wd]|vmemu?)\((R\+#|R\+\+#|R\+\+M)\)(?::nt)?")
_STORE = re.compile(r"(mem[bhwd]|vmemu?)\((R\+#|R\+\+#|R\+\+M)\)(?::nt)?=(?:RR|R|V)(\.new)?")
_NVJ = re.compile(r"if\((!?)cmp\.(eq|gt|gtu)\((R\.new|R),(R\.new|R|#)\)\)jump:n?t@")


class Machine:
    """Registers and memory of one Hexagon thread with one vector context.

    r uint32[32], p uint8[4] (0 or 255), v uint8[32, 128], q bool[4, 128], m int32[2], memory uint8[...].
    packets, instructions : executed so far.
    """

    def __init__(self, memory: int | NDArray[np.uint8] = 65536) -> None:
        if isinstance(memory, np.ndarray):
            self.memory = memory
        else:
            self.memory = np.zeros(integer("memory", memory, 1), np.uint8)
        self.r, self.p = np.zeros(32, np.uint32), np.zeros(4, np.uint8)
        self.v, self.q = np.zeros((32, 128), np.uint8), np.zeros((4, 128), bool)
        self.m, self.loops = np.zeros(2, np.int32), {0: ("", 0), 1: ("", 0)}
        self.packets = self.instructions = 0

    def run(self, program: str, limit: int = 100_000) -> Machine:
        """Execute a program from its first packet to its end.

        Raises
        ------
        SyntaxFault : a line that is no instruction.   NotExecuted : not in the subset, or an unknown label.
        ValueError : an address outside memory, or more than `limit` packets.
        """
        packets = parse_packets(program)
        labels = {label.lower(): k for k, packet in enumerate(packets) for label in packet.labels}
        at, left = 0, integer("limit", limit, 1)
        while at < len(packets):
            if left == 0:
                raise ValueError(f"limit = {limit}: the program executes more packets than that")
            left -= 1
            target = self.step(packets[at])
            if target and target not in labels:
                raise NotExecuted(f"{target} is no label of the program; expected one of {sorted(labels)}")
            at = labels[target] if target else at + 1
        return self

    def step(self, packet: Packet) -> str:
        """Execute one packet; the label to go on from, or "" for the packet that follows."""
        work = _Execution(self, packet)
        target = work.run()
        self.packets += 1
        self.instructions += len(packet.instructions)
        for name, value in work.writes.items():
            self._write(name, value)
        for address, data in work.stores:
            self._slice(address, len(data))[:] = data
        for loop in sorted(packet.loops):
            start, count = self.loops[loop]
            if count > 1:
                self.loops[loop] = (start, count - 1)
                return start
        return target

    def _slice(self, address: int, size: int) -> NDArray[np.uint8]:
        if not 0 <= address <= len(self.memory) - size:
            raise ValueError(f"address = {address}: expected 0 to {len(self.memory) - size} for {size} bytes")
        return self.memory[address : address + size]

    def _write(self, name: str, value: Value) -> None:
        letter, numbers = name[0], [int(n) for n in re.findall(r"\d+", name)]
        if letter == "r" and len(numbers) == 2:
            self.r[numbers[1]], self.r[numbers[0]] = value & 0xFFFFFFFF, value >> 32
        elif letter == "v" and len(numbers) == 2:
            self.v[numbers[1]], self.v[numbers[0]] = value[:128], value[128:]
        elif letter in "rpvqm":
            getattr(self, letter)[numbers[0]] = signed(value) if letter == "m" else value
        else:
            raise NotExecuted(f"this interpreter does not write {name}")

    def _read(self, name: str) -> Value:
        letter, numbers = name[0], [int(n) for n in re.findall(r"\d+", name)]
        if letter not in "rpvqm" or not numbers:
            raise NotExecuted(f"this interpreter does not read {name}")
        file = getattr(self, letter)
        if letter == "r" and len(numbers) == 2:
            return int(file[numbers[0]]) << 32 | int(file[numbers[1]])
        if letter == "v":
            return np.concatenate([file[n] for n in numbers[::-1]])
        return file[numbers[0]].copy() if letter == "q" else int(file[numbers[0]])


class _Execution:
    """One packet on its way: old registers, values made so far, stores not yet done."""

    def __init__(self, machine: Machine, packet: Packet) -> None:
        self.machine, self.packet = machine, packet
        self.writes: dict[str, Value] = {}
        self.stores: list[tuple[int, NDArray[np.uint8]]] = []
        self.at_once: dict[str, Value] = {}  # .cur and .tmp

    def register(self, name: str) -> Value:
        """A register as it was before the packet, or as a `.cur` or `.tmp` load of the packet has it."""
        if name[0] == "v" and self.at_once:
            parts = re.findall(r"\d+", name)[::-1]
            return np.concatenate([self.at_once.get(f"v{n}", self.machine.v[int(n)]) for n in parts])
        return self.machine._read(name)

    def load(self, address: int, size: int) -> NDArray[np.uint8]:
        """Bytes of memory, as they were before the packet."""
        return self.machine._slice(address, size).copy()

    def run(self) -> str:
        """Execute what has its operands, until all is done."""
        waiting, target = list(self.packet.instructions), ""
        while waiting:
            ready = [i for i in waiting if not self._waits(i, waiting)]
            if not ready:
                raise NotExecuted(f"`{waiting[0].text}` waits for a value that nothing in the packet makes")
            for instruction in ready:
                waiting.remove(instruction)
                if self._applies(instruction):
                    target = self._execute(instruction) or target
        return target

    def _waits(self, user: Instruction, waiting: list[Instruction]) -> bool:
        others = [i for i in waiting if i is not user]
        handed = {w for i in others if i.load_kind for w in i.writes[:1]}
        needs = {user.new_value} if user.new_value else set[str | None]()
        if user.condition and user.condition[2]:
            needs.add(user.condition[0])
        made = {w for i in others for w in i.writes}
        return bool(needs & made or (not user.load_kind and handed & set(user.reads)))

    def _applies(self, instruction: Instruction) -> bool:
        if not instruction.condition:
            return True
        name, sense, new = instruction.condition
        value = self.writes[name] if new else self.machine._read(name)
        return bool(value & 1) == sense

    def _execute(self, instruction: Instruction) -> str:
        shape = re.sub(r"^if\(!?P(\.new)?\)", "", instruction.form.shape)
        memory = _LOAD.fullmatch(shape) or _STORE.fullmatch(shape)
        if memory:
            self._move(instruction, memory[1], memory[2], shape.startswith(("m", "v")))
        elif re.fullmatch(r"jump(:n?t)?@", shape):
            return instruction.operands[-1][1].lstrip("#")
        elif _NVJ.fullmatch(shape):
            return self._compare_and_jump(instruction, shape)
        elif re.fullmatch(r"loop[01]\(@,[#R]\)", shape):
            label, count = instruction.operands[0][1].lstrip("#"), instruction.operands[1][1]
            number = instruction.numbers[0] if instruction.numbers else self.register(count)
            self.machine.loops[int(shape[4])] = (label, int(number or 0))
        elif shape != "nop":
            for name, value in compute(instruction, self).items():
                both = name[0] == "p" and name in self.writes  # predicates written together are ANDed
                self.writes[name] = self.writes[name] & value if both else value
        return ""

    def _move(self, instruction: Instruction, name: str, mode: str, store: bool) -> None:
        operands = [given for token, given in instruction.operands if token.kind != "#"]
        operands = operands[bool(instruction.condition) :]
        base, data = (operands[0], operands[-1]) if store else (operands[1], operands[0])
        size, start = _SIZE[name], int(self.register(base))
        if mode == "R++M":
            offset = int(self.register(operands[1 if store else 2]))
        else:
            offset = int(instruction.numbers[0] or 0) * (size if size == 128 else 1)
        address = start + offset if mode == "R+#" else start
        if name == "vmem":
            address &= ~127
        if mode != "R+#":
            self.writes[base] = unsigned(start + offset)
        if store:
            value = self.writes.get(data) if instruction.new_value else self.register(data)
            raw = value if size == 128 else np.frombuffer(int(value or 0).to_bytes(8, "little"), np.uint8)
            self.stores.append((unsigned(address), np.asarray(raw, np.uint8)[:size].copy()))
            return
        raw = self.load(unsigned(address), size)
        if size == 128:
            self.at_once.update({data: raw} if instruction.load_kind else {})
            self.writes.update({} if instruction.load_kind == "tmp" else {data: raw})
        else:
            number = int.from_bytes(raw.tobytes(), "little")
            wide = number if "u" in name or size == 8 else unsigned(signed(number, 8 * size))
            self.writes[data] = wide

    def _compare_and_jump(self, instruction: Instruction, shape: str) -> str:
        match = _NVJ.fullmatch(shape)
        assert match is not None
        names = [given for token, given in instruction.operands if token.kind == "R"]
        values = [
            self.writes[n] if n == instruction.new_value and ".new" in kind else self.register(n)
            for n, kind in zip(names, [k for k in (match[3], match[4]) if k != "#"], strict=True)
        ]
        number = instruction.numbers[0] if instruction.numbers else None
        first, second = (values[0], values[1]) if number is None else (values[0], number)
        holds = compare(match[2], first, second) != bool(match[1])
        return instruction.operands[-1][1].lstrip("#") if holds else ""
