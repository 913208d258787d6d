-- Purpose: gives an engine the movements of money that are due: to be sent, to be sent again, or to be
--          asked about. Each is leased; nothing may be sent before commit_move. // C6, G28
--          A call that has ended for us may go on at Stripe: of a refund, where a second one under another
--          key would return money twice, it counts as over ten minutes later.
--          None while the shop is held, or where the database knows less of the worker than he himself. // G22
-- Locks:   money_moves, for no key update, skip locked.
-- Rows:    the lease of at most batch_max moves.
-- Callers: the service's engine.
create or replace function :"schema".lease_moves(
  worker_param text, token uuid, lease_ms integer, batch_max integer, beats_seen bigint default 0
)
returns table (
  id uuid, order_id uuid, payment_intent text, kind text, amount_minor bigint, currency text, state text, key_number integer,
  calls integer, key_dead boolean, call_over boolean, target text, body bytea, stripe_id text, cause text, code text, wanted boolean
)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
#variable_conflict use_column
declare
  at timestamptz := :"schema".clock_now();
begin
  if worker_param is null or token is null or lease_ms is null or batch_max is null then
    raise exception 'a lease needs a worker, a token, a length and a number' using errcode = '22023';
  end if;
  if not :"schema".may_claim(worker_param, beats_seen, at) then
    return;
  end if;
  return query
  with due as (
    select m.id from :"schema".money_moves as m
     where m.due_at <= at and m.state in ('open', 'unknown', 'accepted') and coalesce(m.lease_expires_at <= at, true)
     order by m.due_at limit batch_max
       for no key update skip locked
  )
  update :"schema".money_moves as m
     set lease_token = token, lease_expires_at = at + lease_ms * interval '1 millisecond',
         due_at = at + lease_ms * interval '1 millisecond'
    from due as d join :"schema".money_moves as s on s.id = d.id join :"schema".orders as o on o.id = s.order_id
   where m.id = d.id
  returning m.id, m.order_id, m.payment_intent, m.kind, m.amount_minor, m.currency::text, m.state, m.key_number, m.calls,
    coalesce(m.key_dead_at <= at, false),
    coalesce(m.call_deadline_at + case m.kind when 'refund' then interval '10 minutes' else '0' end <= at, true),
    m.target, m.body, m.stripe_id, m.cause, m.code, :"schema".move_wanted(o, m.kind, m.cause);
end $$;
