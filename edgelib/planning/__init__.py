"""What should I choose? Simulators and searches over schedules, requests and designs.

Costs come in as functions: nothing here looks up a device.
"""
