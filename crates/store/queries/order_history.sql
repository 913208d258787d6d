-- Purpose: the history of one order, first event first.
-- Locks:   none.
-- Rows:    one per event, at most 10,000.
-- Callers: GET /v1/orders/{id}/history, orders history.
select jsonb_build_object(
         'seq', e.seq, 'at', e.at, 'kind', e.kind, 'status_before', e.status_before, 'status_after', e.status_after,
         'actor', e.actor, 'actor_source', e.actor_source, 'data', e.data, 'hash', encode(e.hash, 'hex'))
  from :"schema".order_events as e
 where e.order_id = $1
 order by e.seq
 limit 10000
