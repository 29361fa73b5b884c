"""The engine's statements: one for all sagas of a batch. Times are the transaction's."""

from apps.sagas.sleeping import AWAKE

# Sagas in key order; engine.known_from reads them.
READ_SAGAS = """
SELECT saga_id, plan, revision, pending_since, paused_until, traceparent,
    status, driver, inputs::text, attempt, detours::text,
    pending_step, pending_action, pending_generation,
    cause_step, cause_type, cause::text, cause_reason
FROM sagas_saga WHERE saga_id = ANY(%b::uuid[]) ORDER BY saga_id
"""

# The sagas of a batch, locked.
LOCK_SAGAS = f"{READ_SAGAS} FOR UPDATE"

# Start sagas. A rival that started one first keeps it, and the count tells. Of two at the very same
# moment one may meet the other's order instead: an error that is tried again like any other. Who
# had missed the start need not look any more.
START_SAGAS = """
WITH given AS (
    SELECT * FROM unnest(%b::uuid[], %b::int[], %b::text[], %b::text[], %b::text[], %b::int[],
            %b::text[], %b::text[], %b::text[], %b::int[],
            %b::text[], %b::text[], %b::text[], %b::text[],
            %b::timestamptz[], %b::float8[], %b::timestamptz[], %b::float8[],
            %b::text[], %b::text[], %b::int[], %b::text[], %b::uuid[], %b::bigint[], %b::bigint[],
            %b::text[], %b::text[], %b::float8[])
        AS given (saga_id, revision, status, driver, inputs, attempt, detours,
            pending_step, pending_action, pending_generation,
            cause_step, cause_type, cause, cause_reason,
            paused_until, wait, until, desk_wait,
            plan, process, version, mode, order_id, customer_id, total_cents, currency,
            traceparent, deadline)
), found AS (
    UPDATE sagas_case AS missed
    SET closed_at = now(), closed_by = 'started', version = missed.version + 1
    FROM given WHERE missed.saga_id = given.saga_id AND missed.closed_at IS NULL
)
INSERT INTO sagas_saga (
    saga_id, revision, status, driver, inputs, attempt, detours,
    pending_step, pending_action, pending_generation,
    cause_step, cause_type, cause, cause_reason,
    plan, process, version, mode, order_id, customer_id, total_cents, currency, traceparent,
    due_at, deadline_at, pending_since, ended_at, started_at, changed_at)
SELECT saga_id, revision, status, driver, inputs::jsonb, attempt, detours::jsonb,
    pending_step, pending_action, pending_generation,
    cause_step, cause_type, cause::jsonb, cause_reason,
    plan, process, version, mode, order_id, customer_id, total_cents, currency, traceparent,
    now() + make_interval(secs => wait), now() + make_interval(secs => deadline),
    CASE WHEN pending_step IS NOT NULL THEN now() END,
    CASE WHEN pending_step IS NULL THEN now() END, now(), now()
FROM given
ON CONFLICT (saga_id) DO NOTHING
"""

# Move sagas on, each from the revision that it was loaded with. A request that is sent again is
# pending since it was first asked. Nothing is waited for beyond a deadline that is still ahead.
# What ended stays ended when it did. The engine takes over from events, never the other way.
MOVE_SAGAS = """
UPDATE sagas_saga AS saga
SET revision = given.revision, status = given.status, driver = given.driver,
    inputs = given.inputs::jsonb, attempt = given.attempt, detours = given.detours::jsonb,
    pending_step = given.pending_step, pending_action = given.pending_action,
    pending_generation = given.pending_generation,
    pending_since = CASE
        WHEN given.pending_step IS NULL THEN NULL
        WHEN (saga.pending_step, saga.pending_action, saga.pending_generation)
            = (given.pending_step, given.pending_action, given.pending_generation)
        THEN saga.pending_since ELSE now() END,
    cause_step = given.cause_step, cause_type = given.cause_type,
    cause = given.cause::jsonb, cause_reason = given.cause_reason,
    paused_until = given.paused_until,
    due_at = CASE
        WHEN given.pending_step IS NULL THEN NULL
        WHEN given.wait IS NULL AND given.until IS NULL THEN saga.due_at
        ELSE least(coalesce(given.until, now() + make_interval(secs => given.wait)),
            CASE WHEN saga.deadline_at > now() THEN saga.deadline_at END) END,
    desk_due_at = CASE
        WHEN NOT given.desk THEN NULL
        ELSE coalesce(now() + make_interval(secs => given.desk_wait), saga.desk_due_at) END,
    ended_at = CASE WHEN given.pending_step IS NULL AND NOT given.desk
        THEN coalesce(saga.ended_at, now()) END,
    changed_at = now()
FROM unnest(%b::uuid[], %b::int[], %b::text[], %b::text[], %b::text[], %b::int[], %b::text[],
        %b::text[], %b::text[], %b::int[],
        %b::text[], %b::text[], %b::text[], %b::text[],
        %b::timestamptz[], %b::float8[], %b::timestamptz[], %b::float8[],
        %b::boolean[], %b::int[])
    AS given (saga_id, revision, status, driver, inputs, attempt, detours,
        pending_step, pending_action, pending_generation,
        cause_step, cause_type, cause, cause_reason,
        paused_until, wait, until, desk_wait, desk, loaded)
WHERE saga.saga_id = given.saga_id AND saga.revision = given.loaded
  AND (saga.driver = given.driver OR saga.driver = 'events')
"""

