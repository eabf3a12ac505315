"""How wide is a CPU? Threads worth using and SIMD pipes per core, from a device's row.

Rows write cores in several ways: "4xA76", "8P+4E", "1+3+4", "1xX4+5xA720+2xA520",
"2x4.32+6x3.53 Oryon", "12 cores". Efficiency cores are left out: a step waits for its slowest thread.
"""

from __future__ import annotations

import re
from functools import cache

from edgelib.data import Figure, table

_CLUSTER = re.compile(r"(?P<count>\d+)\s*(?P<efficiency>E\b)?(?:P\b|x[\d.]*\s*(?P<core>[A-Za-z]\w*)?)?")


@cache
def _pipes() -> dict[str, Figure]:
    return {
        row["core"]: Figure(float(row["simd_pipes"]), "pipes", row["source"], row["confidence"], row["note"])
        for row in table("cores")
    }


def width(soc: str, cores: str, source: str) -> dict[str, Figure]:
    """Figures "threads" (performance cores) and "simd_pipes" (128-bit pipes per core, the mean).

    A figure that the row does not allow to tell is left out.
    """
    clusters = [match for part in cores.split("+") if (match := _CLUSTER.match(part.strip()))]
    if not clusters:
        return {}
    bare = len(clusters) >= 3 and not any(match["core"] for match in clusters)
    counted = [m for m in clusters[: -1 if bare else None] if not m["efficiency"] and not _little(m["core"])]
    threads = sum(int(match["count"]) for match in counted)
    figures = {
        "threads": Figure(float(threads), "threads", source, "medium", f"performance cores of {cores}")
    }
    known = _pipes()
    named = [(int(m["count"]), known[m["core"]]) for m in counted if m["core"] in known]
    if not named:
        words = [word for word in re.findall(r"[A-Za-z]\w*", f"{cores} {soc}") if word in known]
        named = [(threads, known[words[0]])] if words else []
    if named:
        total = sum(count for count, _ in named)
        mean = sum(count * pipes.value for count, pipes in named) / total
        figures["simd_pipes"] = Figure(mean, "pipes", named[0][1].source, named[0][1].confidence, cores)
    return figures


def _little(core: str | None) -> bool:
    """Cortex-A510, A520, A55, A53: in-order efficiency cores."""
    return bool(core) and re.fullmatch(r"A5\d+", str(core)) is not None
