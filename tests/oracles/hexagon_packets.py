"""Random Hexagon packets, and what the LLVM 14 assembler says of them.

    python tests/oracles/hexagon_packets.py > tests/golden/hexagon_generated.json

Registers come from a small pool, so that instructions meet; sizes go beyond four, numbers a step beyond
their range. Left out, because LLVM 14 is laxer there than its tables (see `hardware.vliw.rules`): a negative
number where an unsigned one belongs, gp-relative addresses, one register named as both results.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from edgelib.isa.hexagon_forms import _OPERAND, Form, Token, forms, mnemonics

FROZEN = 68  # the seed of the golden file, which begins with EDGES
TOOL = shutil.which("llvm-mc-14")
FLAGS = ["-triple=hexagon", "-mcpu=hexagonv68", "-mattr=+hvxv68,+hvx-length128b"]
NAMES = """
add sub and or xor = mux neg abs max min sxtb zxth cmp.eq cmp.gt cmp.gtu tstbit mpyi mpy asl asr lsr combine
memw memb memh memd memub memuh jump jumpr call loop0 nop vmem vmemu vadd vsub vmax vmin vavg vmpy vrmpy vdmpy
vmpa vasl vlsr vasr vror valign vshuff vdelta vlut32 vcmp.gt vcmp.eq vand vor vsplat vinsert vgather vscatter
vmux vsat vpack allocframe deallocframe dealloc_return
"""
_LAX = re.compile(r"gp\+|vshuff\(Vy|vdeal\(Vy|:carry$|vrmpy\(.*Rtt|mem\w+\(#|\(Rs,#m8\)")


# One rule each, legal and broken.
EDGES = """
r0=add(r1,r2); r3=add(r4,r5); r6=sub(r7,r8); r9=and(r10,r11)
r0=add(r1,##100000); r2=add(r3,r4); r5=sub(r6,r7)
r0=add(r1,##100000); r2=add(r3,r4); r5=sub(r6,r7); r8=and(r9,r10)
r0=#70000; r1=r2; r3=r4; r5=add(r6,r7)
r0=#70000; r11=add(r12,r13); r14=sub(r15,r14); r9=and(r10,r11)
r0=memw(r1+#4); r2=memw(r3+#8); r4=add(r5,r6)
r0=memw(r1+#4); r2=memw(r3+#8); memw(r4+#0)=r5
memw(r1+#4)=r0; memw(r3+#8)=r2
memw(r1+#4)=r0; memw(r3+#8)=r2; memw(r5+#8)=r6
memw(r1+#4)=r0; r2=memw(r3+#8)
r0=memw(r1++#4); r1=add(r2,r3)
r0=memw(r1++#32)
r0=memw(r1++#6)
r0=memb(r1++#7); r2=memuh(r3+#2)
r1:0=memd(r2+#8); memd(r3+#16)=r5:4
r0=memw(r1); memw(r2)=r3
r5=add(r6,r7); memw(r8+#0)=r5.new
memw(r8+#0)=r5.new
r5:4=add(r7:6,r9:8); memw(r10+#0)=r5.new
r5=memw(r6++#4); memw(r7+#0)=r6.new
r5=memw(r6++#4); memw(r7+#0)=r5.new
if (p0) r5=add(r6,r7); memw(r8+#0)=r5.new
if (p0) r5=add(r6,r7); if (p0) memw(r8+#0)=r5.new
if (p0) r5=add(r6,r7); if (!p0) memw(r8+#0)=r5.new
if (p0) r5=add(r6,r7); if (p1) memw(r8+#0)=r5.new
p0=cmp.eq(r1,r2); if (p0.new) r3=r4
if (p0.new) r3=r4
p0=cmp.eq(r1,r2); if (p0.new) jump:t .L
p0=cmp.eq(r1,#5); if (p0.new) jump:nt .L; r3=add(r4,r5); r6=sub(r7,r8); r9=and(r10,r11)
r1=add(r1,#-1); if (cmp.gt(r1.new,#0)) jump:t .L
if (cmp.gt(r1.new,#0)) jump:t .L
r1=sfadd(r2,r3); if (cmp.eq(r1.new,r4)) jump:t .L
if (p0) r1=r2; if (!p0) r1=r3
if (p0) r1=r2; if (p0) r1=r3
if (p0) r1=r2; r1=r3
p0=cmp.eq(r1,r2); p0=cmp.gt(r3,r4)
p3:0=r1; p0=cmp.eq(r2,r3)
usr=r1; r2=add(r3,r4):sat
jump .L; jump .M
if (p0) jump:t .L; jump .M
jump .L; if (p0) jump:t .M
if (p0) jump:t .L; if (p1) jump:t .M
call .L; r0=add(r1,r2)
jumpr r31; r0=#1
callr r5; jumpr r6
loop0(.L,#10); r0=#0
loop0(.L,#1024)
loop0(.L,r5); loop1(.M,r6)
allocframe(#16); memw(r29+#4)=r0
dealloc_return; r0=add(r1,r2)
dealloc_return; jump .L
deallocframe; r1=memw(r2+#0)
r0=memw_locked(r1); r2=add(r3,r4)
r0=memw_locked(r1); r2=memw(r3+#0)
memw(r0+#0)+=r1; r2=memw(r3+#0)
memw(r0+#0)+=r1; memw(r2+#0)=r3
r0=mpyi(r1,r2); r3=asl(r4,#3); r5=cmp.eq(r6,r7)
r0=mpyi(r1,r2); r3=asl(r4,#3); r5=sxtw(r6)
r0=mpyi(r1,r2); r3=asl(r4,#3); r7:6=sxtw(r8)
r0=asl(r1,#32)
r0=combine(r1.h,r2.l); r5:4=combine(r6,#3)
r3:2=combine(#4,#1000)
r32=add(r1,r2)
r2:1=combine(r3,r4)
nop; nop; nop; nop
nop; nop; nop; nop; nop
v0=vmem(r0+#0); v1=vmem(r1+#0)
v0=vmem(r0++#3)
v0=vmem(r0++#4)
v0=vmem(r0+#7); vmem(r1+#-8)=v2
v0.cur=vmem(r0++#1); v2.w+=vrmpy(v0.ub,r1.b)
v0.tmp=vmem(r0++#1); v2.w+=vrmpy(v0.ub,r1.b)
v0.tmp=vmem(r0++#1); v0.w+=vrmpy(v2.ub,r1.b)
v0.tmp=vmem(r0++#1); if (q1) v0.w+=v2.w
deallocframe; memw(r8+#0)=r31.new
allocframe(#16); memw(r0+#0)=r29.new
memw_rl(r0):at=r1; r2=r3
v0.cur=vmem(r0++#1):nt; v3.b=vadd(v0.b,v1.b)
v0=vmemu(r0+#0); r1=memw(r2+#0)
v0=vmemu(r0+#0); v1.b=vadd(v2.b,v3.b); v4=vdelta(v5,v6)
v0=vmemu(r0+#0); v1.b=vadd(v2.b,v3.b); v4.h=vasl(v5.h,r6)
vmemu(r0+#0)=v1; v2.w=vadd(v3.w,v4.w)
vmem(r0+#0)=v1.new; v1.w=vadd(v3.w,v4.w)
vmem(r0+#0)=v1.new; v2.w=vadd(v3.w,v4.w)
if (p0) vmem(r0++#1)=v3; v4=vmem(r1++#1)
if (q0) vmem(r0+#0)=v3
v0.w=vrmpy(v1.ub,v2.b); v3.w=vrmpy(v4.ub,v5.b)
v0.w=vrmpy(v1.ub,r2.b); v3.w=vrmpy(v4.ub,r5.b)
v1:0.h=vmpy(v2.ub,v3.b); v4.w=vrmpy(v5.ub,v6.b)
v1:0.h=vmpy(v2.ub,v3.b); v5.w=vadd(v6.w,v7.w); v8=vmem(r0+#0)
v1:0.h=vmpy(v2.ub,v3.b); v5:4.w=vadd(v7:6.w,v9:8.w)
v1:0.h=vmpy(v2.ub,v3.b); v5:4.w=vadd(v7:6.w,v9:8.w); v10=vmem(r0+#0)
v1:0.h=vmpa(v3:2.ub,r4.b); v6.h=vasl(v7.h,r8); v9=vmem(r0+#0); vmem(r1+#0)=v10
v1:0.h=vmpa(v3:2.ub,r4.b); v6.h=vasl(v7.h,r8); v9=vmem(r0+#0)
v0=vdelta(v1,v2); v3=vror(v4,r5)
v0=vdelta(v1,v2); v3.w=vasr(v4.w,r5)
v0.h=vasl(v1.h,r2); v3.uw=vlsr(v4.uw,r5)
v1:0=vshuff(v2,v3,r4); v5=vror(v6,r7)
v0=valign(v1,v2,r3); v4.b=vlut32(v5.b,v6.b,r7)
q0=vcmp.gt(v1.b,v2.b); v3=vmux(q1,v4,v5); q2=and(q1,q3)
q0=vcmp.gt(v1.b,#0)
p0=vcmp.gt(v1.h,v2.h)
v0=vsplat(r1); v2.w=vinsert(r3); v4.h=vsplat(r5)
v0=vand(v1,v2); v3=vor(v4,v5); v6=vxor(v7,v8); v9=vnot(v10)
v0.h=vsat(v1.w,v2.w); v3.ub=vpack(v4.h,v5.h):sat
v0.b=vmax(v1.b,v2.b); v3.ub=vmin(v4.ub,v5.ub); v6.h=vavg(v7.h,v8.h):rnd
v0=vsatur(v1)
v0=vconv(v1)
vtmp.w=vgather(r0,m0,v1.w).w; vmem(r2+#0)=vtmp.new
vtmp.w=vgather(r0,m0,v1.w).w; v2=vmem(r3+#0)
vscatter(r0,m0,v1.w).w=v2; v3.w=vadd(v4.w,v5.w)
vscatter(r0,m0,v1.w).w=v2; vmem(r3+#0)=v4
v0.w=vadd(v1.w,v2.w); v0.w=vsub(v3.w,v4.w)
v32.w=vadd(v1.w,v2.w)
v0.w=vadd(v1.h,v2.h)
v2:1.w=vadd(v4:3.w,v6:5.w)
v1:0=vcombine(v2,v3); v4.w=vadd(v0.w,v5.w)
""".strip().splitlines()


def _chosen() -> list[list[Form]]:
    usable = [
        [f for f in mnemonics()[n] if not _LAX.search(f.syntax) and "ieee" not in f.flags]
        for n in NAMES.split()
    ]
    return [family for family in usable if family]


FAMILIES = _chosen()
REST = [
    f for f in forms() if f.unit.family != "duplex" and "ieee" not in f.flags and not _LAX.search(f.syntax)
]


def _operand(rng: random.Random, token: Token, pool: int) -> str:
    if token.fixed:
        return "#" * (token.kind == "#") + token.fixed
    if token.kind == "@":
        return ".L"
    if token.kind == "#":
        low, high = token.range()
        step = 1 << token.scale
        if token.extend == "!":
            return f"##{rng.randrange(64)}"
        within = rng.randrange(low // step, high // step + 1) * step
        beyond = high + step if rng.random() < 0.06 else within
        return (
            f"##{within}"
            if token.extend and rng.random() < 0.08
            else f"#{rng.choice([low, high, beyond, within])}"
        )
    letter = token.kind.lower()
    if letter in "rv":
        top = min(pool, 8) if token.subset == 8 and token.count == 1 else pool
        first = rng.randrange(top // token.count) * token.count
        return f"{letter}{first}" if token.count == 1 else f"{letter}{first + token.count - 1}:{first}"
    if letter == "c":
        return rng.choice(["sa0", "lc0", "usr"]) if token.count == 1 else "c1:0"
    return f"{letter}{rng.randrange(2 if letter == 'm' else 4)}" if token.count == 1 else f"{letter}1:0"


def instruction(rng: random.Random, form: Form, pool: int) -> str:
    """The form with random operands out of `pool` registers."""
    names: dict[str, str] = {}
    tokens = iter(form.tokens)

    def fill(match: re.Match[str]) -> str:
        token = next(tokens)
        given = _operand(rng, token, pool)
        return given if token.kind in "#@" else names.setdefault(token.name, given)

    return _OPERAND.sub(fill, form.syntax)


def _maker(rng: random.Random, letter: str, register: str, pool: int) -> str:
    """An instruction that writes `register`."""
    while True:
        form = rng.choice(rng.choice(FAMILIES))
        token = next((t for t in form.tokens if t.written and t.kind == letter and t.count == 1), None)
        if token:
            text = instruction(rng, form, pool)
            if form.syntax.startswith(token.name):
                return register + text[len(re.match(r"\w+", text)[0]) :]  # type: ignore[index]


def packet(rng: random.Random) -> str:
    """One random packet, legal about every second time."""
    pool = rng.choice([4, 8, 16, 32])
    lines: list[str] = []
    for _ in range(rng.choice([1, 2, 2, 3, 3, 3, 4, 4, 4, 5])):
        form = rng.choice(rng.choice(FAMILIES)) if rng.random() < 0.85 else rng.choice(REST)
        text = instruction(rng, form, pool)
        new = re.search(r"\b([rpv])(\d+)\.new", text)
        if new and rng.random() < 0.8:
            lines.append(_maker(rng, new[1].upper(), new[1] + new[2], pool))
        lines.append(text)
    lines = lines[:5]
    rng.shuffle(lines)
    return "{ " + " ; ".join(lines) + " }" + rng.choice([""] * 10 + [":endloop0", ":endloop1"])


def assemble(packets: list[str]) -> list[str]:
    """ "LEGAL" or "ILLEGAL: reason" for each packet, as llvm-mc 14 judges it.

    One instruction a line: after an error the assembler skips to the end of the line, brace included.
    """
    verdicts, start = [""] * len(packets), 0
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "packets.s")
        while start < len(packets):
            texts = [re.sub(r"\s*;\s*|(?<={)|(?=})", "\n", packet) for packet in packets[start:]]
            owner = [start + k for k, text in enumerate(texts) for _ in text.splitlines()]
            source.write_text("\n".join(texts) + "\n")
            run = subprocess.run(
                [str(TOOL), *FLAGS, source, "-o", "/dev/null"], capture_output=True, text=True
            )
            for found in re.finditer(r"packets\.s:(\d+):\d+: error: (.*)", run.stderr):
                place = owner[int(found[1]) - 1]
                verdicts[place] = verdicts[place] or f"ILLEGAL: {found[2]}"
            if run.returncode >= 0:
                break
            start = (
                max(k for k, verdict in enumerate(verdicts) if verdict) + 1
            )  # it crashed there: go on after
    return [verdict or "LEGAL" for verdict in verdicts]


def generate(seed: int, count: int) -> list[dict[str, str]]:
    """`count` packets with their verdicts."""
    rng = random.Random(seed)
    texts = [f"{{ {edge} }}" for edge in EDGES] if seed == FROZEN else []
    texts += [packet(rng) for _ in range(count)]
    return [{"asm": t, "llvm14": v} for t, v in zip(texts, assemble(texts), strict=True)]


if __name__ == "__main__":
    print(json.dumps(generate(FROZEN, 600), indent=0))
