"""Run Hexagon assembly in QEMU without a linker: the assembler's bytes in an executable made by hand.

The program reads its cases from memory, does the lines for each in a loop, and writes all results with one
system call.
"""

from __future__ import annotations

import struct
import subprocess

import numpy as np

LLVM = ["-triple=hexagon", "-mcpu=hexagonv68", "-mattr=+hvxv68,+hvx-length128b", "-filetype=obj"]
PAGE = 0x10000  # QEMU's Hexagon pages are of 64 KiB
CODE, CASES, OUT, TABLE_AT, EM_HEXAGON = 0x10000, 0x100000, 0x1000000, 0x2000000, 164
CASE, RESULT = 768, 256  # bytes: v0 to v4 and r2; v0 and v1

PROGRAM = """
 r16 = ##{cases}
 r17 = ##{out}
 r18 = ##{count}
loop:
 v0 = vmem(r16+#0)
 v1 = vmem(r16+#1)
 v2 = vmem(r16+#2)
 v3 = vmem(r16+#3)
 r19 = add(r16,##512)
 v4 = vmem(r19+#0)
 r2 = memw(r16+##640)
 {body}
 vmem(r17+#0) = v0
 vmem(r17+#1) = v1
 r16 = add(r16,##768)
 r17 = add(r17,##256)
 r18 = add(r18,#-1)
 p0 = cmp.eq(r18,#0)
 if (!p0) jump loop
 r0 = #1
 r1 = ##{out}
 r2 = ##{size}
 r6 = #64
 trap0(#1)
 r0 = #0
 r6 = #94
 trap0(#1)
"""


def assembled(assembler, text):
    """The bytes of .text, which must need no linking."""
    done = subprocess.run([assembler, *LLVM], input=text.encode(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    data = done.stdout
    (offset,), (count, names) = struct.unpack_from("<I", data, 32), struct.unpack_from("<HH", data, 48)
    sections = [struct.unpack_from("<10I", data, offset + 40 * k) for k in range(count)]
    strings = data[sections[names][4] :]
    found = {strings[s[0] : strings.index(b"\0", s[0])].decode(): data[s[4] : s[4] + s[5]] for s in sections}
    assert not any(name.startswith(".rel") for name in found), "the code refers to symbols"
    return found[".text"]


def executable(code, cases, out_size, table):
    """A static ELF of four segments, each on pages of its own."""
    segments = [(CODE, code), (CASES, cases), (OUT, bytes(out_size)), (TABLE_AT, table)]
    body, headers = b"", b""
    for address, data in segments:
        place = PAGE + len(body)
        headers += struct.pack("<8I", 1, place, address, address, len(data), len(data), 7, PAGE)
        body += data + bytes(-len(data) % PAGE)
    kind = struct.pack("<HHIIIIIHHHHHH", 2, EM_HEXAGON, 1, CODE, 52, 0, 0x67, 52, 32, len(segments), 40, 0, 0)
    return (b"\x7fELF\1\1\1" + bytes(9) + kind + headers).ljust(PAGE, b"\0") + body


def run(assembler, emulator, path, body, vectors, r2, table):
    """Results uint8[n, 256] (v0, v1) of `body` for v0 to v4 = vectors uint8[n, 5, 128] and r2 uint32[n].

    path : where the executable may be written.   table : bytes at TABLE_AT.
    """
    count = len(vectors)
    cases = np.zeros((count, CASE), np.uint8)
    cases[:, :640] = vectors.reshape(count, 640)
    cases[:, 640:644] = np.ascontiguousarray(r2)[:, np.newaxis].view(np.uint8)
    size = count * RESULT
    text = PROGRAM.format(cases=CASES, out=OUT, count=count, size=size, body=body)
    path.write_bytes(executable(assembled(assembler, text), cases.tobytes(), size, table))
    path.chmod(0o755)
    done = subprocess.run([emulator, str(path)], capture_output=True, timeout=60)
    assert done.returncode == 0 and len(done.stdout) == size, done.stderr.decode()
    return np.frombuffer(done.stdout, np.uint8).reshape(count, RESULT)
