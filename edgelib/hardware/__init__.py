"""What can this silicon do? Models of hardware that know nothing of language models."""

from edgelib.hardware.device import Engine, engine, engine_names
from edgelib.hardware.roofline import attainable, ridge

__all__ = ["Engine", "attainable", "engine", "engine_names", "ridge"]
