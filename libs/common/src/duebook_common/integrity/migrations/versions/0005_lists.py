"""What lists are asked for by, so that what is rare is found without reading all the rest."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_STATEMENTS = """
DROP INDEX jobs_newest, jobs_live;

CREATE INDEX jobs_newest ON jobs (created_at, job_id) WHERE status <> 'deleted';

CREATE INDEX jobs_by_status ON jobs (status, created_at, job_id);

CREATE INDEX jobs_by_task ON jobs (task, created_at, job_id);

CREATE INDEX jobs_by_queue ON jobs (queue, created_at, job_id);

CREATE INDEX runs_by_task ON runs (task, created_at, run_id) WHERE wake_at IS NULL;

CREATE INDEX runs_by_queue ON runs (queue, created_at, run_id) WHERE wake_at IS NULL;

CREATE INDEX events_logged ON events (xid, position) WHERE type IN (
    'AttemptStarted', 'AttemptSucceeded', 'AttemptFailed', 'AttemptLost', 'AttemptReleased',
    'RunCancelled', 'RunDeadLettered'
)
"""


def upgrade() -> None:
    for statement in _STATEMENTS.split(";\n\n"):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("the books are not thrown away; restore a backup instead")