# Write down what was answered. What stood on the desk was asked before it came there; what was
# asked in this very transaction was asked now. Events may tell of a step what a command is then
# answered again: the first telling stays. Gives for the metrics what was answered, and how
# many seconds after it was asked.
TELL_HISTORY = """
INSERT INTO sagas_sagastep (saga_id, step, action, generation, revision, outcome,
    asked_at, answered_at, answer_type, answer, message_id)
SELECT saga_id, step, action, generation, revision, outcome,
    coalesce(asked_at,
        (SELECT min(opened_at) FROM sagas_case AS known
         WHERE known.saga_id = given.saga_id AND known.step = given.step
           AND known.action = given.action AND known.closed_at IS NULL),
        now()), now(), answer_type, answer::jsonb, message_id
FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::int[], %b::int[], %b::text[],
        %b::timestamptz[], %b::text[], %b::text[], %b::uuid[])
    AS given (saga_id, step, action, generation, revision, outcome,
        asked_at, answer_type, answer, message_id)
ON CONFLICT (saga_id, step, action, generation) DO NOTHING
RETURNING step, outcome, extract(epoch FROM answered_at - asked_at)::float8
"""

# Write down what happened beside the answers.
TELL_EVENTS = """
INSERT INTO sagas_sagaevent (id, saga_id, revision, at, kind, step, action, generation, text)
SELECT id, saga_id, revision, clock_timestamp(), kind, step, action, generation, text
FROM unnest(%b::uuid[], %b::uuid[], %b::int[], %b::text[], %b::text[], %b::text[], %b::int[],
        %b::text[])
    AS given (id, saga_id, revision, kind, step, action, generation, text)
"""

# Keep what was told of sagas before their start was heard of; a repetition is kept once.
KEEP_EARLY = """
INSERT INTO sagas_earlyfact (message_id, saga_id, heard, at)
SELECT message_id, saga_id, heard, now()
FROM unnest(%b::uuid[], %b::uuid[], %b::text[]) AS given (message_id, saga_id, heard)
ON CONFLICT (message_id) DO NOTHING
"""

# What was told early of these sagas, in the order in which it was told.
LOCK_EARLY = """
SELECT message_id, saga_id, heard FROM sagas_earlyfact
WHERE saga_id = ANY(%b::uuid[]) ORDER BY message_id FOR UPDATE
"""

# It was heard now.
FORGET_EARLY = "DELETE FROM sagas_earlyfact WHERE message_id = ANY(%b::uuid[])"

# Sagas of which something was kept as early while their start was being written.
FIND_EARLY = """
SELECT DISTINCT saga_id FROM sagas_earlyfact JOIN sagas_saga USING (saga_id) LIMIT %b
"""

# Put things on the desk, each once while it is open.
OPEN_CASES = """
INSERT INTO sagas_case (id, kind, context, saga_id, step, action, reason, opened_at)
SELECT id, kind, context, saga_id, step, action, reason, now()
FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::uuid[], %b::text[], %b::text[], %b::text[])
    AS given (id, kind, context, saga_id, step, action, reason)
ON CONFLICT (saga_id, step, action, kind) WHERE closed_at IS NULL DO NOTHING
RETURNING id
"""

