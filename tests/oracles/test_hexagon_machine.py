"""The packet interpreter against qemu-hexagon, live: random legal packets on random registers and memory.

There is no Hexagon linker here, so the assembler's bytes are wrapped in a minimal executable by hand.
"""

import os
import random
import shutil
import struct
import subprocess

import numpy as np
import pytest

from edgelib.hardware.vliw import check_packet
from edgelib.isa.hexagon_machine import Machine
from edgelib.isa.hexagon_semantics import NotExecuted
from tests.oracles.hexagon_packets import FLAGS, TOOL

PAGE, CODE, DATA, STATE, OUT = 0x10000, 0x10000, 0x100000, 0x200000, 0x300000
SIZE, RESULT = 0x10000, 11 * 4 + 4 + 8 * 128
READ = "\n".join(
    [f"r28=##{STATE}", "r27=memw(r28+#44)", "p3:0=r27", "r29=add(r28,#128)", "q0=vcmp.gt(v0.b,v0.b)"]
    + [f"v{k}=vmem(r29++#1)" for k in range(8)]
    + [f"r{k}=memw(r28+#{4 * k})" for k in range(11)]
)
WRITE = "\n".join(
    [f"r28=##{OUT}", "r27=p3:0", "memw(r28+#44)=r27", "r29=add(r28,#128)"]
    + [f"vmem(r29++#1)=v{k}" for k in range(8)]
    + [f"memw(r28+#{4 * k})=r{k}" for k in range(11)]
    + [f"r0=#1\nr1=##{OUT}\nr2=##{128 + 1024}\nr6=#64\ntrap0(#1)"]
    + [f"r0=#1\nr1=##{DATA}\nr2=##{SIZE}\nr6=#64\ntrap0(#1)\nr0=#0\nr6=#94\ntrap0(#1)"]
)

LINES = """
r{a}=add(r{b},r{c})
r{a}=sub(r{b},r{c})
r{a}=add(r{b},#{i})
r{a}=and(r{b},r{c})
r{a}=mpyi(r{b},r{c})
r{a}+=mpyi(r{b},r{c})
r{a}=asl(r{b},#{n})
r{a}=asr(r{b},#{n})
r{a}=lsr(r{b},#{n})
r{a}=mux(p{p},r{b},r{c})
r{a}=max(r{b},r{c})
r{a}=sxth(r{b})
r{a}=zxtb(r{b})
r{e}:{f}=combine(r{b},r{c})
r{e}:{f}=add(r3:2,r5:4)
p{p}=cmp.gt(r{a},r{b})
p{p}=cmp.eq(r{a},#{i})
p{p}=cmp.gtu(r{a},r{b})
p{p}=!cmp.gt(r{a},#{i})
p{p}=and(p{t},p{u})
if (p{p}) r{a}=add(r{b},r{c})
if (!p{p}) r{a}=r{b}
if (p{p}.new) r{a}=r{b}
if (!p{p}.new) r{a}=#{i}
r{a}=memw(r{d}+#{w})
r{a}=memb(r{d}++#1)
r{a}=memuh(r{d}+#{w})
r{a}=memh(r{d}++#2)
r{e}:{f}=memd(r9+#16)
memw(r{d}+#{w})=r{b}
memw(r{d}++#4)=r{b}.new
memh(r{d}+#{w})=r{b}
memb(r{d}+#{w})=r{b}.new
memd(r10+#8)=r{e}:{f}
if (p{p}) memw(r{d}+#{w})=r{b}
if (p{p}.new) memw(r{d}+#{w})=r{b}
v{a}=vmem(r{d}+#{v})
v{a}=vmem(r{d}++#1)
v{a}.cur=vmem(r{d}++#1)
v{a}.tmp=vmem(r{d}+#{v})
v{a}=vmemu(r{d}+#{v})
if (p{p}) v{a}=vmem(r{d}++#1)
vmem(r{d}+#{v})=v{b}
vmem(r{d}++#1)=v{b}.new
if (p{p}) vmem(r{d}+#{v})=v{b}
vmemu(r{d}+#{v})=v{b}
v{a}.w+=vrmpy(v{b}.ub,r{c}.b)
v{a}.w=vrmpy(v{b}.ub,v{c}.b)
v{a}.h=vdmpy(v{b}.ub,r{c}.b)
v{e}:{f}.h=vmpy(v{b}.ub,v{c}.b)
v{a}.w=vadd(v{b}.w,v{c}.w)
v{a}.b=vsub(v{b}.b,v{c}.b)
v{a}.h=vadd(v{b}.h,v{c}.h):sat
v{e}:{f}=vcombine(v{b},v{c})
v{a}.ub=vmax(v{b}.ub,v{c}.ub)
v{a}.h=vmin(v{b}.h,v{c}.h)
v{a}=vand(v{b},v{c})
v{a}=vxor(v{b},v{c})
v{a}=vsplat(r{b})
v{a}.h=vasl(v{b}.h,r{c})
v{a}.w=vasr(v{b}.w,r{c})
v{a}.uh=vlsr(v{b}.uh,r{c})
v{a}=vror(v{b},r{c})
v{a}=vdelta(v{b},v{c})
v{a}.h=vsat(v{b}.w,v{c}.w)
v{a}.ub=vpack(v{b}.h,v{c}.h):sat
v{e}:{f}=vshuff(v{b},v{c},r{t})
q0=vcmp.gt(v{b}.h,v{c}.h)
q0=vcmp.eq(v{b}.b,v{c}.b)
v{a}=vmux(q0,v{b},v{c})
v{a}=v{b}
""".strip().splitlines()


