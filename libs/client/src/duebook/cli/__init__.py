"""The command line: `duebook`, installed with the extra `cli`."""
