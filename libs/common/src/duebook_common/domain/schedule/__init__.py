"""Which instants a schedule names, and when each of them is due."""
