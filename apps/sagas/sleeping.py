"""Sagas that sleep: what they wait for named a time that was further off than any request waits.

Goods that a customer sends back are awaited for days. Such a saga lives and is well, so it is
neither the oldest that somebody should look at, nor one of those among which few or many are late,
nor what a shop has to finish before it comes to rest. When its time has come it is as any other.
"""

ASLEEP_SECONDS = 3600  # a request waits for no longer (Patience.longest)

# For statements about sagas that have not ended.
AWAKE = f"""
(due_at IS NULL OR due_at <= now() OR due_at <= changed_at + interval '{ASLEEP_SECONDS} seconds')
"""
