"""What can this silicon do? Models of hardware that know nothing of language models."""

from edgelib.hardware.device import Device, Engine, device, device_names, engine, engine_names
from edgelib.hardware.roofline import attainable, ridge

__all__ = ["Device", "Engine", "attainable", "device", "device_names", "engine", "engine_names", "ridge"]
