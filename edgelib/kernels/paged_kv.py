"""How can many contexts grow in one memory without holes? PagedAttention's allocator, in working order.

Memory is cut into pages of the same number of tokens. A request has a page table: where its first tokens
are, where the next ones are, ... A page is taken from the free list when the last one is full, so at most
one page per request is partly empty. Requests with a common beginning share its pages; whoever writes to
a shared page gets a copy first (copy-on-write).
Source: Kwon et al., "Efficient Memory Management for Large Language Model Serving with PagedAttention",
SOSP 2023.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelib.errors import UnknownName, choice, integer

Floats = NDArray[np.float64]


class OutOfPages(ValueError):
    """The free list is too short for what was asked; nothing has changed."""


class PagedKV:
    """A store of `pages` pages for `page_tokens` tokens each; a token's entry has `width` numbers.

    tables : page numbers of each request, in order of its tokens.
    lengths : tokens of each request.
    references : requests that use each page; 0 for a free one.
    free : free pages, lowest number first.
    store : [pages, page_tokens, width], the keys and values themselves.
    """

    def __init__(self, pages: int, page_tokens: int, width: int = 1) -> None:
        self.pages, self.page_tokens = integer("pages", pages, 1), integer("page_tokens", page_tokens, 1)
        self.store: Floats = np.zeros((self.pages, self.page_tokens, integer("width", width, 1)))
        self.tables: dict[str, list[int]] = {}
        self.lengths: dict[str, int] = {}
        self.references = [0] * self.pages
        self.free = list(range(self.pages))

    def start(self, request: str) -> None:
        """A new request without tokens."""
        if request in self.tables or not isinstance(request, str):
            raise ValueError(f"request = {request!r}: expected a name that is not in use")
        self.tables[request], self.lengths[request] = [], 0

    def append(self, request: str, rows: ArrayLike) -> None:
        """Write the entries of n further tokens, float[n, width].

        Raises
        ------
        OutOfPages : before anything is written.
        """
        table, length = self._table(request), self.lengths[request]
        entries = np.asarray(rows, dtype=float)
        if entries.ndim != 2 or entries.shape[1] != self.store.shape[2]:
            raise ValueError(f"rows have shape {entries.shape}: expected (n, {self.store.shape[2]})")
        if not np.isfinite(entries).all():
            raise ValueError("rows: expected finite numbers (no NaN, no infinity)")
        if not len(entries):
            return
        inside = length % self.page_tokens  # tokens on a last page that is partly empty
        shared = inside > 0 and self.references[table[-1]] > 1
        pages = -(-(length + len(entries)) // self.page_tokens)
        needed = pages - len(table) + shared
        if needed > len(self.free):
            raise OutOfPages(f"{request!r} needs {needed} pages, {len(self.free)} are free")
        if shared:
            copy = self._take()
            self.store[copy, :inside] = self.store[table[-1], :inside]
            self.references[table[-1]] -= 1
            table[-1] = copy
        table.extend(self._take() for _ in range(pages - len(table)))
        for position, entry in enumerate(entries, length):
            self.store[table[position // self.page_tokens], position % self.page_tokens] = entry
        self.lengths[request] = length + len(entries)

    def fork(self, parent: str, child: str) -> None:
        """A request that begins like `parent`: it shares every page, and none is copied."""
        table = self._table(parent)
        self.start(child)
        for page in table:
            self.references[page] += 1
        self.tables[child], self.lengths[child] = list(table), self.lengths[parent]

    def finish(self, request: str) -> None:
        """Give back the pages that nobody else uses."""
        for page in self._table(request):
            self.references[page] -= 1
            if not self.references[page]:
                self.free.append(page)
        self.free.sort()
        del self.tables[request], self.lengths[request]

    def read(self, request: str) -> Floats:
        """The entries of a request in order, float[n, width]: what attention gathers."""
        table = self._table(request)
        return self.store[table].reshape(-1, self.store.shape[2])[: self.lengths[request]].copy()

    @property
    def slots_used(self) -> int:
        """Token slots that hold an entry; a shared one counts once."""
        filled: dict[int, int] = {}
        for request, table in self.tables.items():
            for i, page in enumerate(table):
                here = min(self.page_tokens, self.lengths[request] - i * self.page_tokens)
                filled[page] = max(filled.get(page, 0), here)
        return sum(filled.values())

    @property
    def slots_wasted(self) -> int:
        """Token slots on pages in use that hold nothing."""
        return (self.pages - len(self.free)) * self.page_tokens - self.slots_used

    def _table(self, request: str) -> list[int]:
        if not isinstance(request, str) or request not in self.tables:
            if not self.tables:
                raise UnknownName(f"request = {request!r} is unknown; there are no requests")
            choice("request", request, self.tables)
        return self.tables[request]

    def _take(self) -> int:
        page = self.free.pop(0)
        self.references[page] = 1
        return page


def admitted(lengths: Sequence[int], slots: int, reserve: int) -> tuple[int, int]:
    """(requests, tokens they hold) when each request in turn reserves a multiple of `reserve` slots.

    reserve = longest possible request: contiguous allocation. reserve = tokens per page: paging.
    `lengths` are those the requests reach in the end. Stops at the first request that does not fit.
    """
    slots, reserve = integer("slots", slots), integer("reserve", reserve, at_least=1)
    count = held = 0
    for length in (integer("lengths", n) for n in lengths):
        need = -(-length // reserve) * reserve
        if need > slots:
            break
        slots, count, held = slots - need, count + 1, held + length
    return count, held
