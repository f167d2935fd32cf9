"""What the sweep of dead-letter queues looks for, found without reading the log past it every few seconds."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX events_of_sweeps ON events (xid, position) WHERE type IN ('RunRedriven', 'RunDiscarded')")


def downgrade() -> None:
    raise NotImplementedError("the books are not thrown away; restore a backup instead")
