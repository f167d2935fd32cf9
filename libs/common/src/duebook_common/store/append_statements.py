"""The statements that append events: for writes of any kind, and cheaper ones for those that most are.

Each is the head of a longer one: `projections` appends further CTEs, to write read models in the same statement. The
CTE `accepted` has the streams that got their events. All but APPEND_NEXT have the parameters of
`eventstore.append_arguments`.
"""

# The key of `events` judges: of two writers with the same version the second waits for the commit of the first, and
# then conflicts. Only the first event of each write can conflict, so the others follow those accepted. A write without
# events looks at what is committed and holds nothing. The key judges within a period: that no stream is opened in a
# second one is seen from the rows of jobs and runs, whose keys judge if two open it at the same time. A command that
# opens a run by an id that a client can repeat reads its ledger line; no schedule names a time again. Nothing is
# appended to a period that is leaving. ON CONFLICT names no columns, because this is the only unique key: for columns
# PostgreSQL would look up the parents of every index of the partition, in each statement.
#
# Arrays come as subselects: if PostgreSQL knew how long they are while it plans, it would plan each append anew once
# there are some dozens of periods. Without OFFSET a plan that is kept since a table was empty reads all of it, to look
# up in what it has read; and `last_at` would be looked up twice.
_EVENT = "(position, stream, version, id, type, data, meta, job_id, recorded_at, born, salt)"
_APPENDING = f"""
WITH asked AS MATERIALIZED (
    SELECT stream, expected, size, queue IS NOT NULL AND (SELECT paused_queues()) && ARRAY[queue, '*'] AS paused,
           {{born}} AS born
    FROM unnest((SELECT $1::text[]), (SELECT $2::int[]), (SELECT $3::int[]), (SELECT $4::text[]),
        (SELECT $5::timestamptz[])) AS w (stream, expected, size, queue, born)
), {{writes}}, known AS MATERIALIZED (
    SELECT w.*, greatest(last_at, clock_timestamp()) AS recorded_at FROM (
        SELECT *, CASE WHEN expected > 0 THEN (
            SELECT e.recorded_at FROM events e
            WHERE e.stream = w.stream AND e.version = w.expected AND e.born = w.born
        ) END AS last_at
        FROM writes w OFFSET 0
    ) AS w WHERE {{is_known}}
    AND born <> ALL(ARRAY(SELECT p.born FROM periods p WHERE p.status = 'leaving'))
), numbered AS MATERIALIZED (
    SELECT e.*, known.expected, known.recorded_at, known.born, nextval('events_position_seq') AS position FROM (
        SELECT * FROM unnest((SELECT $6::text[]), (SELECT $7::int[]), (SELECT $8::uuid[]), (SELECT $9::text[]),
            (SELECT $10::jsonb[]), (SELECT $11::jsonb[]), (SELECT $12::uuid[]))
        WITH ORDINALITY AS e (stream, version, id, type, data, meta, job_id, n) ORDER BY n
    ) AS e JOIN known USING (stream) ORDER BY e.n
), opened AS (
    INSERT INTO events {_EVENT}
    SELECT position, stream, version, id, type, {{data}}, meta, job_id, recorded_at, born, salt_for(data)
    FROM numbered WHERE version = expected + 1 ORDER BY stream
    ON CONFLICT DO NOTHING
    RETURNING stream, born, recorded_at
), accepted AS MATERIALIZED (
    SELECT * FROM opened{{without_events}}
){{rest}}
"""  # noqa: S608
APPEND_PARAMETERS = 12

_BORN = """CASE WHEN born IS NOT NULL THEN born
           WHEN expected = 0 THEN (SELECT p.born FROM periods p WHERE p.status = 'open')
           ELSE (SELECT e.born FROM events e WHERE e.stream = w.stream AND e.version = w.expected) END"""
