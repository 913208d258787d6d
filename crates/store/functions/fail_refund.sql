-- Purpose: records that a refund failed after it was done: the bank would not take the money, and Stripe
--          has given it back to us. The customer still waits for it, so a person is shown it. // G28
-- Locks:   the order, for no key update; then the move.
-- Rows:    one move, one change with its event, one finding; nothing when it is not a refund that is
--          done under this id of Stripe's.
-- Callers: the service's engine.
create or replace function :"schema".fail_refund(worker_param text, move_uuid uuid, refund_id text, new_code text) returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz;
  ordered :"schema".orders;
  move :"schema".money_moves;
begin
  select o.* into ordered from :"schema".orders as o
   where o.id = (select m.order_id from :"schema".money_moves as m where m.id = move_uuid) for no key update;
  at := :"schema".clock_now(); -- after the lock, so that history runs forward
  update :"schema".money_moves as m
     set state = 'failed', code = left(new_code, 100), stripe_status = 'failed', settled_at = at
   where m.id = move_uuid and m.kind = 'refund' and m.state = 'done' and m.stripe_id = refund_id
  returning * into move;
  if not found then
    return 'stale';
  end if;
  update :"schema".payments as p set next_read_at = at, stale_since = greatest(p.stale_since, at)
   where p.payment_intent = move.payment_intent;
  perform :"schema".write_event(ordered.id, ordered.version, 'move_ended', ordered.status, ordered.status,
    jsonb_strip_nulls(jsonb_build_object('move_id', move.id, 'move', 'refund', 'amount_minor', move.amount_minor,
      'state', 'failed', 'state_before', 'done', 'code', left(new_code, 100), 'stripe_id', move.stripe_id)),
    null, at, 'engine/' || worker_param, 'options');
  perform :"schema".open_finding(ordered.id, 'refund_failed', move.id::text, jsonb_build_object('move_id', move.id,
      'amount_minor', move.amount_minor, 'code', left(new_code, 100), 'payment_intent', move.payment_intent), 'engine/' || worker_param, at,
    'The bank gave this refund back to Stripe; the money is ours again, and the customer waits for it. See why at Stripe, then orders refund.');
  return 'recorded';
end $$;
