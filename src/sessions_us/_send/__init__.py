"""One call on its way to the server, outermost stage first: cache, single flight, waiters, retry, http."""
