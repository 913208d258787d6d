-- Purpose: how far one order is, whether a worker has it, and when something happens to it next. That
--          time is never past: what was due or leased until then is told with the time from which it
--          may be sent, after the pause of its provider's account, and after an ended lease with the
--          bound of its last call as well, as recovery will set it.
-- Locks:   none.
-- Rows:    at most one.
-- Callers: POST /functions/v1/process-zma-order.
select jsonb_build_object(
         'order_number', o.order_number, 'status', o.status, 'hold_reason', o.hold_reason,
         'review_reason', o.review_reason, 'zinc_request_id', o.zinc_request_id,
         'lease', case when lease.ends_at > now.at then 'alive' when lease.ends_at is not null then 'ended' else 'none' end,
         'retry_at', case when lease.ends_at > now.at then lease.ends_at
           -- Without what is not there: greatest ignores nulls.
           else greatest(now.at, p.paused_until, case when lease.ends_at is null then o.due_at else lease.call_over_at end) end)
  from :"schema".orders as o
 cross join (select statement_timestamp() as at,
                    (select s.value::bigint from :"schema".shop_settings() as s where s.name = 'processing_bound_ms')
                      * interval '1 millisecond' as bound) as now
  left join :"schema".order_attempts as a on a.order_id = o.id and a.settled_at is null
 -- An attempt keeps its lease until it is settled; it means something while its order is on its way.
 cross join lateral (select case when o.status = 'submitting' then a.lease_expires_at end as ends_at,
                            a.call_deadline_at + now.bound as call_over_at) as lease
  left join :"schema".provider_accounts as p on p.provider = coalesce(a.provider, $2)
 where o.id = $1
