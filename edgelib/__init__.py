"""edgelib: hardware models, metric calculators and toy kernels for LLM inference at the edge.

`import edgelib` costs little more than `import numpy`; each package below loads when it is used.
Floors, ground first: units errors data | isa hardware workloads | kernels | metrics | planning |
explore exercises | grading | cli. A floor imports only floors below it.
"""

import numpy as _numpy  # noqa: F401  (the one dependency that every part needs)

__version__ = "0.1.0"
