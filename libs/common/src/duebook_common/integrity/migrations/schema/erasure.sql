-- For its data each event with contents has a commitment: SHA-256 of a random salt and of the data. An erasure keeps the
-- commitment as `sealed`, and removes the salt with the contents, so that no trial can find out what they were. A hash
-- of the frame and the commitment stays the same.

-- What the data of an event says after its contents were erased.
CREATE FUNCTION frame_of(data jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT data - '{payload,result,error,fingerprint,request,request_hash,recipient,message_id}'::text[]
        #- '{notify,to}' #- '{definition,payload}' #- '{definition,metadata}' #- '{definition,notify,to}'
$$;

-- The salt of a new event; none for data without any of these fields, which has no contents to seal.
CREATE FUNCTION salt_for(data jsonb) RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN data ?| '{payload,result,error,fingerprint,request,request_hash,recipient,message_id,notify,definition}'
        THEN gen_random_uuid()
    END
$$;

CREATE FUNCTION commitment_of(salt uuid, data jsonb) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT sha256(uuid_send(salt) || convert_to(data::text, 'UTF8'))
$$;

CREATE FUNCTION refuse_all_but_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.salt IS NULL OR NEW.salt IS NOT NULL
        OR NEW.sealed IS DISTINCT FROM commitment_of(OLD.salt, OLD.data)
        OR NEW.data::text <> frame_of(OLD.data)::text
        OR (to_jsonb(NEW) - '{salt,sealed,data}'::text[])::text <> (to_jsonb(OLD) - '{salt,sealed,data}'::text[])::text
    THEN
        RAISE EXCEPTION 'the log is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER only_erasure BEFORE UPDATE OF data, salt, sealed ON events
    FOR EACH ROW EXECUTE FUNCTION refuse_all_but_erasure();

-- The events that were recorded in this range of times: the hash of a day.
CREATE INDEX events_recorded ON events USING brin (recorded_at);

-- One row per day (UTC) that is over: how many events it had, the hash of their set (`domain/set_hash.py`), and the
-- hash of its line, which covers the line of the day before.
CREATE TABLE day_lines (
    day date PRIMARY KEY,
    events bigint NOT NULL,
    state bytea NOT NULL,
    hash text NOT NULL,
    sealed_at timestamptz NOT NULL
);

-- One row per day and period: the events of that day which have left with the period. `covered_by` is the day whose
-- line covers this row.
CREATE TABLE departed_days (
    day date,
    born timestamptz,
    events bigint NOT NULL,
    state bytea NOT NULL,
    covered_by date,
    PRIMARY KEY (day, born)
);

-- At most one row: until when a scheduler is at work on the line of a day.
CREATE TABLE day_claims (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    until timestamptz NOT NULL
);

-- One row per erased job some of whose runs may still have contents. `wake_at` is when a scheduler erases them.
CREATE TABLE erasures (
    job_id uuid PRIMARY KEY,
    requested_by text NOT NULL,
    wake_at timestamptz NOT NULL
)
