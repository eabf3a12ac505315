"""Two small exercises, and code that tries to earn, steal or spoil marks in them.

In each attack `triple` is the hostile part: 0 is what it deserves. `double`, in the same notebook, and
`half`, in another exercise of the same student, are honest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelib.grading.grade import Task
from edgelib.grading.spec import Exercise, Function, Mutant
from edgelib.grading.submission import Cell

SECRET = b"a secret of the course"


def _part(name: str, answer: str, factor: float) -> Function:
    def instances(rng: np.random.Generator) -> list[dict[str, Any]]:
        return [{"x": int(x)} for x in rng.integers(1, 10_000, 4)]

    wrong = [0.1, 5.0, 7.0, 9.0]
    return Function(
        name=name,
        answer=answer,
        unit="",
        returns="a number",
        hints=("-", "-", "-"),
        mutants=tuple(Mutant(f"x{f}", lambda x, f=f: f * x, f"{f} times") for f in wrong),
        instances=instances,
        reference=lambda x: factor * x,
    )


ONE = Exercise("one", "One", (_part("a", "double", 2), _part("b", "triple", 3)))
TWO = Exercise("two", "Two", (_part("a", "half", 0.5),))
DOUBLE = Cell("def double(x):\n    return 2 * x", "double")
TRIPLE = Cell("def triple(x):\n    return 3 * x", "triple")
HALF = Cell(
    "import math\nimport numpy as np\ndef half(x):\n    return float(np.sqrt(math.pow(x, 2))) / 2", "half"
)


def tasks(first: list[Cell], second: list[Cell] | None = None) -> list[Task]:
    return [Task(ONE, first, []), Task(TWO, [HALF] if second is None else second, [])]


FIND_REPLIES = """
import gc, io, json, os, sys
files = [o for o in gc.get_objects() if isinstance(o, io.TextIOWrapper) and not o.closed]
writers = [file for file in files if file.writable() and file.fileno() > 2]
"""
REQUEST = """
import sys
def request():
    frame = sys._getframe()
    while frame:
        if "request" in frame.f_locals and isinstance(frame.f_locals["request"], dict):
            return frame.f_locals["request"]
        frame = frame.f_back
"""


def _reply(value: str, before: str = "") -> str:
    """A `triple` that writes its own reply and then leaves the runner to send another."""
    return f"""{FIND_REPLIES}{REQUEST}
def triple(x):
    {before or "pass"}
    for writer in writers:
        writer.write({value})
        writer.flush()
    return 0
"""


def _takes_over(answer: str) -> str:
    """A `triple` that never returns: from then on it reads the requests and replies itself, for everybody."""
    return f"""{REQUEST}
import json, os
def pipes():
    for n in range(3, 64):
        try:
            if os.readlink(f"/proc/self/fd/{{n}}").startswith("pipe"): yield n
        except OSError: pass
def triple(x):
    incoming, outgoing = sorted(pipes())[:2]
    def exactly(length):
        got = b""
        while len(got) < length:
            more = os.read(incoming, length - len(got))
            if not more: os._exit(0)
            got += more
        return got
    def say(name, text): os.write(outgoing, ('{{"id": "%s", %s}}\\n' % (name, text)).encode())
    asked = request()
    say(asked["id"], {answer!r})
    while True:
        asked = json.loads(exactly(int(exactly(8), 16)))
        if "id" not in asked: os.write(outgoing, b'{{"ended": true, "clean": true}}\\n')
        elif "cells" in asked: say(asked["id"], '"runs": [0], "ready": [0]')
        elif "cell" in asked: say(asked["id"], '"error": null')
        elif "get" in asked: say(asked["id"], '"kind": "function"')
        else: say(asked["id"], {answer!r})
"""


# name: the source of the hostile cell
ATTACKS = {
    "loop": "while True: pass",
    "loop in the answer": "def triple(x):\n    while True: pass",
    "loop ignoring signals": """
import signal
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except Exception: pass
while True:
    try:
        while True: pass
    except BaseException: pass
""",
    "sleeps": "import time\ntime.sleep(1000)",
    "memory bomb": "x = []\nwhile True: x.append(bytearray(1 << 26))",
    "memory bomb in numpy": "import numpy as np\nx = [np.ones(1 << 26) for _ in range(64)]",
    "recursion": "def triple(x):\n    return triple(x) + 1",
    "deep C recursion": "x = ()\nfor _ in range(10**6): x = (x,)\nhash(x)",
    "fork bomb": "import os\nwhile True: os.fork()",
    "fork bomb by ctypes": "import ctypes\nfor _ in range(999): assert ctypes.CDLL(None).syscall(57) >= 0",
    "process by subprocess": "import subprocess\nsubprocess.Popen(['/usr/bin/sleep', '1000'])",
    "process by multiprocessing": "import multiprocessing as m\nm.Process(target=print).start()",
    "thread bomb": """
