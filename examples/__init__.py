"""A generated org and the shapes in which its log may come: for the demo, tests and benchmarks."""
