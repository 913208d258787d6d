-- Purpose: how long orders took from claim to record, and the whole run from the first to the last.
-- Locks:   none.
-- Rows:    one.
-- Callers: the benchmark.
select count(*), extract(epoch from max(r.at) - min(c.at))::double precision,
       percentile_cont(0.5) within group (order by extract(epoch from r.at - c.at) * 1000)::double precision,
       percentile_cont(0.99) within group (order by extract(epoch from r.at - c.at) * 1000)::double precision
  from :"schema".order_events as c
  join :"schema".order_events as r on r.order_id = c.order_id and r.kind = 'purchase_accepted'
 where c.kind = 'purchase_opened'
