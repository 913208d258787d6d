-- Purpose: intends the capture of reserved money for orders that the provider has accepted, when the
--          shop captures after the purchase; and tells a person when four fifths of the time to capture
--          have passed without one; and ends requests that no second person approved. // G29, G35
-- Locks:   orders in id order, for no key update, skip locked; then their payments.
-- Rows:    at most batch_max moves with their events; at most batch_max findings.
-- Callers: the service's engine.
create or replace function :"schema".plan_captures(worker_param text, batch_max integer) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz := :"schema".clock_now();
  one record;
  planned integer := 0;
begin
  perform :"schema".withdraw_unapproved(worker_param, batch_max, at);
  for one in
    select o.id, o.total_minor, p.payment_intent
      from :"schema".orders as o join :"schema".payments as p on p.order_id = o.id and p.live
     where o.payment_status = 'authorized' and o.status in ('submitted_to_zinc', 'processing', 'completed')
       and p.stripe_status = 'requires_capture' and p.named_order = o.id::text
       -- While somebody wants it cancelled, only when the time is nearly over.
       and (o.hold_reason is distinct from 'cancel_requested' or at >= p.authorised_at + (p.capture_before - p.authorised_at) * 0.8)
       and not exists (select from :"schema".money_moves as m where m.payment_intent = p.payment_intent and m.kind = 'capture')
     order by o.id limit batch_max
       for no key update of o skip locked
  loop
    planned := planned + (:"schema".plan_move(one.id, one.payment_intent, 'capture', one.total_minor, 'goods_bought',
      'captured after the provider took the order', 'open', 'engine/' || worker_param, 'options', at) is not null)::integer;
  end loop;
  for one in
    select o.id, p.payment_intent, p.capture_before, o.status
      from :"schema".payments as p join :"schema".orders as o on o.id = p.order_id
     where p.live and p.stripe_status = 'requires_capture' and o.status not in ('cancelled', 'failed')
       and at >= p.authorised_at + (p.capture_before - p.authorised_at) * 0.8
       and not exists (select from :"schema".findings as f where f.order_id = o.id and f.kind = 'capture_due'
                        and f.subject = p.payment_intent and f.closed_at is null)
     order by p.capture_before limit batch_max
  loop
    perform :"schema".open_finding(one.id, 'capture_due', one.payment_intent, jsonb_build_object('capture_before', one.capture_before,
        'status', one.status), 'engine/' || worker_param, at,
      'Reserved money is not captured, and most of the time for it has passed. See why; then it lapses.');
  end loop;
  return planned;
end $$;
