"""What may be sent and when, as pure functions of values. No clock, no event loop, no randomness."""
