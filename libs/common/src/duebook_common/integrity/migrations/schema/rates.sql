-- One row per start of a run that has a rate: the starts of each key, numbered without gaps. Kept for a day.
-- The key answers: when was the start of this number, and what is the last number?
CREATE TABLE rate_starts (
    rate_key text COLLATE "C",
    number bigint,
    started_at timestamptz NOT NULL,
    PRIMARY KEY (rate_key, number)
);

-- The starts that no rate counts any more.
CREATE INDEX rate_starts_by_time ON rate_starts (started_at);

-- For each start that is asked for: the number of the last start of its key, and how long the start has to wait, null
-- for not at all. It locks the keys until the transaction ends, after the lock of the pauses, so that no two deadlock.
-- The start number n is allowed once the start number n - limit is longer ago than the span; of several that are
-- refused each has to wait for another number. Each query of a volatile function has a snapshot of its own, so it sees
-- what was committed while it waited for the lock.
CREATE FUNCTION rate_waits(streams text[], keys text[], limits int[], spans interval[])
RETURNS TABLE (stream text, rate_key text, last_number bigint, wait interval) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    asked record;
    present timestamptz;
    granted int;
    refused int;
    before bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7242);
    PERFORM pg_advisory_xact_lock(7244, slice) FROM (
        SELECT DISTINCT hashtext(key) & 255 AS slice FROM unnest(keys) AS key ORDER BY slice
    ) AS slices;
    present := clock_timestamp();
    FOR asked IN
        SELECT a.* FROM unnest(streams, keys, limits, spans) WITH ORDINALITY AS a (stream, key, most, span, n)
        ORDER BY a.key, a.n
    LOOP
        IF rate_key IS DISTINCT FROM asked.key THEN
            granted := 0;
            refused := 0;
            last_number := coalesce((SELECT max(s.number) FROM rate_starts s WHERE s.rate_key = asked.key), 0);
        END IF;
        stream := asked.stream;
        rate_key := asked.key;
        wait := NULL;
        before := last_number + granted + 1 - asked.most;
        IF before > last_number OR EXISTS (
            SELECT FROM rate_starts s
            WHERE s.rate_key = asked.key AND s.number = before AND s.started_at + asked.span >= present
        ) THEN
            before := before + refused;
            refused := refused + 1;
            wait := coalesce((
                SELECT greatest(s.started_at + asked.span - present, interval '0') FROM rate_starts s
                WHERE s.rate_key = asked.key AND s.number = before
            ), asked.span);
        ELSE
            granted := granted + 1;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$
