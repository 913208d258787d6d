-- Purpose: compares some refunds of Stripe's list with the movements of money: refunds that this shop
--          did not order, and those of another amount or end than it has recorded. Only of payments
--          that are tied to orders; what a person returned of others is their own affair. // G27, C11
--          Facts are an array of objects: refund_id, payment_intent, amount_minor, currency, status,
--          named_move (the note that we sent along), created_s. When a bank gave a refund back is not
--          dated: that is told when two comparisons have seen it. Where Stripe leaves the status open (null)
--          nothing is said of it, but a refund that nobody ordered here is one all the same.
-- Locks:   see tell_differences.
-- Rows:    see tell_differences.
-- Callers: the service's comparison.
create or replace function :"schema".reconcile_refunds(run_at timestamptz, facts jsonb) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  calm_from timestamptz := run_at - interval '15 minutes';
  found jsonb;
begin
  with known as (
    select l.*, to_timestamp(l.created_s) as created_at, p.order_id, m.id as move_id, m.amount_minor as ours_minor,
           m.currency as ours_currency, m.state, to_timestamp(l.created_s) <= calm_from as calm,
           -- While an engine still asks about it, its next question is not long overdue.
           coalesce(m.due_at, m.settled_at) <= calm_from as still
      from jsonb_to_recordset(facts) as l (refund_id text, payment_intent text, amount_minor bigint, currency text, status text,
             named_move text, created_s bigint)
      join :"schema".payments as p on p.payment_intent = l.payment_intent
      left join :"schema".money_moves as m on m.payment_intent = l.payment_intent and m.kind = 'refund'
       and (m.stripe_id = l.refund_id or m.stripe_id is null and m.id::text = l.named_move)
  ), judged as (
    select k.*, d.kind, d.ripe, d.undated from known as k
     cross join lateral (values
       ('refund_without_move', k.move_id is null and coalesce(k.status not in ('failed', 'canceled'), true), k.calm, false),
       ('refund_amount_differs', k.move_id is not null
         and (k.amount_minor <> k.ours_minor or k.currency is distinct from k.ours_currency::text), k.calm, false),
       ('refund_status_differs', k.move_id is not null and k.status is not null and k.state <> case when k.status = 'succeeded' then 'done'
         when k.status in ('failed', 'canceled') then 'failed' else 'accepted' end, k.calm and k.still, k.state = 'done')
       ) as d (kind, holds, ripe, undated)
     where d.holds
  )
  select jsonb_agg(jsonb_build_object('kind', j.kind, 'subject', j.refund_id, 'order_id', j.order_id, 'about_at', j.created_at,
           'ripe', coalesce(j.ripe, false), 'undated', j.undated, 'data', jsonb_build_object('refund_id', j.refund_id, 'payment_intent', j.payment_intent,
             'stripe_status', j.status, 'amount_minor', j.amount_minor, 'currency', j.currency, 'move_id', j.move_id, 'named_move', j.named_move,
             'move_state', j.state, 'move_amount_minor', j.ours_minor)))
    into found from judged as j;
  if found is not null then
    perform :"schema".tell_differences(found, run_at);
  end if;
end $$;
