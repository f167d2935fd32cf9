"""What the policies of schedules need: runs counted, due times beside nominal ones, concurrency keys."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_STATEMENTS = """
ALTER TABLE jobs
    ADD COLUMN runs int NOT NULL DEFAULT 0,
    ADD COLUMN next_due_at timestamptz;

UPDATE jobs SET runs = made.runs
FROM (
    SELECT job_id, count(*) AS runs FROM events
    WHERE version = 1 AND type = 'RunDispatched' AND data ->> 'trigger' IN ('schedule', 'catch_up') GROUP BY job_id
) AS made
WHERE jobs.job_id = made.job_id;

ALTER TABLE runs
    ADD COLUMN concurrency_key text,
    ADD COLUMN concurrency_limit int,
    ADD COLUMN pause_on_failure boolean NOT NULL DEFAULT false,
    ADD COLUMN awaited boolean NOT NULL DEFAULT false;

CREATE INDEX runs_of_key ON runs (concurrency_key, created_at, nominal_at)
    WHERE concurrency_key IS NOT NULL AND wake_at IS NOT NULL;

CREATE INDEX runs_waiting ON runs (job_id, created_at, nominal_at) WHERE status = 'waiting'
"""


def upgrade() -> None:
    for statement in _STATEMENTS.split(";\n\n"):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("the books are not thrown away; restore a backup instead")
