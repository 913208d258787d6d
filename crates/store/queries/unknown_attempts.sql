-- Purpose: the attempts of which nobody knows whether the provider has them, newest first: what was
--          lost a minute ago is found before what waits for a person since a month. An order that has
--          its request id is not searched for, whatever stands on its attempt.
-- Locks:   none.
-- Rows:    at most 10,000.
-- Callers: the engine's look-up loop.
select a.order_id, a.attempt_id, a.first_sent_at, statement_timestamp()
  from :"schema".orders as o
  join :"schema".order_attempts as a on a.order_id = o.id
 where o.status in ('submitting', 'needs_review') and o.zinc_request_id is null
   and a.settled_at is null and a.outcome = 'unknown' and a.first_sent_at is not null
 order by a.first_sent_at desc
 limit 10000
