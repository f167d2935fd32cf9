"""PostgreSQL: the only SQL that writes events, stream heads, jobs, runs and mails."""
