r"""How often can a loop start a new iteration? Software pipelining by modulo scheduling.

One iteration is scheduled once; a new one starts every II cycles (the initiation interval), so that several
are under way. Two limits: the resources, $ResMII = \max_r \lceil \text{uses}_r / \text{units}_r \rceil$, and
the recurrences, $RecMII = \max_{cycles} \lceil \sum latency / \sum distance \rceil$.
Sources: Rau, "Iterative Modulo Scheduling", MICRO 1994; Lam, "Software Pipelining", PLDI 1988 (unrolling so
that each value keeps a register of its own while it lives).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil, inf

from edgelib.errors import choice, integer

_STEPS = 20_000  # of the search for one II, before it gives up


@dataclass(frozen=True)
class Node:
    """An instruction of the loop: it takes one unit of `resource`, and one slot of the width, for a cycle.

    writes : whether it leaves a value in a vector register.
    overhead : counting and branching, needed once per pass however far the loop is unrolled.
    """

    name: str
    resource: str
    writes: bool = True
    overhead: bool = False


@dataclass(frozen=True)
class Edge:
    """`to` may start `latency` cycles after `start` of the iteration `distance` earlier (0: the same).

    splits : a sum; when the loop is unrolled each copy may keep a sum of its own.
    """

    start: str
    to: str
    latency: int
    distance: int = 0
    splits: bool = False


@dataclass(frozen=True)
class Loop:
    """nodes in program order; edges; units of each resource; width: instructions per cycle, None for any.

    Raises
    ------
    ValueError : two nodes of one name, a resource without units, or a cycle of distance 0.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    units: Mapping[str, int]
    width: int | None = None

    def __post_init__(self) -> None:
        names = [node.name for node in self.nodes]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"nodes = {names!r}: expected at least one, with distinct names")
        for node in self.nodes:
            choice(f"resource of {node.name}", node.resource, self.units)
        for resource, count in self.units.items():
            integer(f"units of {resource}", count, at_least=1)
        if self.width is not None:
            integer("width", self.width, at_least=1)
        for edge in self.edges:
            choice("edge.start", edge.start, names)
            choice("edge.to", edge.to, names)
            integer("edge.latency", edge.latency)
            integer("edge.distance", edge.distance)
        within = [Edge(e.start, e.to, 1) for e in self.edges if e.distance == 0]
        if _longest(self.nodes, within, 1) is None:
            raise ValueError("edges: a cycle of distance 0, expected each cycle to cross an iteration")


def res_mii(loop: Loop) -> int:
    """The bound of the resources: uses over units, rounded up, of the scarcest; the width counts as one."""
    uses: dict[str, int] = {}
    for node in loop.nodes:
        uses[node.resource] = uses.get(node.resource, 0) + 1
    bounds = [ceil(count / loop.units[resource]) for resource, count in uses.items()]
    if loop.width is not None:
        bounds.append(ceil(len(loop.nodes) / loop.width))
    return max(bounds)


def rec_mii(loop: Loop) -> int:
    """The bound of the recurrences: the least II at which no cycle asks for more time than it has."""
    ii = 1
    while _longest(loop.nodes, loop.edges, ii) is None:
        ii += 1
    return ii


def _longest(nodes: Sequence[Node], edges: Sequence[Edge], ii: int) -> list[list[float]] | None:
    """Longest paths between nodes with weights latency - ii x distance; None if a cycle is positive."""
    index = {node.name: i for i, node in enumerate(nodes)}
    n = len(index)
    far = [[-inf] * n for _ in range(n)]
    for edge in edges:
        i, j = index[edge.start], index[edge.to]
        far[i][j] = max(far[i][j], edge.latency - ii * edge.distance)
    for k in range(n):
        for i in range(n):
            if far[i][k] > -inf:
                far[i] = [max(direct, far[i][k] + rest) for direct, rest in zip(far[i], far[k], strict=True)]
    return None if any(far[i][i] > 0 for i in range(n)) else far


@dataclass(frozen=True)
class Schedule:
    """ii : cycles between iterations.   time : start of each node of iteration 0, the earliest at 0."""

    loop: Loop
    ii: int
    time: Mapping[str, int]

    @property
    def stages(self) -> int:
        """Iterations that are under way at once."""
        return max(self.time.values()) // self.ii + 1

    def row(self, name: str) -> int:
        """Cycle within the kernel."""
        return self.time[name] % self.ii

    def stage(self, name: str) -> int:
        """Which of the iterations under way it belongs to; 0 is the newest."""
        return self.time[name] // self.ii


