-- Purpose: keeps updated_at of waiting submissions fresh, so that the specification's stuck query
--          finds only what nobody looks after: an engine that calls this has them in its schedule
--          (back-off, quarantine, a paused account, a hold until its key dies, a shop that is held). What is leased is
--          touched by its holder; what is overdue by 90 seconds although neither it is held nor its
--          account paused has no engine and is not touched, so that the query shows it. // ruling 13
-- Locks:   orders, for no key update, skip locked, at most batch_max.
-- Rows:    updated_at of that many orders; no event, because nothing happened to them.
-- Callers: the service's engine, every few seconds, until it returns less than batch_max.
create or replace function :"schema".touch_waiting_orders(batch_max integer) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz := :"schema".clock_now();
  touched integer;
begin
  with waiting as (
    select o.id from :"schema".orders as o
     where o.status = 'submitting' and o.updated_at < at - interval '45 seconds'
       and not exists (select from :"schema".order_attempts as a
                        where a.order_id = o.id and a.settled_at is null and a.lease_token is not null)
       and (o.due_at > at - interval '90 seconds' or o.hold_reason is not null or exists (
             select from :"schema".order_attempts as a
               join :"schema".provider_accounts as p on p.provider = a.provider
              where a.order_id = o.id and a.settled_at is null and p.paused_until > at - interval '90 seconds')
            or exists (select from :"schema".shop as s where s.one and s.held_since is not null))
     order by o.updated_at
     limit batch_max
       for no key update skip locked
  )
  update :"schema".orders as o set updated_at = at from waiting as w where o.id = w.id;
  get diagnostics touched = row_count;
  return touched;
end $$;
