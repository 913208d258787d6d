-- Purpose: lengthens leases that their holder still has; a lost lease is not given back.
-- Locks:   orders in id order, for no key update; then their attempts.
-- Rows:    per order one change without an event (nothing happened to the order) and one attempt.
-- Callers: the service's engine.
create or replace function :"schema".renew_leases(ids uuid[], tokens uuid[], lease_ms integer)
returns setof uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz := :"schema".clock_now();
  lease_end timestamptz := at + lease_ms * interval '1 millisecond';
begin
  perform from :"schema".orders as o where o.id = any (ids) order by o.id for no key update;
  return query
  with renewed as (
    update :"schema".order_attempts as a set lease_expires_at = lease_end
      from unnest(ids, tokens) as w (id, token)
     where a.order_id = w.id and a.settled_at is null and a.lease_token = w.token and a.lease_expires_at > at
    returning a.order_id
  )
  update :"schema".orders as o set due_at = lease_end, updated_at = at
    from renewed as r where o.id = r.order_id and o.status = 'submitting'
  returning o.id;
end $$;
