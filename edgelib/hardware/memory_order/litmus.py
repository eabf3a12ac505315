r"""Which outcomes can a small program have? All of them, listed, under two memory models.

A *candidate execution* says, for every load, which store it reads from (rf), and, for every location, in
which order its stores take effect (co). From these, a load comes *before* (fr) each store that overwrites
what it read. A model is a rule that forbids candidates.

- Sequential consistency: no cycle in po, rf, co, fr (po is program order). The same as: some interleaving
  of the threads does it.
- Arm (Armv8-A, other-multi-copy-atomic): first, each location by itself behaves (no cycle in po-loc, rf,
  co, fr). Second, *ordered-before* has no cycle: communication between threads (rfe, coe, fre) together
  with the part of program order that barriers, acquire and release, and dependencies keep. Third, nothing
  comes between the load and the store of an atomic instruction.

Sources: Pulte and others, Simplifying ARM Concurrency, POPL 2018 (figure 4); Arm Architecture Reference
Manual for A-profile, section B2.3; `aarch64.cat` of herdtools7 (Deacon, Alglave). DSB counts as DMB there
too. Lamport, How to Make a Multiprocessor Computer, IEEE Transactions on Computers 1979, for sequential
consistency.
"""

from __future__ import annotations

from collections.abc import Callable

from edgelib.hardware.memory_order.executions import Candidate, Outcome, Pairs, candidates
from edgelib.hardware.memory_order.language import Program


def sequential(program: Program) -> frozenset[Outcome]:
    """Outcomes under sequential consistency. An outcome is ((name, value), ...), sorted by name:
    "1:r0" is register r0 of thread 1, "[x]" the last value of x where more than one store could be last."""
    return _outcomes(program, lambda c: acyclic(c.po | c.rf | c.co | c.fr) and _atomic(c))


def arm(program: Program) -> frozenset[Outcome]:
    """Outcomes on Armv8-A; the form of `sequential`."""
    return _outcomes(program, arm_allows)


def arm_allows(c: Candidate) -> bool:
    """The three axioms."""
    same = {(a, b) for a, b in c.po if c.events[a].place == c.events[b].place != ""}
    return acyclic(same | c.rf | c.co | c.fr) and acyclic(ordered_before(c)) and _atomic(c)


def ordered_before(c: Candidate) -> Pairs:
    """The pairs whose transitive closure is Arm's ordered-before: what threads tell each other, and what each
    keeps in order: stores to one location, atomics, dependencies, barriers."""
    return c.external(c.rf | c.fr) | c.co | c.rmw | _dependencies(c) | _barriers(c)


def _dependencies(c: Candidate) -> Pairs:
    """dob and the rest of aob: what a dependency keeps in order."""
    e = c.events
    rfi = c.internal(c.rf)
    isb = [i for i, x in enumerate(e) if x.instruction.barrier == "isb"]
    kept = c.addr | c.data | {(a, b) for a, b in c.ctrl if e[b].kind == "W"}
    address_po = _join(c.addr, c.po)
    kept |= {(a, b) for a, b in address_po if e[b].kind == "W"}
    before_isb = {(a, b) for a, b in c.ctrl | address_po if b in isb}
    kept |= {(a, b) for a, b in _join(before_isb, c.po) if e[b].kind == "R"}
    kept |= _join(c.addr | c.data, rfi)
    written = {w for _, w in c.rmw}
    return kept | {(a, b) for a, b in rfi if a in written and e[b].is_a("AQ")}


def _barriers(c: Candidate) -> Pairs:
    """bob: what barriers, acquire and release keep in order."""
    e = c.events
    both = {w for r, w in c.rmw if e[r].is_a("A") and e[w].is_a("L")}  # SWPAL and its like: a barrier
    kept: Pairs = set()
    for a, b in c.po:
        between = {e[f].instruction.barrier for f in range(a + 1, b) if e[f].thread == e[a].thread}
        x, y = e[a], e[b]
        silent = x.kind == "R" and x.instruction.kind != "load" and not x.instruction.register
        if (
            "full" in between
            or ("ld" in between and x.kind == "R" and not silent)
            or ("st" in between and x.kind == y.kind == "W")
            or x.is_a("AQ")
            or y.is_a("L")
            or (x.is_a("L") and y.is_a("A"))
            or a in both
        ):
            kept.add((a, b))
    return kept


def _atomic(c: Candidate) -> bool:
    """No store of another thread comes between the load and the store of an atomic instruction."""
    return not c.rmw & _join(c.external(c.fr), c.external(c.co))


def acyclic(pairs: Pairs) -> bool:
    """No way leads from an event back to itself."""
    after: dict[int, set[int]] = {}
    for a, b in pairs:
        after.setdefault(a, set()).add(b)
    done: set[int] = set()
    path: set[int] = set()

    def returns(node: int) -> bool:
        if node in done:
            return False
        path.add(node)
        if any(n in path or returns(n) for n in after.get(node, ())):
            return True
        path.remove(node)
        done.add(node)
        return False

    return not any(returns(node) for node in after)


def _join(first: Pairs, second: Pairs) -> Pairs:
    """Pairs (a, c) with (a, b) in the first and (b, c) in the second."""
    after: dict[int, set[int]] = {}
    for a, b in second:
        after.setdefault(a, set()).add(b)
    return {(a, c) for a, b in first for c in after.get(b, ())}


def _outcomes(program: Program, allows: Callable[[Candidate], bool]) -> frozenset[Outcome]:
    found: set[Outcome] = set()
    for candidate in candidates(program):
        if candidate.outcome not in found and allows(candidate):
            found.add(candidate.outcome)
    return frozenset(found)
