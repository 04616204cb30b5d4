"""The rules of the quota, as pure functions of values. No clock, no event loop, no randomness."""
