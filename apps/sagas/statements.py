"""The engine's statements: one for all sagas of a batch. Times are the transaction's."""

# The sagas of a batch, locked in key order.
LOCK_SAGAS = """
SELECT saga_id, plan, revision, pending_since, status, inputs::text,
    pending_step, pending_action, pending_generation,
    refused_step, refusal_type, refusal::text, refusal_reason
FROM sagas_saga WHERE saga_id = ANY(%b::uuid[]) ORDER BY saga_id FOR UPDATE
"""

# Start sagas. A rival that started one first keeps it, and the count tells. Of two at the very same
# moment one may meet the other's order instead: an error that is tried again like any other.
START_SAGAS = """
INSERT INTO sagas_saga (
    saga_id, revision, status, inputs, pending_step, pending_action, pending_generation,
    refused_step, refusal_type, refusal, refusal_reason,
    plan, process, version, mode, order_id, customer_id,
    pending_since, ended_at, started_at, changed_at)
SELECT saga_id, revision, status, inputs::jsonb, pending_step, pending_action, pending_generation,
    refused_step, refusal_type, refusal::jsonb, refusal_reason,
    plan, process, version, mode, order_id, customer_id,
    CASE WHEN pending_step IS NOT NULL THEN now() END,
    CASE WHEN pending_step IS NULL THEN now() END, now(), now()
FROM unnest(%b::uuid[], %b::int[], %b::text[], %b::text[], %b::text[], %b::text[], %b::int[],
        %b::text[], %b::text[], %b::text[], %b::text[],
        %b::text[], %b::text[], %b::int[], %b::text[], %b::uuid[], %b::bigint[])
    AS given (saga_id, revision, status, inputs, pending_step, pending_action, pending_generation,
        refused_step, refusal_type, refusal, refusal_reason,
        plan, process, version, mode, order_id, customer_id)
ON CONFLICT (saga_id) DO NOTHING
"""

# Move sagas on, each from the revision that it was loaded with.
MOVE_SAGAS = """
UPDATE sagas_saga AS saga
SET revision = given.revision, status = given.status, inputs = given.inputs::jsonb,
    pending_step = given.pending_step, pending_action = given.pending_action,
    pending_generation = given.pending_generation,
    pending_since = CASE WHEN given.pending_step IS NOT NULL THEN now() END,
    refused_step = given.refused_step, refusal_type = given.refusal_type,
    refusal = given.refusal::jsonb, refusal_reason = given.refusal_reason,
    ended_at = CASE WHEN given.pending_step IS NULL THEN now() END, changed_at = now()
FROM unnest(%b::uuid[], %b::int[], %b::text[], %b::text[], %b::text[], %b::text[], %b::int[],
        %b::text[], %b::text[], %b::text[], %b::text[], %b::int[])
    AS given (saga_id, revision, status, inputs, pending_step, pending_action, pending_generation,
        refused_step, refusal_type, refusal, refusal_reason, loaded)
WHERE saga.saga_id = given.saga_id AND saga.revision = given.loaded
"""

# Write down what was answered. What was asked in this very transaction was asked now. Gives for the
# metrics what was answered, and how many seconds after it was asked.
TELL_HISTORY = """
INSERT INTO sagas_sagastep (saga_id, step, action, generation, revision, outcome,
    asked_at, answered_at, answer_type, answer, message_id)
SELECT saga_id, step, action, generation, revision, outcome,
    coalesce(asked_at, now()), now(), answer_type, answer::jsonb, message_id
FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::int[], %b::int[], %b::text[],
        %b::timestamptz[], %b::text[], %b::text[], %b::uuid[])
    AS given (saga_id, step, action, generation, revision, outcome,
        asked_at, answer_type, answer, message_id)
RETURNING step, outcome, answer_type, extract(epoch FROM answered_at - asked_at)::float8
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
