-- One row per pause of a queue, or (`*`) of the whole installation; without `until` it goes on.
-- The key answers: the last pause of this queue.
CREATE TABLE queue_pauses (
    name text COLLATE "C",
    since timestamptz,
    until timestamptz,
    version int NOT NULL,
    reason text,
    paused_by text NOT NULL,
    resume_reason text,
    resumed_by text,
    PRIMARY KEY (name, since),
    CONSTRAINT ends_after_it_began CHECK (until > since)
);

-- The pauses that go on, or ended since then: what they kept back is not missed.
CREATE INDEX queue_pauses_ended ON queue_pauses (coalesce(until, 'infinity'));

-- The pauses that go on: which runs may be sent and started.
CREATE UNIQUE INDEX queue_pauses_now ON queue_pauses (name) WHERE until IS NULL;

-- The names of what is paused, read once the lock of the pauses is shared, so that no pause begins before the caller's
-- transaction ends. Each query of a volatile function has a snapshot of its own.
CREATE FUNCTION paused_queues() RETURNS text[] LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7242);
    RETURN ARRAY(SELECT name FROM queue_pauses WHERE until IS NULL);
END
$$
