"""How is it computed? Kernels as short as their formula, each tested against an independent oracle.

Knows nothing of devices: time and energy are added by `metrics` and `planning`.
"""
