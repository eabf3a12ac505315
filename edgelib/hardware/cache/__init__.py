"""What does a program get from a cache, and what does the order of its bytes in memory cost?

`Cache` counts hits and misses exactly; `hierarchy` turns sizes into latency; `prefetch` asks for lines early;
`layouts` says which line a byte of a tensor lies in; `blocking` counts what a tile saves.
"""

from edgelib.hardware.cache.simulate import Cache

__all__ = ["Cache"]
