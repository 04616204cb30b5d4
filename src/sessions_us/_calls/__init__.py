"""Typed arguments in, models out: what happens to a call before it is sent and after its answer came."""
