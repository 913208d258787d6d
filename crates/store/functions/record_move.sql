-- Purpose: records what became of a movement of money, behind the fence of its lease: still open or
--          unknown and due again, accepted by Stripe, or ended. An end writes the event of its order, has
--          the payment read again, and shows a person what did not work. // G5, G28
--          'withdrawn' is for a move that nothing needs any more: it was never sent.
-- Locks:   the order, for no key update; then the move.
-- Rows:    one move; at an end one change with its event; at most one finding.
-- Callers: the service's engine.
create or replace function :"schema".record_move(
  worker_param text, token uuid, move_uuid uuid, new_state text, new_code text, new_stripe_id text, new_stripe_status text, delay_ms bigint
) returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz;
  ordered :"schema".orders;
  move :"schema".money_moves;
  ends boolean := new_state in ('done', 'refused', 'failed', 'withdrawn');
begin
  select o.* into ordered from :"schema".orders as o
   where o.id = (select m.order_id from :"schema".money_moves as m where m.id = move_uuid) for no key update;
  at := :"schema".clock_now(); -- after the lock, so that history runs forward
  update :"schema".money_moves as m
     set state = new_state, code = left(new_code, 100), stripe_id = coalesce(new_stripe_id, m.stripe_id),
         stripe_status = left(new_stripe_status, 60), lease_token = null, lease_expires_at = null,
         call_deadline_at = case when m.call_deadline_at is not null then least(m.call_deadline_at, at) end,
         due_at = case when not ends then at + delay_ms * interval '1 millisecond' end, settled_at = case when ends then at end
   where m.id = move_uuid and m.lease_token = token and m.lease_expires_at > at
     and m.state in ('open', 'unknown', 'accepted') and (new_state <> 'withdrawn' or m.calls = 0)
     and (new_state <> 'open' or m.state = 'open')
  returning * into move;
  if not found then
    return 'stale';
  end if;
  update :"schema".payments as p set next_read_at = at, stale_since = greatest(p.stale_since, at)
   where p.payment_intent = move.payment_intent and (ends or new_state = 'accepted');
  if ends then
    perform :"schema".write_event(ordered.id, ordered.version, 'move_ended', ordered.status, ordered.status,
      jsonb_strip_nulls(jsonb_build_object('move_id', move.id, 'move', move.kind, 'amount_minor', move.amount_minor,
        'state', new_state, 'code', left(new_code, 100), 'stripe_id', move.stripe_id)), null, at, 'engine/' || worker_param, 'options');
    -- What was told is over; of a refund, when nothing is left that the customer could wait for.
    perform :"schema".close_finding(ordered.id, case
      when move.kind <> 'refund' then array['move_unknown', 'capture_due']
      when new_state = 'done' and :"schema".money_left(move.payment_intent) <= 0
        then array['move_unknown', 'refund_refused', 'refund_failed', 'refund_owed']
      else array['move_unknown'] end, at);
  end if;
  if new_state in ('refused', 'failed') and not (move.kind = 'cancel' and new_code in ('succeeded', 'canceled', 'not_wanted', 'reserved')
     or move.kind = 'capture' and ordered.status in ('cancelled', 'failed')) then
    perform :"schema".open_finding(ordered.id, move.kind || '_' || new_state, move.id::text, jsonb_build_object('move_id', move.id,
        'amount_minor', move.amount_minor, 'code', left(new_code, 100), 'payment_intent', move.payment_intent), 'engine/' || worker_param, at, case
        when move.kind = 'refund' then 'Stripe did not return this money to the customer; it is still ours. See why at Stripe, then orders refund.'
        when move.kind = 'capture' and ordered.status <> 'pending' then 'The goods are bought, and their money could not be captured. Ask the customer for another payment, or the provider to cancel.'
        when move.kind = 'capture' then 'The reserved money could not be captured. Nothing is bought; cancel the order, or name another payment.'
        else 'The PaymentIntent could not be cancelled. See at Stripe whether it can still be paid.' end);
  elsif new_state = 'unknown' and (move.calls >= 5 or new_code = 'stored_error') then
    perform :"schema".open_finding(ordered.id, 'move_unknown', move.id::text, jsonb_build_object('move_id', move.id, 'code', left(new_code, 100)),
      'engine/' || worker_param, at, case
        -- The key keeps its error, and another one waits for its end. ADR 9
        when new_code = 'stored_error' and move.kind = 'refund' then 'Stripe keeps an error for this refund. It goes on by itself when its key has ended, within a day; see at Stripe whether the customer has the money already.'
        else 'Stripe does not say whether this movement of money was made. It is asked again by itself; see its status page.' end);
  end if;
  return 'recorded';
end $$;
