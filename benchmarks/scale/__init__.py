"""The console, the lists and live pages at 1,000,000 runs, 10,000 jobs and 100 queues: `make bench-scale`."""