def schedule(loop: Loop, ii: int | None = None) -> Schedule:
    """The schedule with the least II (or with the one given).

    Exact: for each II from the bound upwards all assignments of kernel rows are searched until one fits.

    Raises
    ------
    ValueError : no schedule with the II given, or a loop too large for the search (about 30 instructions).
    """
    bound = max(res_mii(loop), rec_mii(loop))
    if ii is not None:
        found = _fit(loop, integer("ii", ii, at_least=1)) if ii >= bound else None
        if found is None:
            raise ValueError(f"ii = {ii!r}: no schedule, the bounds are {res_mii(loop)} and {rec_mii(loop)}")
        return found
    while True:
        found = _fit(loop, bound)
        if found is not None:
            return found
        bound += 1


def _fit(loop: Loop, ii: int) -> Schedule | None:
    """A schedule with this II, or None: depth-first over rows."""
    far = _longest(loop.nodes, loop.edges, ii)
    if far is None:
        return None
    n = len(loop.nodes)
    rows = [-1] * n
    used: dict[tuple[str, int], int] = {}
    width = n if loop.width is None else loop.width
    # A node in no recurrence with another fits any row, as its stage gives way: it comes last.
    tight = [max((far[i][j] + far[j][i] for j in range(n) if j != i), default=-inf) for i in range(n)]
    order = sorted(range(n), key=lambda j: (-tight[j], max(0.0, *(far[i][j] for i in range(n)))))
    left = {resource: sum(node.resource == resource for node in loop.nodes) for resource in loop.units}
    groups = [c for k in range(1, len(left) + 1) for c in combinations(left, k)]
    steps = 0

    def consistent(chosen: Sequence[int]) -> bool:
        """Whether the nodes chosen so far have stages that keep every path between them (Bellman-Ford)."""
        least = [
            (a, b, ceil((far[i][j] + rows[i] - rows[j]) / ii))
            for a, i in enumerate(chosen)
            for b, j in enumerate(chosen)
            if far[i][j] > -inf
        ]
        stages = [0] * len(chosen)
        for _ in range(len(chosen) + 1):
            changed = False
            for a, b, gap in least:
                if stages[b] < stages[a] + gap:
                    stages[b], changed = stages[a] + gap, True
            if not changed:
                return True
        return False

    def roomy() -> bool:
        """Whether the nodes left find units and slots: each group of resources, its largest flow (Hall)."""
        return all(
            sum(left[r] for r in group)
            <= sum(
                min(
                    width - used.get(("", row), 0),
                    sum(loop.units[r] - used.get((r, row), 0) for r in group),
                )
                for row in range(ii)
            )
            for group in groups
        )

    def place(depth: int) -> bool:
        nonlocal steps
        if depth == n:
            return _stages(loop, rows, ii) is not None
        j = order[depth]
        resource = loop.nodes[j].resource
        placed = order[:depth]
        first = max((_earliest(far[i][j], rows[i]) for i in placed), default=0)
        for shift in range(ii if depth else 1):  # all rows may rotate together: the first stands at 0
            rows[j] = (first + shift) % ii
            steps += 1
            if steps > _STEPS:
                raise ValueError(f"loop of {n} instructions: too many for the exact search, expected fewer")
            key, slot = (resource, rows[j]), ("", rows[j])
            used[key], used[slot] = used.get(key, 0) + 1, used.get(slot, 0) + 1
            left[resource] -= 1
            room = used[key] <= loop.units[resource] and used[slot] <= width and roomy()
            if room and consistent([*placed, j]) and place(depth + 1):
                return True
            used[key] -= 1
            used[slot] -= 1
            left[resource] += 1
        rows[j] = -1
        return False

    if not place(0):
        return None
    stages = _stages(loop, rows, ii)
    assert stages is not None
    times = [row + ii * stage for row, stage in zip(rows, stages, strict=True)]
    first = ii * (min(times) // ii) if min(times) >= 0 else -ii * (-min(times) // ii + 1)
    return Schedule(loop, ii, {node.name: t - first for node, t in zip(loop.nodes, times, strict=True)})


def _earliest(path: float, row: int) -> int:
    return 0 if path == -inf else int(path) + row


def _stages(loop: Loop, rows: Sequence[int], ii: int) -> list[int] | None:
    """The least stages with these rows (Bellman-Ford), or None."""
    index = {node.name: i for i, node in enumerate(loop.nodes)}
    stages = [0] * len(rows)
    for _ in range(len(rows) + 1):
        changed = False
        for edge in loop.edges:
            i, j = index[edge.start], index[edge.to]
            least = stages[i] + ceil((edge.latency + rows[i] - rows[j]) / ii) - edge.distance
            if stages[j] < least:
                stages[j], changed = least, True
        if not changed:
            return stages
    return None