import threading, time
for _ in range(100_000): threading.Thread(target=time.sleep, args=(1000,)).start()
""",
    "leaves at once": "import os\nos._exit(0)",
    "leaves in the answer": "import os\ndef triple(x):\n    os._exit(0)",
    "sys.exit": "import sys\nsys.exit(0)",
    "sys.exit in the answer": "import sys\ndef triple(x):\n    sys.exit(0)",
    "crash": "import ctypes\nctypes.string_at(0)",
    "abort": "import os\nos.abort()",
    "stops itself": "import signal\nsignal.raise_signal(signal.SIGSTOP)",
    "kills its parent": "import os\nos.kill(os.getppid(), 9)",
    "kills everything": "import os\nos.kill(-1, 9)",
    "stops its parent": "import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)",
    "kills by thread id": "import ctypes, os\nctypes.CDLL(None).syscall(234, os.getppid(), os.getppid(), 9)",
    "traces its parent": "import ctypes, os\nassert ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) == 0",
    "patches numpy and math": """
import math, numpy
for module in (math, numpy):
    for name in list(vars(module)):
        if not name.startswith("_"):
            setattr(module, name, lambda *a, **k: True)
""",
    "patches builtins": """
import builtins
for name in ("len", "isinstance", "type", "abs", "sum", "all", "float", "int", "print", "__import__"):
    setattr(builtins, name, lambda *a, **k: True)
""",
    "patches json": "import json\njson.dumps = json.loads = lambda *a, **k: {'value': True}",
    "patches the comparison": """
import edgelib.exercises.compare as compare
compare.agrees = lambda *a: True
compare.plain = lambda answer, depth=0: 1e400
class Equal(float):
    __eq__ = lambda *a: True
    __le__ = __lt__ = __ge__ = __gt__ = __eq__
def triple(x):
    return Equal(0)
""",
    "a number that equals everything": """
class Any(float):
    __eq__ = __le__ = __lt__ = __ge__ = __gt__ = lambda *a: True
    __sub__ = __rsub__ = __abs__ = lambda *a: 0
def triple(x):
    return Any()
""",
    "patches the runner": """
import gc, types
for thing in gc.get_objects():
    if isinstance(thing, types.FunctionType) and thing.__module__ and "edgelib" in thing.__module__:
        thing.__code__ = (lambda *a, **k: {"value": 1}).__code__
""",
    "AST transformer": """
import ast, builtins
compile_ = builtins.compile
builtins.compile = lambda *a, **k: compile_("triple = lambda x: 'transformed'", "x", "exec")
ast.parse = lambda *a, **k: None
""",
    "input transformer": "get_ipython().input_transformers_cleanup.append(lambda lines: lines)",
    "reads the specs": """
import glob
found = [open(path).read() for path in glob.glob('/**/solutions/**', recursive=True)]
def triple(x):
    return found[0]
""",
    "reads around": """
import os
wanted = ('ex2.py', 'ex2.md', 'secret', 'grades.csv')
seen = [os.path.join(folder, name) for folder, _, names in os.walk('/') for name in names if name in wanted]
def triple(x):
    assert seen
    return seen[0]
""",
    "reads what the parent sees": "import os\nopen('/proc/%d/ro' % os.getppid() + 'ot/etc/shadow').read()",
    "reads memory of others": "import glob\nx = [open(p, 'rb').read() for p in glob.glob('/proc/1*/mem')]",
    "looks for expected values": """
import gc, sys
def triple(x):
    frame = sys._getframe()
    while frame:
        for name, value in frame.f_locals.items():
            if isinstance(value, dict) and "expected" in value:
                return value["expected"]
        frame = frame.f_back
    for thing in gc.get_objects():
        if isinstance(thing, dict) and thing.get("expected"):
            return thing["expected"]
    raise LookupError
""",
    "imports the reference": """
import importlib
def triple(x):
    return importlib.import_module("solutions.ex2").tps_bound(1, 1, 1)
""",
    "forged reply": _reply("json.dumps({'id': request()['id'], 'value': 0}) + '\\n'"),
    "forged mark": _reply("json.dumps({'id': request()['id'], 'mark': 1, 'score': 1, 'value': 0}) + '\\n'"),
    "forged end": _reply("json.dumps({'ended': True}) + '\\n'"),
    "forged fault with the right name": _reply(
        "json.dumps({'id': request()['id'], 'fault': 'the grader is broken'}) + '\\n'"
    ),
    "forged clean bill": _reply("json.dumps({'clean': True}) + '\\n'"),
    "takes over": _takes_over('"value": 0'),
    "takes over and nests values": _takes_over('"value": ' + "[" * 800 + "]" * 800),
    "takes over and nests errors": _takes_over('"error": ' + "[" * 900 + "]" * 900),
    "takes over and says it twice": _takes_over('"value": 0, "value": 1e999, "error": 3'),
    "takes over and tells of a fault": _takes_over('"fault": "the grader is broken"'),
    "forged fault": _reply("json.dumps({'id': 'x', 'fault': 'the grader is broken'}) + '\\n'"),
    "forged hello": _reply("json.dumps({'hello': 1}) + '\\n'"),
    "extra replies": _reply("'{}\\n' * 100"),
    "no JSON": _reply("'x\\n'"),
    "deep reply": _reply("'[' * 100_000 + '\\n'"),
    "huge reply": _reply("'x' * (1 << 26)"),
    "huge number": _reply("json.dumps({'id': request()['id'], 'value': 0})[:-2] + '9' * 100_000 + '}\\n'"),
    "slow reply": """
