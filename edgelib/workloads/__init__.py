"""What has to be computed and moved? Models and number formats, with no device in sight."""

from edgelib.workloads.formats import WeightFormat, format_names, weight_format
from edgelib.workloads.transformer import Transformer, model_names, transformer

__all__ = ["Transformer", "WeightFormat", "format_names", "model_names", "transformer", "weight_format"]
