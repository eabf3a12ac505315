"""The page allocator against a trace worked out by hand, a machine of random calls, and plain lists."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edgelib.kernels.paged_kv import OutOfPages, PagedKV, admitted


def rows(*values):
    return np.array(values, dtype=float).reshape(-1, 1)


def test_a_trace_worked_out_by_hand():
    """Six pages of four tokens; the lowest free page is taken first."""
    pool = PagedKV(pages=6, page_tokens=4)

    def state():
        return pool.tables, pool.lengths, pool.references, pool.free, pool.slots_wasted

    pool.start("a")
    pool.append("a", rows(0, 1, 2, 3, 4, 5))  # 4 on page 0, 2 on page 1
    assert state() == ({"a": [0, 1]}, {"a": 6}, [1, 1, 0, 0, 0, 0], [2, 3, 4, 5], 2)
    pool.start("b")
    pool.append("b", rows(10, 11, 12))
    assert state() == ({"a": [0, 1], "b": [2]}, {"a": 6, "b": 3}, [1, 1, 1, 0, 0, 0], [3, 4, 5], 3)
    pool.append("a", rows(6, 7))  # fills page 1: no new page
    assert (pool.tables["a"], pool.free, pool.slots_wasted) == ([0, 1], [3, 4, 5], 1)
    pool.append("a", rows(8))
    assert (pool.tables["a"], pool.free, pool.slots_wasted) == ([0, 1, 3], [4, 5], 4)
    pool.fork("a", "c")  # nothing copied
    assert (pool.tables["c"], pool.references, pool.free) == ([0, 1, 3], [2, 2, 1, 2, 0, 0], [4, 5])
    pool.append("c", rows(90))  # page 3 is shared and partly full: copied to page 4
    assert (pool.tables["c"], pool.references) == ([0, 1, 4], [2, 2, 1, 1, 1, 0])
    pool.append("a", rows(9))  # page 3 is a's alone again: no copy
    assert (pool.tables["a"], pool.free, pool.slots_wasted) == ([0, 1, 3], [5], 5)
    assert pool.read("a").ravel().tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert pool.read("c").ravel().tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 90]
    with pytest.raises(OutOfPages, match="needs 2 pages, 1 are free"):
        pool.append("b", rows(13, 14, 15, 16, 17, 18))
    assert pool.read("b").ravel().tolist() == [10, 11, 12]  # nothing changed
    pool.finish("a")  # pages 0 and 1 are still c's
    assert state() == ({"b": [2], "c": [0, 1, 4]}, {"b": 3, "c": 10}, [1, 1, 1, 0, 1, 0], [3, 5], 3)
    pool.finish("b")
    pool.finish("c")
    assert state() == ({}, {}, [0] * 6, [0, 1, 2, 3, 4, 5], 0)


def test_a_full_shared_page_is_never_copied():
    pool = PagedKV(pages=4, page_tokens=2)
    pool.start("a")
    pool.append("a", rows(1, 2))
    pool.fork("a", "b")
    pool.append("b", rows(3))
    assert pool.tables == {"a": [0], "b": [0, 1]} and pool.references == [2, 1, 0, 0]


class Machine(RuleBasedStateMachine):
    """Random requests beside plain lists that hold the same tokens."""

    def __init__(self):
        super().__init__()
        self.pool = PagedKV(pages=10, page_tokens=3, width=2)
        self.lists = {}
        self.born = 0

    def pick(self, data):
        return data.draw(st.sampled_from(sorted(self.lists)))

    @rule()
    def start(self):
        self.born += 1
        self.pool.start(f"r{self.born}")
        self.lists[f"r{self.born}"] = []

    @precondition(lambda self: self.lists)
    @rule(data=st.data(), count=st.integers(0, 8))
    def append(self, data, count):
        request = self.pick(data)
        entries = np.random.default_rng(self.born + count).normal(size=(count, 2))
        try:
            self.pool.append(request, entries)
        except OutOfPages:
            return
        self.lists[request] = [*self.lists[request], *entries.tolist()]

    @precondition(lambda self: self.lists)
    @rule(data=st.data())
    def fork(self, data):
        self.born += 1
        parent = self.pick(data)
        self.pool.fork(parent, f"r{self.born}")
        self.lists[f"r{self.born}"] = list(self.lists[parent])

    @precondition(lambda self: self.lists)
    @rule(data=st.data())
    def finish(self, data):
        request = self.pick(data)
        self.pool.finish(request)
        del self.lists[request]

    @invariant()
    def every_request_reads_what_it_wrote(self):
        assert self.pool.lengths == {name: len(tokens) for name, tokens in self.lists.items()}
        for name, tokens in self.lists.items():
            assert self.pool.read(name).tolist() == tokens

    @invariant()
    def every_page_is_free_or_counted(self):
        uses = [page for table in self.pool.tables.values() for page in table]
        assert [uses.count(page) for page in range(10)] == self.pool.references
        assert self.pool.free == [page for page in range(10) if page not in uses]

    @invariant()
    def tables_are_as_short_as_they_can_be(self):
        for name, table in self.pool.tables.items():
            assert len(table) == -(-len(self.lists[name]) // 3)

    @invariant()
    def waste_is_less_than_a_page_per_request(self):
        assert 0 <= self.pool.slots_wasted <= 2 * len(self.lists)
        assert self.pool.slots_used + self.pool.slots_wasted + 3 * len(self.pool.free) == 30


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def fill(lengths, slots, reserve):
    """One region after another, the long way."""
    taken, names = 0, []
    for length in lengths:
        region = 0
        while region < length:
            region += reserve
        if taken + region > slots:
            return len(names), sum(names)
        taken, names = taken + region, [*names, length]
    return len(names), sum(names)


@given(st.lists(st.integers(0, 40), max_size=20), st.integers(0, 200), st.integers(1, 40))
def test_admission_equals_the_loop(lengths, slots, reserve):
    assert admitted(lengths, slots, reserve) == fill(lengths, slots, reserve)


@given(
    st.lists(st.integers(1, 40), max_size=20), st.integers(0, 300), st.sampled_from([1, 2, 4, 5, 8, 10, 20])
)
def test_pages_admit_at_least_what_reservations_do(lengths, slots, page):
    """Of a page size that divides the longest request."""
    assert admitted(lengths, slots, page) >= admitted(lengths, slots, 40)


def test_the_mean_waste_of_a_last_page_is_half_of_it():
    """Lengths that are uniform over whole pages waste (p - 1) / 2 slots each."""
    lengths = list(range(1, 1601))
    for page in (2, 16):
        slots = sum(-(-n // page) * page for n in lengths)
        count, held = admitted(lengths, slots, page)
        assert count == 1600 and (slots - held) / count == (page - 1) / 2


def pool_with(request="a"):
    pool = PagedKV(4, 2)
    pool.start(request)
    return pool


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: PagedKV(0, 4), "pages"),
        (lambda: PagedKV(4, 0), "page_tokens"),
        (lambda: PagedKV(4, 1.5), "page_tokens"),
        (lambda: PagedKV(4, 4, 0), "width"),
        (lambda: PagedKV(4, 4).read("a"), "no requests"),
        (lambda: pool_with().read("b"), "request = 'b'"),
        (lambda: pool_with().finish(None), "request = None"),
        (lambda: pool_with().start("a"), "request = 'a'"),
        (lambda: pool_with().start(3), "request = 3"),
        (lambda: pool_with().fork("a", "a"), "request = 'a'"),
        (lambda: pool_with().fork("b", "c"), "request = 'b'"),
        (lambda: pool_with().append("a", [1, 2]), "rows"),
        (lambda: pool_with().append("a", [[1, 2]]), "rows"),
        (lambda: pool_with().append("a", [[np.nan]]), "rows"),
        (lambda: admitted([4], -1, 4), "slots"),
        (lambda: admitted([4], 8, 0), "reserve"),
        (lambda: admitted([-4], 8, 4), "lengths"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()
