"""One module per noun of the API: typed methods without logic."""
