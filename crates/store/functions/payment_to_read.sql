-- Purpose: the payment that must be read at Stripe before its order can be sent now: its facts are older
--          than half of what the claim allows, or Stripe has sent word since. // G2, ruling 14
-- Locks:   none.
-- Rows:    none written.
-- Callers: the service's engine, for one order that somebody asks for.
create or replace function :"schema".payment_to_read(order_uuid uuid)
returns table (order_id uuid, payment_intent text, asked_us bigint)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  at timestamptz := :"schema".clock_now();
begin
  return query
  select p.order_id, p.payment_intent, (extract(epoch from at) * 1000000)::bigint
    from :"schema".payments as p join :"schema".orders as o on o.id = p.order_id
   where p.order_id = order_uuid and p.live and o.status in ('pending', 'submitting')
     and (p.stale_since is not null or p.read_at > at
       or coalesce(p.read_at, '-infinity') < at - :"schema".setting_ms('gate_age_ms') / 2);
end $$;