import gc, io, time
files = [o for o in gc.get_objects() if isinstance(o, io.TextIOWrapper) and not o.closed]
writers = [file for file in files if file.writable() and file.fileno() > 2]
def triple(x):
    while True:
        for writer in writers:
            try:
                writer.write(" "); writer.flush(); time.sleep(0.05)
            except BaseException: pass
""",
    "NaN": "def triple(x):\n    return float('nan')",
    "infinity": "def triple(x):\n    return float('inf')",
    "bool": "def triple(x):\n    return True",
    "text": "def triple(x):\n    return str(3 * x)",
    "list": "def triple(x):\n    return [3 * x]",
    "huge integer": "def triple(x):\n    return 10 ** 5000",
    "deep list": "def triple(x):\n    v = 3 * x\n    for _ in range(500): v = [v]\n    return v",
    "long list": "def triple(x):\n    return list(range(10 ** 7))",
    "an object": "def triple(x):\n    return object()",
    "text that fails": """
class Bad(Exception):
    def __str__(self): raise Bad
    __repr__ = __str__
def triple(x):
    raise Bad
""",
    "closes descriptors": "import os\nfor n in range(256):\n    try: os.close(n)\n    except OSError: pass",
    "floods descriptors": """
import os
for n in range(3, 64):
    try:
        for _ in range(1 << 12): os.write(n, b"x" * 4096)
    except OSError: pass
""",
    "prints for ever": "while True: print('x' * 10_000)",
    "a thread that stays": """
import threading, os, time
def late():
    while True: time.sleep(0.2)
threading.Thread(target=late).start()
def triple(x):
    return 0
""",
    "a thread that leaves later": """
import os, threading, time
threading.Thread(target=lambda: (time.sleep(0.1), os._exit(0)), daemon=True).start()
def triple(x):
    time.sleep(0.5)
    return 0
""",
    "keeps its process": """
import os, sys, time
os._exit = lambda code: time.sleep(1000)
def triple(x):
    return 0
""",
    "signals by a file": """
import fcntl, os
r, w = os.pipe()
fcntl.fcntl(r, fcntl.F_SETOWN, os.getppid())
fcntl.fcntl(r, 10, 9)
fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC)
os.write(w, b"x")
""",
    "limits its parent": """
import os, resource
resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (0, 0))
""",
    "slows its parent": """
import os
os.sched_setscheduler(os.getppid(), os.SCHED_IDLE, os.sched_param(0))
os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)
""",
    "pipes that do not wait": """
import os
for n in range(64):
    try: os.set_blocking(n, False)
    except OSError: pass
""",
    "small threads": """
import threading, time
threading.stack_size(32768)
for _ in range(100_000): threading.Thread(target=time.sleep, args=(1000,)).start()
""",
    "an exit handler": "import atexit, os\natexit.register(lambda: os._exit(1))",
    "network": "import socket\nsocket.create_connection(('1.1.1.1', 80), 1)",
    "local network": "import socket\nsocket.socket().bind(('127.0.0.1', 8080))",
    "fills the disk": "f = open('/tmp/x', 'wb')\nwhile True: f.write(bytes(1 << 20))",
    "fills with files": "n = 0\nwhile True:\n    open(f'/tmp/{n}', 'w').write('x' * 4096); n += 1",
    "fills shared memory": "f = open('/dev/shm/x', 'wb')\nwhile True: f.write(bytes(1 << 20))",
    "poisons site-packages": """
import numpy, os
folder = os.path.dirname(os.path.dirname(numpy.__file__))
open(os.path.join(folder, "sitecustomize.py"), "w").write("raise SystemExit")
""",
    "poisons edgelib": "import edgelib.units as u\nopen(u.__file__, 'a').write('raise SystemExit')",
    "poisons IPython": """
import os
folder = os.path.expanduser("~/.ipython/profile_default/startup")
os.makedirs(folder)
open(f"{folder}/00.py", "w").write("raise SystemExit")
""",
    "new namespaces": "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000) == 0",
    "mounts": "import ctypes\nassert ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0",
    "raises its limits": "import resource as r\nr.setrlimit(r.RLIMIT_AS, (r.RLIM_INFINITY,) * 2)",
    "a null byte": "x = 1\0",
    "half a character": "x = '\ud800'",
    "an error of half a character": "def triple(x):\n    raise ValueError('\\ud800 \\x1b[2J')",
    "nothing but lines": "x = (" + "\n" * 10**5,
    "a million brackets": "x = " + "(" * 10**6,
    "a long sum": "x = " + "1+" * 10**5 + "1",
    "redefines the honest answer later, in a loop": "while True:\n    double = None",
}
