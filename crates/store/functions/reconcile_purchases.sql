-- Purpose: compares some entries of the provider's list with the orders: purchases that no order asked
--          for, those whose intent this database does not know (it forgot them, because every intent is
--          committed before its call: G22), those that their order does not know of (a second one, or one whose answer nobody
--          recorded), and delivered orders whose purchase failed. What the list leaves out proves
--          nothing. // G27, C11, G6
--          Facts are an array of objects: request_id, order_id and attempt_id as the provider's notes
--          say, outcome (bought, failed, working, or null), placed_s (if the list says when). A
--          purchase of which nobody says when it was made is as old as since at least; see
--          finish_reconciliation.
-- Locks:   see tell_differences.
-- Rows:    see tell_differences.
-- Callers: the service's comparison.
create or replace function :"schema".reconcile_purchases(run_at timestamptz, since timestamptz, facts jsonb) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  calm_from timestamptz := run_at - interval '15 minutes';
  found jsonb;
begin
  with known as (
    select l.request_id, l.outcome, l.attempt_id, l.order_id as named_order, to_timestamp(l.placed_s) as placed_at, o.id as order_id, o.status, o.created_at,
           o.zinc_request_id, a.first_sent_at, l.attempt_id is not null and a.attempt_id is null as forgotten, held.order_id as holder_id, held.settled_by, h.status as holder_status,
           h.created_at as holder_created_at,
           -- The answer of a call under way may still be recorded.
           coalesce(greatest(a.first_sent_at, a.call_deadline_at, case when o.status = 'submitting' then a.lease_expires_at end),
                    o.created_at) <= calm_from as calm
      from jsonb_to_recordset(facts) as l (request_id text, order_id uuid, attempt_id uuid, outcome text, placed_s bigint)
      left join :"schema".order_attempts as a on a.attempt_id = l.attempt_id
      left join :"schema".orders as o on o.id = coalesce(a.order_id, l.order_id)
      left join lateral (
        select x.order_id, x.settled_by from (
          select h.order_id, h.settled_by::text from :"schema".order_attempts as h where h.request_id = l.request_id
          union all
          select h.id, null from :"schema".orders as h where h.zinc_request_id = l.request_id) as x (order_id, settled_by)
         order by x.settled_by is null
         limit 1) as held on true
      left join :"schema".orders as h on h.id = held.order_id
  ), judged as (
    select k.*, d.kind, d.order_uuid, d.about_at, d.ripe from known as k
     cross join lateral (values
       ('purchase_without_order', k.outcome = 'bought' and k.order_id is null and k.holder_id is null,
         null::uuid, coalesce(k.placed_at, since), k.forgotten or coalesce(k.placed_at <= calm_from, true)),
       ('purchase_forgotten', k.forgotten and k.order_id is not null and k.outcome is distinct from 'failed',
         k.order_id, coalesce(k.placed_at, since), true),
       ('purchase_not_recorded', k.outcome = 'bought' and not k.forgotten and k.order_id is not null and k.holder_id is distinct from k.order_id,
         k.order_id, coalesce(k.first_sent_at, k.placed_at, k.created_at), k.calm),
       -- Whose it is says whoever holds its id; the notes may be lost.
       ('purchase_failed', k.outcome = 'failed' and k.settled_by = 'delivered' and k.holder_status = 'completed',
         k.holder_id, coalesce(k.first_sent_at, k.holder_created_at), coalesce(k.calm, k.holder_created_at <= calm_from))
       ) as d (kind, holds, order_uuid, about_at, ripe)
     where d.holds
  )
  select jsonb_agg(jsonb_build_object('kind', j.kind, 'subject', j.request_id, 'order_id', j.order_uuid, 'about_at', j.about_at,
           'ripe', coalesce(j.ripe, false), 'data', jsonb_build_object('request_id', j.request_id, 'attempt_id', j.attempt_id,
             'outcome', j.outcome, 'placed_at', j.placed_at, 'named_order', j.named_order, 'order_status', case j.kind when 'purchase_failed' then j.holder_status else j.status end,
             'own_request_id', j.zinc_request_id)))
    into found from judged as j;
  if found is not null then
    perform :"schema".tell_differences(found, run_at);
  end if;
end $$;
