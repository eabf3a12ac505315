"""What does it cost? Predictions from a model, a format and an engine, with their reasons."""

from edgelib.metrics.graph import Explanation
from edgelib.metrics.predict import Estimate, predict
from edgelib.metrics.runtimes import Runtime, runtime

__all__ = ["Estimate", "Explanation", "Runtime", "predict", "runtime"]