ALIGN = "{ r8=and(r8,#-8)\n r9=and(r9,#-8)\n r10=and(r10,#-8) }"  # a misaligned scalar access is a fault


def line(rng):
    e = rng.choice([1, 3, 5, 7])
    values = {k: rng.randrange(8) for k in "abc"} | {k: rng.randrange(4) for k in "ptu"}
    values |= {"d": rng.randrange(8, 11), "e": e, "f": e - 1, "i": rng.randrange(-100, 100)}
    values |= {"n": rng.randrange(32), "w": 4 * rng.randrange(8), "v": rng.randrange(-4, 4)}
    return rng.choice(LINES).format(**values)


def packets(rng, count):
    """Random legal packets, of more than one instruction where possible."""
    found = []
    while len(found) < count:
        text = "{ " + "\n".join(line(rng) for _ in range(rng.choice([1, 2, 3, 3, 4, 4]))) + " }"
        verdict = check_packet(text)
        if verdict.legal and not verdict.notes:
            found.append(text)
    return found


@pytest.fixture(scope="session")
def tools():
    for tool, package in ((TOOL, "llvm-14"), (shutil.which("qemu-hexagon"), "qemu-user")):
        if not tool:
            message = f"a tool of the package {package} is missing"
            pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    return TOOL, shutil.which("qemu-hexagon")


