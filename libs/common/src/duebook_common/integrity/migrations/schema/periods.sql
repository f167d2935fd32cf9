-- One row per period of the log: the streams opened in it have its start as `born`. One period is open; a closed one
-- may leave once it is old enough, and its streams with it. Nothing is appended to a period that is leaving: all its
-- events are of transactions before `sealed_at`.
CREATE TABLE periods (
    born timestamptz PRIMARY KEY,
    status text NOT NULL CHECK (status IN ('open', 'closed', 'leaving', 'archived')),
    closed_at timestamptz,
    sealed_at xid8,
    CONSTRAINT closed_at_is_known CHECK ((status = 'open') = (closed_at IS NULL))
);

-- The period in which new streams are opened now.
CREATE UNIQUE INDEX periods_open ON periods (status) WHERE status = 'open';

-- What each append asks for. Periods that have left are never deleted: an hour each, they are 8,760 a year.
CREATE INDEX periods_leaving ON periods (born) WHERE status = 'leaving';

-- To sort a sample of its JSON was up to three fifths of the ANALYZE of a table, and no plan is better for it. Indexed
-- expressions on JSON have statistics of their own.
CREATE FUNCTION no_statistics_of_json(name regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    own text;
BEGIN
    FOR own IN SELECT attname FROM pg_attribute WHERE attrelid = name AND atttypid = 'jsonb'::regtype LOOP
        EXECUTE format('ALTER TABLE %s ALTER %I SET STATISTICS 0', name, own);
    END LOOP;
END
$$;

-- Rows that never change are frozen by the first vacuum, so that no later one has to write their pages again.
-- Each partition is made first and attached then, so that neither readers nor writers of the table wait.
CREATE FUNCTION add_partitions(period timestamptz, suffix text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    parent text;
    part text;
    unnamed record;
BEGIN
    FOREACH parent IN ARRAY ARRAY['events', 'log_lines'] LOOP
        part := parent || '_' || suffix;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', part, parent);
        EXECUTE format('ALTER TABLE %I SET (autovacuum_vacuum_insert_scale_factor = 0.02,
            autovacuum_analyze_scale_factor = 0.02, autovacuum_freeze_min_age = 0)', part);
        PERFORM no_statistics_of_json(part::regclass);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES IN (%L)', parent, part, period);
        -- Named like the indexes of the table, so that a plan says which one it uses.
        FOR unnamed IN
            SELECT own.relname AS name, whole.relname || '_' || suffix AS wanted
            FROM pg_index AS i JOIN pg_class AS own ON own.oid = i.indexrelid
            JOIN pg_inherits ON inhrelid = own.oid JOIN pg_class AS whole ON whole.oid = inhparent
            WHERE i.indrelid = part::regclass
        LOOP
            EXECUTE format('ALTER INDEX %I RENAME TO %I', unnamed.name, unnamed.wanted);
        END LOOP;
    END LOOP;
    EXECUTE format('CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE
        OR UPDATE OF xid, position, recorded_at, version, id, job_id, stream, type, meta ON %I
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', 'events_' || suffix);
END
$$;

-- Open the period that starts then, if it is later than the one that is open, and close that one. Returns whether it
-- did. A stream that is being opened meanwhile may still get the period that is closed.
CREATE FUNCTION open_period(start timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7245);
    IF EXISTS (SELECT FROM periods WHERE status = 'open' AND born >= start) THEN
        RETURN false;
    END IF;
    PERFORM add_partitions(start, to_char(start AT TIME ZONE 'UTC', 'YYYYMMDDHH24MI'));
    UPDATE periods SET status = 'closed', closed_at = clock_timestamp() WHERE status = 'open';
    INSERT INTO periods VALUES (start, 'open');
    RETURN true;
END
$$;

-- Drop what a leaving period has left. A repetition finds nothing.
CREATE FUNCTION drop_period(start timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    parent text;
BEGIN
    LOCK TABLE ONLY events, ONLY log_lines IN ACCESS EXCLUSIVE MODE;
    UPDATE periods SET status = 'archived' WHERE born = start AND status = 'leaving';
    IF FOUND THEN
        FOREACH parent IN ARRAY ARRAY['events', 'log_lines'] LOOP
            EXECUTE format('DROP TABLE %I', parent || to_char(start AT TIME ZONE 'UTC', '_YYYYMMDDHH24MI'));
        END LOOP;
    END IF;
END
$$;

SELECT add_partitions('-infinity', 'kept');

SELECT open_period(date_trunc('month', clock_timestamp(), 'UTC'))
