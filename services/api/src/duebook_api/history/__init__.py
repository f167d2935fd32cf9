"""History: the events of a job or a run, job logs, and states as of an earlier instant."""
