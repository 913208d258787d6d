-- Purpose: ends requests to move money that no second person has approved within a day, and tells that the
--          money is still owed. // G35
-- Locks:   orders, for no key update, skip locked; then their moves.
-- Rows:    at most batch_max moves with their events and findings.
-- Callers: plan_captures only.
create or replace function :"schema".withdraw_unapproved(worker_param text, batch_max integer, at timestamptz) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  one record;
begin
  for one in
    select m.id, m.payment_intent, m.amount_minor, o.id as order_id, o.version, o.status
      from :"schema".money_moves as m join :"schema".orders as o on o.id = m.order_id
     where m.due_at <= at and m.state = 'awaiting_approval'
     order by m.due_at limit batch_max
       for no key update skip locked
  loop
    update :"schema".money_moves as m set state = 'withdrawn', code = 'not_approved', due_at = null, settled_at = at where m.id = one.id;
    perform :"schema".write_event(one.order_id, one.version, 'move_ended', one.status, one.status, jsonb_build_object('move_id', one.id,
      'move', 'refund', 'amount_minor', one.amount_minor, 'state', 'withdrawn', 'code', 'not_approved'), null, at, 'engine/' || worker_param, 'options');
    update :"schema".payments as p set next_read_at = at, stale_since = coalesce(p.stale_since, at) where p.payment_intent = one.payment_intent;
    perform :"schema".close_finding(one.order_id, array['refund_awaits_approval'], at);
    perform :"schema".open_finding(one.order_id, 'refund_owed', one.payment_intent, jsonb_build_object('left_minor', one.amount_minor), 'engine/' || worker_param, at,
      'No second person approved this refund within a day, and the money is still owed. orders refund asks for it anew.');
  end loop;
end $$;
