"""When a key ends by itself; null is never."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE keys ADD COLUMN expires_at timestamptz")


def downgrade() -> None:
    raise NotImplementedError("the books are not thrown away; restore a backup instead")
