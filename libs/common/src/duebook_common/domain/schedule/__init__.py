"""The nominal times of a schedule, and when each of them is due."""
