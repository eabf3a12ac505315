"""The trusted side of the exercises: specs, their loading, and what is generated from them."""
