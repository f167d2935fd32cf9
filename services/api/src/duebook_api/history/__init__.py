"""What happened: events of a job or run, job logs, and states as of an instant."""
