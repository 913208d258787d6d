-- Purpose: makes every submission that nobody looks after run to its right end without a second
--          purchase: an ended lease makes its attempt unknown and due, and the next worker repeats
--          the same bytes under the same key. It never hands an order back for a new purchase; a
--          dead key or used-up tries go to needs_review in the same transaction. // A2, B5, B6, B7, G15
--          The age counts from the end of the lease, never from the order's; what the stuck query
--          shows is taken as soon as its lease has ended. A live lease is left alone however old the
--          order is.
-- Locks:   orders, for update, skip locked, in the order of their due times; then their attempts.
-- Rows:    at most options.batch (default 500) per kind of neglect; one change and one event each, or,
--          when only the schedule was lost, a new due time without an event.
-- Callers: service_role, the service (with age 0, every second), people.
create or replace function :"schema".recover_stuck_orders(
  max_age_minutes integer default 2, options jsonb default '{}'
) returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz := :"schema".clock_now();
  batch integer;
  who record;
  found_orders jsonb;
  ended jsonb;
  dead jsonb;
  rescheduled integer;
begin
  if max_age_minutes is null or max_age_minutes < 0 then
    raise exception 'max_age_minutes must be 0 or more minutes since the end of the lease'
      using errcode = '22023';
  end if;
  perform :"schema".check_options(options, array['actor', 'batch']);
  batch := coalesce((options ->> 'batch')::integer, 500);
  select * into who from :"schema".event_actor(options);
  ended := :"schema".recover_ended_leases(at - max_age_minutes * interval '1 minute', batch, at, who.actor, who.actor_source);
  dead := :"schema".recover_dead_keys(batch, at, who.actor, who.actor_source);
  with neglected as (
    select o.id from :"schema".orders as o
     where o.status = 'submitting' and o.due_at <= at
       and o.updated_at < at - greatest(max_age_minutes, 2) * interval '1 minute'
       and not exists (select from :"schema".order_attempts as a
                        where a.order_id = o.id and a.settled_at is null and a.lease_token is not null)
     order by o.updated_at limit batch
       for update skip locked
  )
  update :"schema".orders as o set updated_at = at, due_at = at from neglected as n where o.id = n.id;
  get diagnostics rescheduled = row_count;
  perform :"schema".close_late_ids(at);
  found_orders := ended || dead;
  return jsonb_build_object(
    'success', true,
    'recovered', (select count(*) from jsonb_array_elements(found_orders) as f where f ->> 'status' = 'submitting'),
    'needs_review', (select count(*) from jsonb_array_elements(found_orders) as f where f ->> 'status' = 'needs_review'),
    'rescheduled', rescheduled,
    'orders', found_orders);
end $$;
