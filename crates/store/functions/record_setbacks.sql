-- Purpose: records every other end of a call, each by its own fence: an unknown outcome, a refusal,
--          or a claim given back unsent. What follows was decided by the program (orders_core::plan);
--          this function refuses a decision that could buy twice: an order returns to pending only
--          when its attempt is settled by a used-up key or certainly never sent. // G5, G6, G13
--          An order that ends so sends its money back. // C5
--          While the shop has to be compared with its partners no order ends so: the claim is left to end by
--          itself, and is repeated. Where a purchase of it was forgotten, a person ends it. // G22
-- Locks:   orders in id order, for no key update; then their attempts; of ended ones the payments.
-- Rows:    per recorded order one change, one event, one attempt; of ended ones at most one move.
-- Callers: the service's engine.
create or replace function :"schema".record_setbacks(
  worker_param text, ids uuid[], tokens uuid[], kinds text[], codes text[], outcomes text[],
  settlements text[], afters text[], review_reasons text[], hold_reasons text[], delays_ms bigint[]
) returns table (order_id uuid, result text)
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
  bound interval := :"schema".setting_ms('processing_bound_ms');
  good record;
begin
  with wanted as (
    select distinct on (id) *
      from unnest(ids, tokens, kinds, codes, outcomes, settlements, afters, review_reasons, hold_reasons, delays_ms)
        as w (id, token, kind, code, outcome, settlement, after, review_reason, hold_reason, delay_ms)
     order by id
  ), fenced as (
    select w.*, o.version, o.hold_reason as held, a.generation, a.calls, a.outcome as known,
           w.kind = 'claim_released' and a.calls = 1 and a.outcome = 'open' as unsent,
           o.hold_reason = 'cancel_requested' as wished
      from wanted as w
      join :"schema".orders as o on o.id = w.id and o.status = 'submitting'
      join :"schema".order_attempts as a on a.order_id = o.id and a.settled_at is null
       and a.lease_token = w.token and a.lease_expires_at > at
     order by o.id
       for no key update
  ), decided as (
           -- Somebody wants it cancelled, and now it is certain that nothing was bought. // C5
    select f.*, case when f.wished and (f.unsent or f.settlement is not null) then 'cancelled'
                when f.kind = 'claim_released' then case when f.unsent then 'pending' else 'submitting' end
                else f.after end as final,
           case when f.wished and f.unsent then 'never_sent' else f.settlement end as evidence,
           f.delay_ms * interval '1 millisecond' as wait
      from fenced as f
  ), safe as (
    select d.*, case when d.final not in ('cancelled', 'failed') or :"schema".forgotten_purchase(d.id) is null then d.final else 'needs_review' end as after_all
      from decided as d
     where d.final not in ('cancelled', 'failed') or not exists (select from :"schema".shop as s where s.one and s.compare_since is not null)
  )
  select array_agg(id) as ids, array_agg(version) as versions, array_agg(generation) as generations,
         array_agg(kind) as kinds, array_agg(code) as codes, array_agg(unsent) as unsent,
         array_agg(case when kind = 'claim_released' then known else outcome end) as outcomes,
         array_agg(evidence) as settlements, array_agg(after_all) as afters,
         array_agg(case when final = 'submitting' then greatest(wait, bound)
                        when after_all <> final then interval '0' else wait end) as waits,
         array_agg(jsonb_strip_nulls(jsonb_build_object('code', code, 'settled_by', evidence, 'calls', calls,
           'outcome', case when kind = 'claim_released' then known else outcome end))
           || jsonb_build_object('set', jsonb_strip_nulls(jsonb_build_object(
                'review_reason', case when after_all <> final then 'purchase_forgotten' when final = 'needs_review' then coalesce(review_reason, code) end,
                'hold_reason', case when held is null then hold_reason end))
             || case when held is not null and after_all in ('cancelled', 'failed') then '{"hold_reason": null}'::jsonb else '{}' end)) as datas,
         bool_or(final = 'pending' and settlement is null and not unsent
           or final in ('completed', 'cancelled', 'failed') and evidence is null
           or settlement is not null and (kind = 'claim_released' or outcome is distinct from 'refused')) as unfounded
    into good from safe;
  at := :"schema".clock_now(); -- after the locks, so that history runs forward
  if good.ids is not null then
    if good.unfounded then
      raise exception 'an order ends or returns to pending only when its attempt is refused and settled, or was never sent'
        using errcode = 'PT409';
    end if;
    perform :"schema".write_events(good.ids, good.versions, good.kinds,
      array_fill('submitting'::text, array[cardinality(good.ids)]), good.afters, good.datas,
      (select array_agg(at + w.wait order by w.place) from unnest(good.waits) with ordinality as w (wait, place)),
      at, 'engine/' || worker_param, 'options');
    update :"schema".order_attempts as a
       set outcome = g.outcome, code = g.code, lease_token = null, lease_expires_at = null,
           call_deadline_at = case when g.unsent then null else least(a.call_deadline_at, at) end,
           calls = case when g.unsent then 0 else a.calls end,
           first_sent_at = case when g.unsent then null else a.first_sent_at end,
           key_dead_at = case when g.unsent then null else a.key_dead_at end,
           settled_at = case when g.settlement is not null then at end, settled_by = g.settlement
      from unnest(good.ids, good.generations, good.codes, good.unsent, good.outcomes, good.settlements)
        as g (id, generation, code, unsent, outcome, settlement)
     where a.order_id = g.id and a.generation = g.generation;
    if good.afters && array['cancelled', 'failed'] then
      perform :"schema".end_unbought(good.ids, good.afters, worker_param, at);
    end if;
  end if;
  return query
  select w.id, case when w.id = any (good.ids) then 'recorded' else 'stale' end from unnest(ids) as w (id);
end $$;
