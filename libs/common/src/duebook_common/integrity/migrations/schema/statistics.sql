-- One row per step of time and key: counts by outcome, and histograms (`domain/statistics.py`). The key is a queue, a
-- task or a job, or empty: for the dimension `all`, and for what came after a step had its most keys.
-- The key answers: the rows of a dimension in a range of times.
CREATE TABLE statistics (
    step interval NOT NULL,
    dimension text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    key text COLLATE "C" NOT NULL,
    counts bigint[] NOT NULL,
    lateness bigint[] NOT NULL,
    duration bigint[] NOT NULL,
    PRIMARY KEY (step, dimension, at, key)
) WITH (fillfactor = 70);

CREATE FUNCTION add_counts(bigint[], bigint[]) RETURNS bigint[] LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY n), '{}')
    FROM unnest($1, $2) WITH ORDINALITY AS counts (a, b, n)
$$
