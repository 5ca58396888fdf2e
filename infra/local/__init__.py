"""Real servers and components as child processes of ours, for development, tests and benchmarks."""
