-- Purpose: the accepted orders whose provider state should be read now. Taking them moves their due
--          time ahead, so that engines side by side do not all read the same; nothing is decided by it.
-- Locks:   orders, for no key update, skip locked.
-- Rows:    due_at of at most batch_max orders; no event.
-- Callers: the service's engine.
create or replace function :"schema".due_watches(batch_max integer)
returns table (id uuid, version bigint, status text, zinc_request_id text, attempt_id uuid,
  generation integer, currency text, price_cap_minor bigint, first_sent_at timestamptz, read_at timestamptz)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz := :"schema".clock_now();
  next_poll timestamptz := at + :"schema".setting_ms('poll_ms');
begin
  return query
  with due as (
    select o.id from :"schema".orders as o
     where o.status in ('submitted_to_zinc', 'processing') and o.due_at <= at
     order by o.due_at limit batch_max
       for no key update skip locked
  ), moved as (
    update :"schema".orders as o set due_at = next_poll from due as d where o.id = d.id
    returning o.id, o.version, o.status, o.zinc_request_id, o.generation, o.currency::text, o.price_cap_minor
  )
  select m.id, m.version::bigint, m.status, m.zinc_request_id::text, a.attempt_id, m.generation::integer, m.currency,
         coalesce(a.price_cap_minor, m.price_cap_minor), a.first_sent_at, at
    from moved as m
    left join :"schema".order_attempts as a on a.order_id = m.id and a.settled_at is null;
end $$;
