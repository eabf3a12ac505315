"""How many instructions did that take? A `Trace` counts what is executed while it is open.

Inside `with Trace() as trace:` every call of `isa` counts; afterwards `trace.counts["sdot"]` says how often.
"""

from __future__ import annotations

from collections import Counter
from contextvars import ContextVar, Token
from typing import Self

_OPEN: ContextVar[tuple[Trace, ...]] = ContextVar("open traces", default=())


class Trace:
    """Executed instructions and bytes moved, for every open trace in this context.

    counts : instructions by mnemonic.   loaded_B, stored_B : bytes read from and written to memory.
    program : (mnemonic, times) in the order of the calls.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.loaded_B = 0
        self.stored_B = 0
        self.program: list[tuple[str, int]] = []
        self._token: Token[tuple[Trace, ...]] | None = None

    @property
    def instructions(self) -> int:
        """All instructions together."""
        return self.counts.total()

    def __enter__(self) -> Self:
        if self._token is not None:
            raise ValueError("Trace: this trace is open already; open a new one for each measurement")
        self._token = _OPEN.set((*_OPEN.get(), self))
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._token is not None
        _OPEN.reset(self._token)
        self._token = None


def record(mnemonic: str, times: int = 1, loaded_B: int = 0, stored_B: int = 0) -> None:
    """Tell the open traces that `mnemonic` was executed `times` times, moving so many bytes in all."""
    for trace in _OPEN.get():
        trace.counts[mnemonic] += times
        trace.loaded_B += loaded_B
        trace.stored_B += stored_B
        trace.program.append((mnemonic, times))
