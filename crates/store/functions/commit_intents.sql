-- Purpose: the second half of the one claim operation: commits key, exact bytes, digest and cap of
--          each purchase together with its lease, before the first byte is sent. // G3, G11
--          A null body repeats the attempt that is open, with its stored bytes. An order that
--          changed since it was locked, whose payment was not read and found good within gate_age_ms
--          (G2), whose key is dead, or whose last call may still be running at the provider is left out, and so cannot be sent. Nothing at all is claimed for another
--          account than the one that the shop works with (claim_account), while the shop is held, or where the
--          database knows less of the worker than he himself (beats_seen): it was restored. // G22
--          Where this database's clock shows more than the worker knows that it can (clock_at_most), it has
--          jumped ahead: whether a call may still be running is then told by his. // G16
--          A purchase that the database forgot and the provider's list has was sent when that says: its key
--          is as old as that, and its forgotten call counts.
-- Locks:   the orders locked by lock_due_orders, the account's row for key share, then their attempts.
-- Rows:    per order one change, one event and one attempt (inserted or leased again).
-- Callers: the service's engine, in the transaction of lock_due_orders.
create or replace function :"schema".commit_intents(
  provider_param text, worker_param text, token uuid, lease_ms integer, call_ms integer, key_life_ms bigint,
  ids uuid[], versions bigint[], generations integer[], attempt_ids uuid[], provider_keys text[],
  bodies bytea[], digests bytea[], account_mark_param bytea default null, beats_seen bigint default 0, clock_at_most timestamptz default null
) returns table (order_id uuid, generation integer, calls integer)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
set plan_cache_mode = force_generic_plan -- by key, planned once per session, however long the queue is
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  at timestamptz := :"schema".clock_now();
  lease_end timestamptz := at + lease_ms * interval '1 millisecond';
  call_end timestamptz := at + call_ms * interval '1 millisecond';
  key_life interval := key_life_ms * interval '1 millisecond';
  bound interval := :"schema".setting_ms('processing_bound_ms');
  fresh_from timestamptz := at - :"schema".setting_ms('gate_age_ms');
  standing bytea;
  good record;
begin
  select p.account_mark into standing from :"schema".provider_accounts as p
   where p.provider = provider_param for key share;
  if standing is distinct from account_mark_param then
    -- No fault of one row: no order may go to a person for it.
    raise exception 'the shop works with another account of the provider than this engine'
      using errcode = '55000', hint = 'Stop this engine, or start it with the account''s token and address.';
  end if;
  if not :"schema".may_claim(worker_param, beats_seen, at) then
    return;
  end if;
  with wanted as (
    select distinct on (id) * from unnest(ids, versions, generations, attempt_ids, provider_keys, bodies, digests)
      as w (id, version, generation, attempt_id, provider_key, body, digest)
     order by id
  ), ready as (
    select w.*, o.status, o.price_cap_minor, a.order_id is not null as repeats, past.sent_at, coalesce(a.calls, 0) + case when past.sent_at is null or a.order_id is not null then 1 else 2 end as calls
      from wanted as w
      join :"schema".orders as o on o.id = w.id and o.version = w.version
       and o.status in ('pending', 'submitting') and o.hold_reason is null and (o.payment_status = 'paid' or o.payment_status = 'authorized' and o.capture_when = 'after_purchase' and not exists (
             select from :"schema".money_moves as c where c.order_id = o.id and c.kind = 'cancel' and c.state = 'unknown'))
      join :"schema".payments as f on f.order_id = o.id and f.live and f.deviation is null and f.stale_since is null
       and f.read_at between fresh_from and at
      left join :"schema".order_attempts as a on a.order_id = o.id and a.settled_at is null
      left join lateral (select min(d.about_at) as sent_at from :"schema".differences as d
                          where d.order_id = w.id and d.gone_at is null and d.kind = 'purchase_forgotten'
                            and d.data ->> 'attempt_id' = w.attempt_id::text) as past on true
     where case when a.order_id is null then w.body is not null and w.generation = o.generation + 1
             and coalesce(past.sent_at + key_life > call_end, true)
           else w.body is null and a.generation = w.generation and a.lease_token is null and a.provider = provider_param
             and a.outcome in ('open', 'unknown')
             and coalesce(a.key_dead_at > at, true) and coalesce(a.call_deadline_at + bound <= least(at, clock_at_most), true) end
       -- A message of Stripe that comes now waits for this claim, or this claim for it. // C4
       for share of f
  )
  select array_agg(id) as ids, array_agg(version) as versions, array_agg(generation) as generations,
         array_agg(repeats) as repeats, array_agg(attempt_id) as attempt_ids,
         array_agg(provider_key) as provider_keys, array_agg(body) as bodies, array_agg(digest) as digests,
         array_agg(price_cap_minor) as caps, array_agg(sent_at) as sents, array_agg(calls) as calls, array_agg(status) as befores,
         array_agg(case when repeats then 'purchase_repeated' else 'purchase_opened' end) as kinds,
         array_agg(case when repeats then jsonb_build_object('generation', generation)
           else jsonb_build_object('set', jsonb_build_object('generation', generation),
             'attempt_id', attempt_id, 'provider', provider_param, 'provider_key', provider_key,
             'request_digest', encode(digest, 'hex'), 'price_cap_minor', price_cap_minor)
             || case when sent_at is null then '{}' else jsonb_build_object('first_sent_at', sent_at) end end) as datas
    into good from ready;
  if good.ids is null then
    return;
  end if;
  perform :"schema".write_events(good.ids, good.versions, good.kinds, good.befores,
    array_fill('submitting'::text, array[cardinality(good.ids)]), good.datas,
    array_fill(lease_end, array[cardinality(good.ids)]), at, 'engine/' || worker_param, 'options');
  insert into :"schema".order_attempts as a
    (order_id, generation, attempt_id, provider, provider_key, request_body, request_digest, price_cap_minor,
     calls, opened_at, first_sent_at, key_dead_at, call_deadline_at, lease_token, lease_expires_at, worker)
  select g.id, g.generation, g.attempt_id, provider_param, g.provider_key, g.body, g.digest, g.cap,
         g.calls, at, coalesce(g.sent_at, at), coalesce(g.sent_at, at) + key_life, call_end, token, lease_end, worker_param
    from unnest(good.ids, good.generations, good.attempt_ids, good.provider_keys, good.bodies, good.digests,
                good.caps, good.sents, good.calls, good.repeats) as g (id, generation, attempt_id, provider_key, body, digest, cap, sent_at, calls, repeats)
   where not g.repeats;
  if true = any (good.repeats) then
    update :"schema".order_attempts as a
       set calls = a.calls + 1, call_deadline_at = call_end, lease_token = token, lease_expires_at = lease_end,
           first_sent_at = coalesce(a.first_sent_at, at), key_dead_at = coalesce(a.key_dead_at, at + key_life),
           worker = worker_param
      from unnest(good.ids, good.generations, good.repeats) as g (id, generation, repeats)
     where g.repeats and a.order_id = g.id and a.generation = g.generation;
  end if;
  return query select * from unnest(good.ids, good.generations, good.calls);
end $$;