def on_qemu(tools, tmp_path, program, state, data):
    """The registers and the memory after `program`, as QEMU computes them."""
    assembler, emulator = tools
    source = "\n".join([READ, program, WRITE])
    done = subprocess.run([assembler, *FLAGS, "-filetype=obj"], input=source.encode(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    file = done.stdout
    (offset,), (count, names) = struct.unpack_from("<I", file, 32), struct.unpack_from("<HH", file, 48)
    sections = [struct.unpack_from("<10I", file, offset + 40 * k) for k in range(count)]
    strings = file[sections[names][4] :]
    code = next(file[s[4] : s[4] + s[5]] for s in sections if strings[s[0] :].startswith(b".text\0"))
    body, headers = b"", b""
    for address, content in ((CODE, code), (DATA, data.tobytes()), (STATE, state), (OUT, bytes(PAGE))):
        place = PAGE + len(body)
        headers += struct.pack("<8I", 1, place, address, address, len(content), len(content), 7, PAGE)
        body += content + bytes(-len(content) % PAGE)
    head = struct.pack("<HHIIIIIHHHHHH", 2, 164, 1, CODE, 52, 0, 0x67, 52, 32, 4, 40, 0, 0)
    path = tmp_path / "program"
    path.write_bytes((b"\x7fELF\1\1\1" + bytes(9) + head + headers).ljust(PAGE, b"\0") + body)
    path.chmod(0o755)
    run = subprocess.run([emulator, str(path)], capture_output=True, timeout=60)
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout[:1152], run.stdout[1152:]


@pytest.mark.parametrize("seed", range(24))
def test_random_packets(tools, tmp_path, seed):
    """Thirty packets in a row: after them every register and every byte of memory is the same."""
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    machine = Machine(DATA + SIZE)
    machine.memory[DATA:] = numbers.integers(0, 256, SIZE, dtype=np.uint8)
    machine.v[:8] = numbers.integers(0, 256, (8, 128), dtype=np.uint8)
    machine.r[:8] = numbers.choice([0, 1, 127, 128, 255, 2**31, 2**32 - 1, 77], 8) ^ numbers.integers(
        0, 99, 8
    )
    machine.r[8:11] = DATA + 0x4000, DATA + 0x8000 + 8, DATA + 0xC000 + 128
    machine.p[:] = numbers.choice([0, 255], 4)
    state = machine.r[:11].tobytes() + machine.p.tobytes() + bytes(80) + machine.v[:8].tobytes()
    data = machine.memory[DATA:].copy()
    program = "\n".join(f"{ALIGN}\n{packet}" for packet in packets(rng, 30))
    machine.run(program)
    registers, memory = on_qemu(tools, tmp_path, program, state, data)
    np.testing.assert_array_equal(machine.r[:11], np.frombuffer(registers[:44], np.uint32), program)
    np.testing.assert_array_equal(machine.p, np.frombuffer(registers[44:48], np.uint8))
    np.testing.assert_array_equal(machine.v[:8].ravel(), np.frombuffer(registers[128:], np.uint8))
    np.testing.assert_array_equal(machine.memory[DATA:], np.frombuffer(memory, np.uint8))


def test_a_packet_reads_before_it_writes():
    machine = Machine()
    machine.r[:2] = 3, 4
    machine.run("{ r0=r1\n r1=r0 }")
    assert machine.r[:2].tolist() == [4, 3]


def test_predicates_written_together_are_anded():
    machine = Machine()
    machine.run("{ p0=cmp.eq(r0,r0)\n p0=cmp.gt(r0,#5) }\n{ p1=cmp.eq(r0,r0)\n p1=cmp.eq(r1,#0) }")
    assert machine.p[:2].tolist() == [0, 255]


def test_cur_hands_the_load_on():
    for dot, expected in (("", 0), (".cur", 128 * 2)):
        machine = Machine()
        machine.memory[:128], machine.r[1] = 1, 0x02020202
        machine.run(f"{{ v0{dot}=vmem(r0++#1)\n v2.w=vrmpy(v0.ub,r1.b) }}")
        assert machine.v[2].view(np.int32).sum() == expected
        assert machine.r[0] == 128 and machine.v[0].all()


def test_tmp_leaves_no_trace():
    machine = Machine()
    machine.memory[:128] = 1
    machine.run("{ v0.tmp=vmem(r0+#0)\n v1.b=vadd(v0.b,v0.b) }")
    assert not machine.v[0].any() and (machine.v[1] == 2).all()


def test_aligned_accesses_drop_the_low_address_bits():
    machine = Machine()
    machine.memory[:] = np.arange(65536) % 251
    machine.r[0] = 300
    machine.run("v0=vmem(r0+#0)\nv1=vmemu(r0+#0)")
    np.testing.assert_array_equal(machine.v[0], machine.memory[256:384])
    np.testing.assert_array_equal(machine.v[1], machine.memory[300:428])


def test_loops_nest():
    machine = Machine()
    machine.run(
        "{ loop1(.outer,#3) }\n.outer:\n{ loop0(.inner,#4)\n r1=add(r1,#1) }\n"
        ".inner:\n{ r0=add(r0,#1) }:endloop0\n{ r2=add(r2,#1) }:endloop1"
    )
    assert machine.r[:3].tolist() == [12, 3, 3]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("r0=popcount(r1:0)", "does not execute"),
        ("jump .nowhere", "no label"),
        ("r0=memw(r1+#0)", "expected 0 to"),
        (".L:\njump .L", "limit = 50"),
        ("r0=##symbol", "expected a number"),
        ("r0=frob(r1)", "not an instruction"),
    ],
)
def test_bad_programs_say_why(program, message):
    machine = Machine()
    machine.r[1] = 2**31
    with pytest.raises(ValueError, match=message) as raised:
        machine.run(program, limit=50)
    assert isinstance(raised.value, NotExecuted) or "not" not in message or "instruction" in message
