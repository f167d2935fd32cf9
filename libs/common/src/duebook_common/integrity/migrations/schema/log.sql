-- The log, append-only. (xid, position) orders all events; (stream, version) orders the events of one stream.
-- The key refuses a second event of the same version, and answers: the events of this stream, from this version on. The
-- streams of queues, of the installation and of bulk operations belong to no job.
-- `born` is the period in which the stream was opened: all its events lie in one partition. What is kept for ever has
-- '-infinity': the streams of recurring jobs, keys, queues, the installation and bulk operations. What is still open
-- when its period leaves moves to the period that is open then.
CREATE SEQUENCE events_position_seq;

CREATE TABLE events (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position bigint NOT NULL DEFAULT nextval('events_position_seq'),
    recorded_at timestamptz NOT NULL,
    born timestamptz NOT NULL DEFAULT '-infinity',
    version int NOT NULL CHECK (version > 0),
    id uuid NOT NULL,
    job_id uuid,
    salt uuid DEFAULT gen_random_uuid(),
    stream text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    data jsonb NOT NULL,
    meta jsonb NOT NULL,
    sealed bytea,
    PRIMARY KEY (stream, version, born)
) PARTITION BY LIST (born);

-- The events after this position: relay, event feed.
CREATE INDEX events_feed ON events (xid, position);

-- The newest events that the job log of all jobs shows; the next ones that the statistics count.
CREATE INDEX events_logged ON events (xid, position) WHERE type IN (
    'AttemptStarted', 'AttemptSucceeded', 'AttemptFailed', 'AttemptLost', 'AttemptReleased',
    'RunCancelled', 'RunDeadLettered'
);

-- The next events that the statistics count, of types which that job log has not.
CREATE INDEX events_skipped ON events (xid, position) WHERE type IN (
    'RunSkipped', 'RunExpired', 'RunDiscarded', 'OccurrencesSkipped'
);

-- The newest of these with this type. Left out are the types that most attempts have: the index above finds them soon.
CREATE INDEX events_logged_by_type ON events (type, xid, position) WHERE type IN (
    'AttemptFailed', 'AttemptLost', 'AttemptReleased', 'RunCancelled', 'RunDeadLettered'
);

-- The newest events that the log of one job shows.
CREATE INDEX events_of_attempts ON events (job_id, xid, position) WHERE type IN (
    'AttemptStarted', 'AttemptSucceeded', 'AttemptFailed', 'AttemptLost', 'AttemptReleased',
    'RunCancelled', 'RunDeadLettered'
);

-- When runs with this fingerprint were dead-lettered first and last: the groups of dead letters.
CREATE INDEX events_of_fingerprints ON events ((data ->> 'fingerprint'), recorded_at) WHERE type = 'RunDeadLettered';

-- The dead letters redriven or discarded after this position: the sweeper.
CREATE INDEX events_of_sweeps ON events (xid, position) WHERE type IN ('RunRedriven', 'RunDiscarded');

-- The newest of what people and programs did, without the acts of bulk operations: the audit.
CREATE INDEX events_of_people ON events (xid, position) WHERE
    left(meta ->> 'actor', 9) NOT IN ('executor ', 'scheduler', 'notifier ') AND NOT meta ? 'bulk';

-- What this bulk operation did: the runs that it acted on.
CREATE INDEX events_of_bulk ON events ((meta ->> 'bulk'), stream) WHERE meta ? 'bulk';

-- The definitions with follow-ups: which ends of runs trigger others.
CREATE INDEX events_of_chains ON events (stream, version) WHERE
    type IN ('JobCreated', 'JobChanged') AND jsonb_array_length(data #> '{definition,then}') > 0;

-- The follow-ups that this run did not get.
CREATE INDEX events_of_refusals ON events ((data ->> 'run_id')) WHERE type = 'FollowUpRefused';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

-- In a period that is leaving, an event would be dropped without having been archived.
CREATE FUNCTION refuse_all_but_later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.born <= OLD.born
        OR NOT EXISTS (SELECT FROM periods WHERE born = NEW.born AND status IN ('open', 'closed'))
    THEN
        RAISE EXCEPTION 'the log is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

-- An event may only move, as it is, to a later period that stays, or lose its contents (`only_erasure`).
-- `add_partitions` makes the first of these triggers for each partition too, because it fires for the table that the
-- command names.
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE
    OR UPDATE OF xid, position, recorded_at, version, id, job_id, stream, type, meta ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER only_later BEFORE UPDATE OF born ON events
    FOR EACH ROW EXECUTE FUNCTION refuse_all_but_later()
