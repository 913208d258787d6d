-- Purpose: the state of the shop in one object: what a person or an alarm looks at first.
-- Locks:   none.
-- Rows:    none written.
-- Callers: service_role, the service, people.
create or replace function :"schema".order_system_health() returns jsonb
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  at timestamptz := :"schema".clock_now();
begin
  return jsonb_build_object(
    'at', at,
    'orders', (select coalesce(jsonb_object_agg(s.status, s.n), '{}') from
                (select o.status, count(*) as n from :"schema".orders as o group by o.status) as s),
    'stuck', (select count(*) from :"schema".orders as o where o.status = 'submitting' and o.updated_at < at - interval '2 minutes'),
    'unknown', (select count(*) from :"schema".order_attempts as a join :"schema".orders as o on o.id = a.order_id
                 where a.settled_at is null and a.outcome = 'unknown' and o.zinc_request_id is null),
    'oldest_due', (select min(o.due_at) from :"schema".orders as o where o.status in ('pending', 'submitting') and o.hold_reason is null),
    'held', (select coalesce(jsonb_object_agg(h.hold_reason, h.n), '{}') from
              (select o.hold_reason, count(*) as n from :"schema".orders as o where o.hold_reason is not null and o.due_at is not null group by 1) as h),
    'moves', (select coalesce(jsonb_object_agg(m.state, m.n), '{}') from
               (select x.state, count(*) as n from :"schema".money_moves as x where x.due_at is not null group by 1) as m),
    'to_capture', (select count(*) from :"schema".orders as o
                    where o.payment_status = 'authorized' and o.status in ('submitted_to_zinc', 'processing', 'completed')),
    'open_alerts', (select count(*) from :"schema".alerts where closed_at is null),
    'open_findings', (select count(*) from :"schema".findings where closed_at is null),
    'differences', (select count(*) from :"schema".differences where gone_at is null),
    'paused_providers', (select coalesce(jsonb_agg(p.provider), '[]') from :"schema".provider_accounts as p where p.paused_until > at),
    'pause_codes', (select coalesce(jsonb_object_agg(p.provider, p.paused_code), '{}') from :"schema".provider_accounts as p where p.paused_until > at),
    'messages', (select coalesce(jsonb_object_agg(t.name, t.count), '{}') from :"schema".tallies as t where t.name like 'stripe\_webhook\_%'),
    'shop', (select jsonb_build_object('held_because', s.held_because, 'held_since', s.held_since, 'compare_since', s.compare_since,
               'forgotten_from', s.forgotten_from, 'compared_at', s.compared_at, 'forgotten', :"schema".forgotten_effects())
               from :"schema".shop as s),
    'workers_alive', (select count(*) from :"schema".workers where seen_at > at - interval '1 minute' and stopped_at is null));
end $$;
