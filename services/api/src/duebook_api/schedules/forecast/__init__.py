"""What is to come: runs per hour, what changes would add and remove, changes of the clocks, runs at once."""