_IS_OPEN = """CASE left(w.stream, 4)
    WHEN 'run-' THEN EXISTS (SELECT FROM runs WHERE run_id = substring(w.stream FROM 5)::uuid OFFSET 0)
    WHEN 'job-' THEN EXISTS (SELECT FROM jobs WHERE job_id = substring(w.stream FROM 5)::uuid OFFSET 0)
        OR EXISTS (SELECT FROM archived_jobs WHERE job_id = substring(w.stream FROM 5)::uuid OFFSET 0)
    ELSE false END"""
_IS_KNOWN = f"CASE WHEN expected = 0 THEN NOT {_IS_OPEN} ELSE last_at IS NOT NULL END"
_WITHOUT_EVENTS = """ UNION ALL
    SELECT stream, born, NULL FROM known
    WHERE size = 0 AND NOT EXISTS (
        SELECT FROM events e WHERE e.stream = known.stream AND e.version = known.expected + 1 AND e.born = known.born
    )"""
_REST = f""", recorded AS (
    INSERT INTO events {_EVENT}
    SELECT position, stream, version, id, type, {{data}}, meta, job_id, numbered.recorded_at, numbered.born,
           salt_for(data)
    FROM numbered JOIN opened USING (stream) WHERE version > expected + 1 ORDER BY n
)"""  # noqa: S608
_WRITES = "writes AS MATERIALIZED (SELECT stream, expected, size, born FROM asked WHERE NOT paused)"
_ANY = {"born": _BORN, "is_known": _IS_KNOWN, "without_events": _WITHOUT_EVENTS, "writes": _WRITES, "data": "data"}

APPEND = _APPENDING.format(**_ANY, rest=_REST.format(data="data"))

# The same for writes of one event each: PostgreSQL has one INSERT less to prepare.
APPEND_ONE_EACH = _APPENDING.format(**_ANY, rest="")

# The same for writes of one event each to streams that exist and whose period is known, as those of attempts are.
# PostgreSQL prepares no search of other tables, nor of all periods, which it does whether rows need one or not.
APPEND_NEXT_EACH = _APPENDING.format(
    **_ANY | {"born": "born", "is_known": "last_at IS NOT NULL", "without_events": ""}, rest=""
)

# The same for one such write alone, without any array: PostgreSQL prepares no functions, sorts and hash joins, which
# takes a quarter of the time of the statement. The period is in a subselect, as the arrays are, for the same reason.
APPEND_NEXT = f"""
WITH asked AS MATERIALIZED (
    SELECT $1::text AS stream, $3::text IS NOT NULL AND (SELECT paused_queues()) && ARRAY[$3, '*'] AS paused
), accepted AS (
    INSERT INTO events {_EVENT}
    SELECT nextval('events_position_seq'), $1, $2::int + 1, $5::uuid, $6::text, $7::jsonb, $8::jsonb, $9::uuid,
           greatest(last_at, clock_timestamp()), $4::timestamptz, salt_for($7)
    FROM asked, (
        SELECT e.recorded_at AS last_at FROM events e
        WHERE e.stream = $1 AND e.version = $2 AND e.born = (SELECT $4::timestamptz) OFFSET 0
    ) AS known
    WHERE NOT paused AND NOT EXISTS (SELECT FROM periods WHERE born = $4 AND status = 'leaving')
    ON CONFLICT DO NOTHING RETURNING stream
)
"""  # noqa: S608
APPEND_NEXT_PARAMETERS = 9

# The same as APPEND for starts of attempts that have a rate. `at` in their data is the time that the database has
# recorded, so that the start counts in its rate at exactly the time that the log shows.
_START_DATA = """data || jsonb_build_object(
    'at', to_char(numbered.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
)"""
_STARTS = """rated AS MATERIALIZED (
    SELECT * FROM rate_waits($13::text[], $14::text[], $15::int[], $16::interval[])
), writes AS MATERIALIZED (
    SELECT stream, expected, size, born FROM asked JOIN rated USING (stream) WHERE NOT paused AND wait IS NULL
)"""
APPEND_STARTS = _APPENDING.format(
    **_ANY | {"writes": _STARTS, "data": _START_DATA}, rest=_REST.format(data=_START_DATA)
)
APPEND_STARTS_PARAMETERS = 16
