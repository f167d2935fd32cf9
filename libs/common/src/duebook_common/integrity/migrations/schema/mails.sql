-- One row per mail: a run's outcome for one recipient. `wake_at` is when the notifier tries again.
CREATE TABLE mails (
    run_id uuid NOT NULL,
    outcome text NOT NULL,
    recipient text NOT NULL,
    job_id uuid NOT NULL,
    version int NOT NULL,
    status text NOT NULL CHECK (status IN ('sent', 'held', 'in_digest', 'retrying', 'given_up')),
    message_id text NOT NULL,
    tries int NOT NULL,
    error text,
    wake_at timestamptz,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (run_id, outcome, recipient),
    CONSTRAINT nothing_strands CHECK (status NOT IN ('retrying', 'held') OR wake_at IS NOT NULL)
);

-- The mails to try again now.
CREATE INDEX mails_due ON mails (wake_at) WHERE status = 'retrying';

-- The recipients whose digest is due.
CREATE INDEX mails_held ON mails (wake_at) WHERE status = 'held';

-- What the digest to this recipient tells.
CREATE INDEX mails_held_for ON mails (recipient, wake_at) WHERE status = 'held';

-- The newest mails.
CREATE INDEX mails_newest ON mails (updated_at, run_id, outcome, recipient);

-- The newest mails with this status. Left out is the one that most have.
CREATE INDEX mails_by_status ON mails (status, updated_at, run_id, outcome, recipient) WHERE status <> 'sent';

-- The newest mails about this job.
CREATE INDEX mails_by_job ON mails (job_id, updated_at, run_id, outcome, recipient);

-- The newest mails to this recipient.
CREATE INDEX mails_by_recipient ON mails (recipient, updated_at, run_id, outcome)
