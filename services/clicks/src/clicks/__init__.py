"""Everything that comes back from people: taps, starts, payments, followed links."""
