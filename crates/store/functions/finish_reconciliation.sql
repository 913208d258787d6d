-- Purpose: ends a comparison: tells of what the partners do not know (each asked for by its id, after
--          it was not in the list), of movements of money that wait for too long, and closes what was
--          not seen again: only where its partner's list was read to its end, and only what this
--          comparison reached back to. A purchase of which nobody says when it was made may be found
--          gone by whichever reaches as far back as the one that found it, another account by any. // G27, C11
--          Sides that were read to their end: payments, refunds, purchases.
-- Locks:   the rows of differences and alerts that are gone; see tell_differences.
-- Rows:    gone_at of differences, closed_at of their alerts; see tell_differences.
-- Callers: the service's comparison.
create or replace function :"schema".finish_reconciliation(run_at timestamptz, since timestamptz, sides text[], missing jsonb)
returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  overdue jsonb;
  gone_count integer;
begin
  if run_at is null or since is null or sides is null or missing is null then
    raise exception 'a comparison ends with its time, its beginning, its sides and what was missing' using errcode = '22023';
  end if;
  select jsonb_agg(jsonb_build_object('kind', 'move_overdue', 'subject', m.id, 'order_id', m.order_id, 'about_at', m.created_at,
           'ripe', true, 'data', jsonb_build_object('move_id', m.id, 'move', m.kind, 'state', m.state, 'amount_minor', m.amount_minor,
             'currency', m.currency, 'payment_intent', m.payment_intent, 'calls', m.calls, 'code', m.code)))
    into overdue
    from :"schema".money_moves as m
    -- Since it was planned, or since a person approved it.
   cross join lateral (select greatest(m.created_at, max(e.at)) as stands_since from :"schema".order_events as e
                        where e.order_id = m.order_id and e.data ->> 'move_id' = m.id::text) as w
   where m.due_at is not null
     -- A bank takes days, and until then Stripe cancels nothing.
     and not (m.kind = 'cancel' and exists (select from :"schema".payments as p
           where p.payment_intent = m.payment_intent and p.stripe_status = 'processing'))
     and (m.state in ('open', 'unknown') and w.stands_since < run_at - interval '1 hour'
       or m.state = 'awaiting_approval' and w.stands_since < run_at - interval '1 day');
  missing := missing || coalesce(overdue, '[]');
  if missing <> '[]' then
    perform :"schema".tell_differences(missing, run_at);
  end if;
  with past as (
    select d.id from :"schema".differences as d
     where d.gone_at is null and d.last_at < run_at
       and (d.kind in ('bought_unpaid', 'ended_with_money', 'refunded_and_bought', 'move_overdue')
         or (d.about_at >= since or d.kind = 'account_differs'
             -- Lists know whole seconds, so two reaches of the same length differ a little.
             or d.kind = 'purchase_without_order' and d.data ->> 'placed_at' is null
                and run_at - since >= d.first_at - d.about_at - interval '1 minute') and case
              when d.kind = 'account_differs' then case d.subject when 'stripe' then 'payments' else 'purchases' end
              when d.kind like 'refund\_%' then 'refunds'
              when d.kind like 'purchase\_%' then 'purchases'
              else 'payments' end = any (sides))
     order by d.kind, d.subject
       for no key update
  ), gone as (
    update :"schema".differences as d set gone_at = run_at from past as p where d.id = p.id
    returning d.kind, d.subject
  ), closed as (
    update :"schema".alerts as a set closed_at = run_at from gone as g
     where a.rule = 'difference' and a.subject = left(g.kind || ':' || g.subject, 200) and a.closed_at is null
  )
  select count(*) into gone_count from gone;
  return (select jsonb_build_object('gone', gone_count, 'open', count(*), 'new', count(*) filter (where d.first_at = run_at))
            from :"schema".differences as d where d.gone_at is null);
end $$;