# What was last said of a case that stays open.
UPDATE_CASES = """
UPDATE sagas_case AS known SET reason = given.reason, version = known.version + 1
FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::text[]) AS given (saga_id, step, action, reason)
WHERE known.saga_id = given.saga_id AND known.step = given.step AND known.action = given.action
  AND known.closed_at IS NULL
"""

# Take settled things off the desk.
CLOSE_CASES = """
UPDATE sagas_case AS settled
SET closed_at = now(), closed_by = given.closed_by, version = settled.version + 1
FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::text[])
    AS given (saga_id, step, action, closed_by)
WHERE settled.saga_id = given.saga_id AND settled.step = given.step
  AND settled.action = given.action AND settled.closed_at IS NULL
"""

# What could not be told before can be now.
CLOSE_UNTOLD = """
UPDATE sagas_case SET closed_at = now(), closed_by = 'told', version = version + 1
WHERE kind = %b AND saga_id = ANY(%b::uuid[]) AND closed_at IS NULL
"""

# Note answers that no saga waited for; one that is read again is noted once.
NOTE_UNMATCHED = """
INSERT INTO sagas_barriernote (
    id, saga_id, step, action, generation, decision, message_id, noted_at)
SELECT message_id, saga_id, step, action, generation, 'unmatched', message_id, now()
FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::int[])
    AS given (message_id, saga_id, step, action, generation)
ON CONFLICT (id) DO NOTHING
"""

DUE = """
ended_at IS NULL AND CASE WHEN paused_until IS NULL THEN due_at <= now() OR desk_due_at <= now()
                     ELSE paused_until <= now() END
"""

# Live sagas of which something is due, the longest due first, with the request that is. One that is
# paused is due when its pause ends, and not before.
FIND_DUE = f"""
SELECT saga_id, plan, pending_step, CASE WHEN due_at <= now() THEN due_at END
FROM sagas_saga WHERE {DUE}
ORDER BY coalesce(due_at, desk_due_at) LIMIT %b
"""  # noqa: S608  only constants of this file are put together

# Lock those that are still due; what others hold is passed by.
LOCK_DUE = f"""
SELECT saga_id, paused_until IS NOT NULL, coalesce(due_at <= now(), false),
    coalesce(desk_due_at <= now(), false), coalesce(deadline_at <= now(), false)
FROM sagas_saga WHERE saga_id = ANY(%b::uuid[]) AND {DUE}
ORDER BY saga_id FOR UPDATE SKIP LOCKED
"""  # noqa: S608  only constants of this file are put together

# How many sagas live, and how many of these are late: due now, or sent again already. What is stuck
# stands on the desk: that it is late is known, and says nothing of the others; no more does what
# sleeps.
COUNT_LATE = f"""
SELECT count(*), count(*) FILTER (WHERE paused_until IS NULL AND (due_at <= now() OR attempt > 1))
FROM sagas_saga WHERE ended_at IS NULL AND status <> 'stuck' AND {AWAKE}
"""  # noqa: S608  only constants are put together

# Note that something is held back, or is no more; no row where that was so already.
HOLD_BACK = "INSERT INTO sagas_brake (name, since) VALUES (%b, now()) ON CONFLICT DO NOTHING"
LET_GO = "DELETE FROM sagas_brake WHERE name = %b"

# Put off all that is due of a saga that cannot be told so.
SET_ASIDE = """
UPDATE sagas_saga SET
    due_at = CASE WHEN due_at <= now() THEN later.at ELSE due_at END,
    desk_due_at = CASE WHEN desk_due_at <= now() THEN later.at ELSE desk_due_at END,
    paused_until = CASE WHEN paused_until <= now() THEN later.at ELSE paused_until END
FROM (SELECT now() + make_interval(secs => %b) AS at) AS later WHERE saga_id = %b
RETURNING plan, coalesce(pending_step, ''), traceparent
"""

# Put off what is due while its answer may still be waiting in Kafka.
DEFER = """
UPDATE sagas_saga SET due_at = now() + make_interval(secs => %b)
WHERE saga_id = ANY(%b::uuid[]) AND ended_at IS NULL AND due_at <= now()
"""
