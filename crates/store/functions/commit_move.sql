-- Purpose: commits the call of a movement of money before its first byte: its exact bytes, which never
--          change, its key, and the end of the call. Behind the fence of its lease. // C6, G3, G28
--          Nothing is sent that its order does not need, or must not have, any more (move_wanted). // G7
--          A key lives 23 hours; renew gives the next one, and is for the caller who has just read at
--          Stripe that the former ones had no effect: a refund only once its key is dead and its last
--          call, which may go on at Stripe, ten minutes over.
-- Locks:   the order, for no key update; then the move.
-- Rows:    one move; nothing, and no row, when a condition fails.
-- Callers: the service's engine.
create or replace function :"schema".commit_move(
  token uuid, move_uuid uuid, new_target text, new_body bytea, renew boolean, call_ms integer, key_life_ms bigint
) returns table (key text, target text, body bytea)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
#variable_conflict use_column
declare
  at timestamptz;
  ordered :"schema".orders;
begin
  select o.* into ordered from :"schema".orders as o
   where o.id = (select m.order_id from :"schema".money_moves as m where m.id = move_uuid) for no key update;
  at := :"schema".clock_now(); -- after the lock
  return query
  update :"schema".money_moves as m
     set state = 'unknown', calls = m.calls + 1,
         target = coalesce(m.target, new_target), body = coalesce(m.body, new_body),
         key_number = m.key_number + renew::integer,
         first_sent_at = case when renew or m.first_sent_at is null then at else m.first_sent_at end,
         key_dead_at = case when renew or m.first_sent_at is null then at + key_life_ms * interval '1 millisecond' else m.key_dead_at end,
         call_deadline_at = at + call_ms * interval '1 millisecond'
   where m.id = move_uuid and m.lease_token = token and m.lease_expires_at > at + call_ms * interval '1 millisecond'
     and m.state in ('open', 'unknown') and coalesce(m.call_deadline_at <= at, true)
     and case when renew then m.first_sent_at is not null and (m.kind <> 'refund' or m.key_dead_at <= at and m.call_deadline_at <= at - interval '10 minutes')
              else coalesce(m.key_dead_at > at, true) end
     and :"schema".move_wanted(ordered, m.kind, m.cause)
  returning m.kind || ':' || m.id || ':' || m.key_number, m.target, m.body;
end $$;
