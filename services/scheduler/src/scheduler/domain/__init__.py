"""Which slots are due, which were missed, and how the plan changes. Pure: `now` is an argument."""
