"""The commands of operators: what they ask, what they order, and how the answer looks."""
