"""Let a person turn the knobs: explorables, predictions before the reveal, and the data they draw.

Nothing heavy is imported until a picture is made.
"""

from edgelib.explore.calibration import calibration, prediction_errors, progress
from edgelib.explore.controls import Choice, Control, Slider, Step, Toggle
from edgelib.explore.explorable import Explorable, explorable
from edgelib.explore.predict_first import predict_first

__all__ = [
    "Choice",
    "Control",
    "Explorable",
    "Slider",
    "Step",
    "Toggle",
    "calibration",
    "explorable",
    "predict_first",
    "prediction_errors",
    "progress",
]
