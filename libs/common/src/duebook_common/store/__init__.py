"""PostgreSQL: the only SQL that writes events, jobs, runs and mails."""
