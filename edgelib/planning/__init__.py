"""What should I choose? Simulators and searches over schedules, requests and designs.

Costs come in as functions. Only a `Plan` names models and a device; the library predicts what it costs.
"""

from edgelib.planning.plan import Plan

__all__ = ["Plan"]
