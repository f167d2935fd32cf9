"""The groups of dead letters that a text is found in equal a count of the rows one by one."""

from collections import defaultdict
from typing import Any

from duebook_api.runs.dead_letters import DeadLetterQuery, groups_statement
from duebook_common.store.database import Pool
from duebook_common.store.predicates import containing
from support.bookkeeping import started
from support.query_cost import grow_table, query_cost

_MANY = 20_000

# Texts on both sides of the bound between the two indexes, in capitals and not, of several bytes, with signs of LIKE.
# Some dead letters have no error, as after an erasure, and some runs are no dead letters.
_DEAD = r"""
UPDATE runs AS r SET status = CASE WHEN n % 11 = 0 THEN 'discarded' ELSE 'dead_lettered' END, wake_at = NULL,
    fingerprint = 'cause ' || n % 7, job_id = md5((n % 5)::text)::uuid, created_at = created_at + n * interval '1 s',
    finished_at = created_at + n % 13 * interval '1 min',
    error = CASE WHEN n % 9 > 0 THEN (ARRAY['Timeout\', 'TIMEOUT 50%', 'no_data', 'boom'])[n % 4 + 1]
        || repeat((ARRAY['é', ' ', 'word '])[n % 3 + 1], (n % 5) * (240 + n % 23)) || n % 17 END,
    job_name = (ARRAY['Boom of the warehouse', 'report', 'Müller', 'a_b'])[n % 3 + 1] || n % 4
FROM (SELECT run_id, row_number() OVER (ORDER BY run_id)::int AS n FROM runs) AS numbered
WHERE numbered.run_id = r.run_id
"""
_DEATHS = """
INSERT INTO events (stream, version, id, type, job_id, data, meta, recorded_at)
SELECT 'run-' || id, 1, id, 'RunDeadLettered', id, jsonb_build_object('fingerprint', 'cause ' || n), '{}', now()
FROM (SELECT n, gen_random_uuid() AS id FROM generate_series(0, 6) AS n) AS ids
"""
_MATCHING = """
SELECT fingerprint, job_id, finished_at, created_at, task, error FROM runs
WHERE status = 'dead_lettered' AND (error ILIKE $1 OR job_name ILIKE $1)
"""
_KINDS = """
SELECT count(*) FILTER (WHERE length(error) > 2000) > 9 AND count(*) FILTER (WHERE length(error) < 1000) > 9
   AND count(*) FILTER (WHERE error IS NULL) > 9 FROM runs WHERE status = 'dead_lettered'
"""
_TEXTS = ("boom", "TIMEOUT", "\\", "%", "_", "üLL", "é", "éé1", " 1", "1", "word w", "WAREHOUSE0", "none", "no_d")


async def _groups(pool: Pool, text: str) -> list[Any]:
    statement, arguments = groups_statement(DeadLetterQuery(q=text))
    names = ("fingerprint", "count", "jobs", "oldest", "newest")
    return [tuple(row[name] for name in names) for row in await pool.fetch(statement, *arguments)]


async def _counted(pool: Pool, text: str) -> list[Any]:
    rows: dict[str, list[Any]] = defaultdict(list)
    for row in await pool.fetch(_MATCHING, containing(text)):
        rows[row["fingerprint"]].append(row)
    groups = [_group(fingerprint, each) for fingerprint, each in rows.items()]
    return sorted(groups, key=lambda group: (group[1], group[0]), reverse=True)


def _group(fingerprint: str, rows: list[Any]) -> tuple[Any, ...]:
    times = [row["finished_at"] for row in rows]
    return fingerprint, len(rows), len({row["job_id"] for row in rows}), min(times), max(times)


async def test_the_groups_with_a_text_equal_a_count_of_short_and_long_errors(pool: Pool) -> None:
    await started(pool)
    await grow_table(pool, "runs", 2_000)
    await pool.execute(_DEAD)
    await pool.execute(_DEATHS)
    await pool.execute("VACUUM ANALYZE runs")
    assert await pool.fetchval(_KINDS)
    found = {text: await _groups(pool, text) for text in _TEXTS}
    assert found == {text: await _counted(pool, text) for text in _TEXTS}
    assert {text for text, groups in found.items() if not groups} == {"none"}


async def test_a_text_is_searched_for_among_dead_letters_in_an_index_alone(pool: Pool) -> None:
    await started(pool)
    await grow_table(pool, "runs", _MANY)
    await pool.execute(
        """UPDATE runs SET status = 'dead_lettered', fingerprint = md5((priority * 7)::text), finished_at = created_at,
                          error = 'no ' || priority, payload = to_jsonb(repeat(md5(run_id::text), 30))"""
    )
    await pool.execute("VACUUM FULL runs")
    await pool.execute("VACUUM ANALYZE runs")
    for text in ("no", "nothing"):
        statement, arguments = groups_statement(DeadLetterQuery(q=text))
        found = await query_cost(pool, statement, *arguments)
        assert found.buffers <= _MANY / 30, (text, found)
