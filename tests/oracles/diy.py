"""Litmus tests from their names, as the diy tool builds them (Alglave, Maranget, Herding Cats, 2014).

A test is a cycle of events. Between threads, a store is read (rf), a load is overtaken by a store (fr), or a
store follows a store (co). Within a thread, each edge of the name says what keeps the order: `po` nothing,
`dmb.sy` a barrier, `addr` an address dependency, `rfi` a load of one's own store, and so on. The outcome in
question is the one in which the cycle happens.
"""

import re
from dataclasses import dataclass, field

# What each thread does first and last, in the order of the cycle.
FAMILIES = {
    "MP": "WW RR", "SB": "WR WR", "LB": "RW RW", "S": "WW RW", "R": "WW WR", "2+2W": "WW WW",
    "3.2W": "WW WW WW", "3.SB": "WR WR WR", "3.LB": "RW RW RW", "ISA2": "WW RW RR", "W+RWC": "WW RR WR",
    "WRC": "W RW RR", "RWC": "W RR WR", "WWC": "W RW RW", "WRW+WR": "W RW WR", "WRR+2W": "W RR WW",
    "WRW+2W": "W RW WW", "IRIW": "W RR W RR", "IRRWIW": "W RR W RW", "IRWIW": "W RW W RW",
    "Z6.0": "WW RW WR", "Z6.1": "WW WW RW", "Z6.2": "WW RW RW", "Z6.3": "WW WW RR", "Z6.4": "WW WR WR",
    "Z6.5": "WW WW WR",
}  # fmt: skip
SAME = {"rfi": "WR", "fri": "RW", "wsi": "WW", "pos": "RR", "[fr-rf]": "RR"}
EDGE = re.compile(r"(po|dmb\.sy|dmb\.ld|dmb\.st|ctrlisb|ctrl|addr|data)([pal]{2})?$")
BARRIER = {"dmb.sy": "DMB ISH", "dmb.ld": "DMB ISHLD", "dmb.st": "DMB ISHST"}


@dataclass
class Access:
    thread: int
    kind: str
    place: str = ""
    edge: str = ""  # from the access before, within the thread
    order: str = "p"
    value: int = 0
    register: str = ""
    extra: list = field(default_factory=list)


def build(name):
    """(program text, the outcome in question as a dict)."""
    family = max((f for f in FAMILIES if name == f or name.startswith(f + "+")), key=len)
    threads = FAMILIES[family].split()
    edges = re.sub(r"\[fr-dmb\.st-rf\]", "[fr-rf]", name[len(family) + 1 :]).split("+")
    lone = [k for k, t in enumerate(threads) if len(t) == 1]
    orders = re.findall(r"Na|L", edges.pop()) if re.fullmatch(r"(Na|L)+", edges[-1]) else []
    if edges == [""]:
        edges = ["po"]
    wanted = len(threads) - len(lone)
    if len(edges) == 1 < wanted:
        edges = [edges[0].removesuffix("s") if edges[0] != "po" else "po"] * wanted
    assert len(edges) == wanted, name
    cycle, extras, left = [], len(threads), iter(edges)
    for number, kinds in enumerate(threads):
        first = Access(number, kinds[0])
        cycle.append(first)
        if number in lone:
            if orders:
                first.order = {"L": "l", "Na": "p"}[orders[lone.index(number) % len(orders)]]
            continue
        chain = next(left).split("-") if "[" not in name else re.findall(r"\[fr-rf\]|[^-\[\]]+", next(left))
        for k, token in enumerate(chain):
            if token in SAME:
                target = SAME[token][1]
            elif k + 1 < len(chain):
                target = SAME.get(chain[k + 1], "R")[0]
            else:
                target = kinds[1]
            if token == "[fr-rf]":
                cycle.append(Access(extras, "W", edge="external"))
                extras += 1
            found = EDGE.match(token)
            if found and found[2]:
                cycle[-1].order, last = found[2]
            cycle.append(Access(number, target, edge=found[1] if found else token))
            if found and found[2]:
                cycle[-1].order = last
        assert cycle[-1].kind == kinds[1], name
    _places(cycle)
    return _text(cycle, extras), _asked(cycle)


def _places(cycle):
    """Locations and values. A location's accesses stand side by side in the cycle, in coherence order."""
    moves = [k for k, a in enumerate(cycle) if a.edge and a.edge not in SAME and a.edge != "external"]
    for at, start in enumerate(moves):
        end = moves[(at + 1) % len(moves)]
        value, k = 0, start
        while True:
            cycle[k].place = "xyzabcdefg"[at]
            value += cycle[k].kind == "W"
            cycle[k].value = value
            k = (k + 1) % len(cycle)
            if k == end:
                break


def _text(cycle, threads):
    lines = []
    for number in range(threads):
        line, loaded = [], 0
        previous = None
        for a in (a for a in cycle if a.thread == number):
            suffix, data = "", ""
            if a.edge in BARRIER:
                line.append(BARRIER[a.edge])
            elif a.edge in ("ctrl", "ctrlisb"):
                line.append(f"CBNZ {previous.register}")
                if a.edge == "ctrlisb":
                    line.append("ISB")
            elif a.edge == "addr":
                suffix = f"[{previous.register}]"
            elif a.edge == "data":
                data = f"{{{previous.register}}}"
            if a.kind == "R":
                a.register = f"r{loaded}"
                loaded += 1
                line.append(f"{'LDAR' if a.order == 'a' else 'LDR'} {a.register}, {a.place}{suffix}")
            else:
                line.append(f"{'STLR' if a.order == 'l' else 'STR'} {a.value}{data}, {a.place}{suffix}")
            previous = a
        lines.append("; ".join(line))
    return " | ".join(lines)


def _asked(cycle):
    asked = {f"{a.thread}:{a.register}": a.value for a in cycle if a.kind == "R"}
    for place in {a.place for a in cycle}:
        stored = [a.value for a in cycle if a.place == place and a.kind == "W"]
        if len(stored) > 1:
            asked[f"[{place}]"] = max(stored)
    return asked
