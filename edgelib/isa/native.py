"""What does a real processor answer? `neon`'s functions, executed by the machine itself.

    machine = native.machine()      # AArch64 with a C compiler; anything else: Unavailable, saying why
    machine.sdot(d, n, m)           # same arguments and results as edgelib.isa.neon

`native.c` is compiled once by the machine's own compiler and kept in `edgelib.store.home()`. Each instruction
runs only if the processor says that it has it. A cross-compiler and an emulator make a machine too:

    Machine(command=["qemu-aarch64", "-cpu", "max"], compiler=["aarch64-linux-gnu-gcc", "-static"])
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np

from edgelib import store
from edgelib.errors import choice
from edgelib.isa.neon.registers import BYTES, Array, issue, register

SOURCE = Path(__file__).with_name("native.c")
FLAGS = ("-O2", "-march=armv8.2-a+lse+fp16+fp16fml+dotprod+i8mm+bf16")

# Each form in native.c: its operands as "argument/slot:type x lanes" (slots d, n, m; written once where the
# argument is called so), and its result. Types as numpy writes them.
_WORDS, _SINGLES, _HALVES, _BRAINS = "n:i4x4 m:i4x4", "n:f4x4 m:f4x4", "n:f2x8 m:f2x8", "n:u2x8 m:u2x8"
_DOTS = ("sdot", "sdot_lane0", "sdot_lane1", "sdot_lane2", "sdot_lane3", "smmla")
FORMS = {
    **dict.fromkeys(_DOTS, ("d:i4x4 n:i1x16 m:i1x16", "i4x4")),
    **dict.fromkeys(("udot", "ummla"), ("d:u4x4 n:u1x16 m:u1x16", "u4x4")),
    **dict.fromkeys(("usdot", "usmmla"), ("d:i4x4 n:u1x16 m:i1x16", "i4x4")),
    **{f"tbl{k}": (f"table/n:u1x{16 * k} index/m:u1x16", "u1x16") for k in (1, 2, 3, 4)},
    **{f"tbx{k}": (f"d:u1x16 table/n:u1x{16 * k} index/m:u1x16", "u1x16") for k in (1, 2, 3, 4)},
    "mla": (f"d:i4x4 {_WORDS}", "i4x4"),
    "sqrdmulh": (_WORDS, "i4x4"),
    "sqxtn": ("n:i2x8", "i1x8"),
    "addv": ("n:i4x4", "i4x1"),
    "fmla_4s": (f"d:f4x4 {_SINGLES}", "f4x4"),
    "fmla_8h": (f"d:f2x8 {_HALVES}", "f2x8"),
    "fadd_h": ("n:f2x1 m:f2x1", "f2x1"),
    "faddp": (_SINGLES, "f4x4"),
    **dict.fromkeys(("fmlal", "fmlal2"), (f"d:f4x4 {_HALVES}", "f4x4")),
    **dict.fromkeys(("bfdot", "bfmmla"), (f"d:f4x4 {_BRAINS}", "f4x4")),
    "bfcvtn": ("n:f4x4", "u2x4"),
    **dict.fromkeys(("ldadd", "swp"), ("cell/d:u8x1 value/n:u8x1", "u8x2")),
    "cas": ("cell/d:u8x1 compare/n:u8x1 value/m:u8x1", "u8x2"),
}


class Unavailable(RuntimeError):
    """No real instruction can be executed here, or not this one; the message says why."""


def reason() -> str:
    """Why this machine executes nothing, as a sentence; "" if it does."""
    try:
        machine()
    except Unavailable as why:
        return str(why)
    return ""


def available() -> dict[str, bool]:
    """For each of FORMS: does this machine execute it? Everything False where nothing runs."""
    try:
        here = machine().forms
    except Unavailable:
        here = frozenset()
    return {form: form in here for form in FORMS}


@cache
def machine() -> Machine:
    """This computer. Raises Unavailable, with the reason, if it is no AArch64 or has no compiler."""
    if platform.machine().lower() not in ("arm64", "aarch64") or struct.calcsize("P") != 8:
        raise Unavailable(
            f"This Python runs on {platform.machine() or 'an unknown processor'}; "
            "real NEON instructions need a 64-bit Arm processor."
        )
    if sys.platform not in ("linux", "darwin"):
        raise Unavailable(f"Real instructions run on Linux and macOS, not on {sys.platform}.")
    return Machine()


class Machine:
    """A processor that executes NEON instructions; it has `neon`'s functions as methods.

    command : emulator that runs the program, as ["qemu-aarch64", "-cpu", "max"]; empty: run in this process.
    compiler : command that compiles native.c; empty: this machine's own.
    forms : what the processor can execute, names of FORMS. The others raise Unavailable.
    """

    def __init__(self, command: Sequence[str] = (), compiler: Sequence[str] = ()) -> None:
        for program in (*command[:1], *compiler[:1]):
            if not shutil.which(program):
                raise Unavailable(f"{program} not found: install it, or give its path.")
        built = _build([*(compiler or _own_compiler()), *FLAGS], as_program=bool(command))
        self._program = [*command, str(built)] if command else []
        if self._program:
            self.forms = frozenset(_execute(self._program, b"").decode().split())
        else:
            try:
                self._library = ctypes.CDLL(str(built))
            except OSError as why:
                raise Unavailable(f"The compiled native.c could not be loaded: {why}") from None
            self._library.edge_run.argtypes = [ctypes.c_char_p, ctypes.c_size_t, *[ctypes.c_void_p] * 4]
            self.forms = frozenset(form for form in FORMS if self._library.edge_has(form.encode()))

    def execute(self, form: str, *operands: Array, mnemonic: str = "") -> Array:
        """One instruction per register of the batch; operands and result as FORMS describes them."""
        arguments, result = FORMS[choice("form", form, FORMS)]
        if form not in self.forms:
            raise Unavailable(f"{form} is not an instruction of this processor.")
        if len(operands) != len(arguments.split()):
            raise TypeError(f"{form} takes {arguments}; {len(operands)} operands came")
        values, slots = {}, {}
        for text, value in zip(arguments.split(), operands, strict=True):
            name, kind = text.split(":")
            argument, slot = name.split("/") if "/" in name else (name, name)
            dtype, lanes = kind.split("x")
            values[argument] = slots[slot] = register(argument, value, dtype, int(lanes))
        batch = issue(mnemonic or form, **values)
        count = int(np.prod(batch))
        d, n, m = (_registers(slots.get(slot), batch) for slot in "dnm")
        if self._program:
            raw = _execute([*self._program, form, str(count)], b"".join(x.tobytes() for x in (d, n, m)))
            out = np.frombuffer(raw, np.uint8).reshape(count, BYTES)
        else:
            out = np.zeros((count, BYTES), np.uint8)
            self._library.edge_run(form.encode(), count, *(x.ctypes.data for x in (d, n, m, out)))
        dtype, lanes = result.split("x")
        used = out[:, : int(lanes) * np.dtype(dtype).itemsize]
        return np.ascontiguousarray(used).view(dtype).reshape(*batch, int(lanes))

    def __getattr__(self, name: str) -> Callable[..., Array]:
        if name in FORMS:
            return partial(self.execute, name)
        raise AttributeError(f"Machine has no {name!r}; it has execute and {', '.join(FORMS)}")

    def sdot_lane(self, d: Array, n: Array, m: Array, lane: int) -> Array:
        """See `neon.sdot_lane`."""
        return self.execute(f"sdot_lane{lane}", d, n, m, mnemonic="sdot")

    def tbl(self, table: Array, index: Array) -> Array:
        """See `neon.tbl`."""
        return self.execute(f"tbl{table.shape[-1] // BYTES}", table, index, mnemonic="tbl")

    def tbx(self, d: Array, table: Array, index: Array) -> Array:
        """See `neon.tbx`."""
        return self.execute(f"tbx{table.shape[-1] // BYTES}", d, table, index, mnemonic="tbx")

    def fmla(self, d: Array, n: Array, m: Array) -> Array:
        """See `neon.fmla`."""
        return self.execute("fmla_8h" if d.dtype == np.float16 else "fmla_4s", d, n, m, mnemonic="fmla")

    def fadd_h(self, n: Array, m: Array) -> Array:
        """See `neon.fadd_h`."""
        return self.execute("fadd_h", n[..., np.newaxis], m[..., np.newaxis], mnemonic="fadd")[..., 0]

    def addv(self, n: Array) -> Array:
        """See `neon.addv`."""
        return self.execute("addv", n)[..., 0]

    def ldadd(self, cell: Array, value: Array) -> tuple[Array, Array]:
        """See `neon.ldadd`."""
        return self._atomic("ldadd", cell, value)

    def swp(self, cell: Array, value: Array) -> tuple[Array, Array]:
        """See `neon.swp`."""
        return self._atomic("swp", cell, value)

    def cas(self, cell: Array, compare: Array, value: Array) -> tuple[Array, Array]:
        """See `neon.cas`."""
        return self._atomic("cas", cell, compare, value)

    def _atomic(self, form: str, *words: Array) -> tuple[Array, Array]:
        after = self.execute(form, *(np.asarray(word)[..., np.newaxis] for word in words))
        return after[..., 0], after[..., 1]


def _registers(value: Array | None, batch: tuple[int, ...]) -> Array:
    """An operand as bytes [count, 16 k], zeros after its last lane; all zeros for one that is not used."""
    count = int(np.prod(batch))
    if value is None:
        return np.zeros((count, BYTES), np.uint8)
    flat = np.ascontiguousarray(np.broadcast_to(value, (*batch, value.shape[-1])).reshape(count, -1))
    raw = flat.view(np.uint8)
    return np.ascontiguousarray(np.pad(raw, ((0, 0), (0, -raw.shape[1] % BYTES))))


def _own_compiler() -> list[str]:
    """$CC, or the first of cc, clang and gcc; on a Mac only if its developer tools are installed."""
    if sys.platform == "darwin" and subprocess.run(["xcode-select", "-p"], capture_output=True).returncode:
        raise Unavailable("No C compiler: run `xcode-select --install` once, then try again.")
    for name in filter(None, (os.environ.get("CC"), "cc", "clang", "gcc")):
        if shutil.which(name):
            return [name]
    raise Unavailable("No C compiler found (cc, clang, gcc, or the one named in CC): install one.")


def _build(compiler: list[str], as_program: bool) -> Path:
    """native.c compiled, once for each source and compiler command; kept in `store.home()`."""
    kind = ["-DNATIVE_MAIN"] if as_program else ["-shared", "-fPIC"]
    command = [*compiler, *kind]
    key = hashlib.sha256(SOURCE.read_bytes() + "\0".join([platform.node(), *command]).encode()).hexdigest()
    built = store.home() / "native" / key[:16]
    if built.exists():
        return built
    try:
        built.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=built.parent) as folder:
            fresh = Path(folder) / "native"
            run = subprocess.run([*command, "-o", str(fresh), str(SOURCE)], capture_output=True, text=True)
            if run.returncode:
                raise Unavailable(f"{compiler[0]} could not compile native.c: {run.stderr.strip()[:500]}")
            os.replace(fresh, built)  # whole or not at all, also with two notebooks at once
    except OSError as why:
        raise Unavailable(f"native.c could not be compiled in {built.parent}: {why}") from None
    return built


def _execute(command: list[str], operands: bytes) -> bytes:
    """What the program writes; Unavailable if it fails."""
    run = subprocess.run(command, input=operands, capture_output=True)
    if run.returncode:
        message = run.stderr.decode(errors="replace").strip()[:500]
        raise Unavailable(f"{' '.join(command)} failed with {run.returncode}: {message}")
    return run.stdout
