-- Purpose: the attempts of which nobody knows whether the provider has them, oldest first.
-- Locks:   none.
-- Rows:    at most 1,000.
-- Callers: the engine's look-up loop.
select a.order_id, a.attempt_id, a.first_sent_at, statement_timestamp()
  from :"schema".order_attempts as a
 where a.settled_at is null and a.outcome = 'unknown' and a.first_sent_at is not null
 order by a.first_sent_at
 limit 1000
