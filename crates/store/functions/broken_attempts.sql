-- Purpose: what is wrong with the attempts of some orders against the history. An attempt belongs to the
--          events from its opening to the next one, and they tell how often it was called, by whom, what
--          came of it, and how and when it was settled. What an older release did not write into its
--          events (the provider, the outcome of a setback) is compared where it is told. // G3, G11, G12
-- Locks:   none.
-- Rows:    none written; a row per broken rule.
-- Callers: verify_orders only.
create or replace function :"schema".broken_attempts(ids uuid[])
returns table (order_id uuid, rule text, detail text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  with told as (
    select e.order_id, e.seq, e.at, e.kind, e.actor, e.data, e.kind in ('purchase_opened', 'purchase_repeated') as is_call,
           -- The only call was given back before its first byte.
           e.kind = 'claim_released' and e.data ->> 'calls' = '1' as unsent,
           e.status_before = 'submitting' and e.data ? 'calls' and not e.data ? 'worker' as is_setback,
           e.data #>> '{set,zinc_request_id}' as request_id,
           coalesce(e.data ->> 'settled_by', case
             when e.kind = 'order_completed' then 'delivered'
             when e.kind = 'review_resolved' and e.data ->> 'decision' = 'nothing_was_bought' then 'person'
             when e.kind = 'completed_by_person' then 'person' when e.kind = 'order_cancelled' then 'never_sent' end) as settled_by,
           case when e.kind = 'purchase_opened' then 'open' when e.kind = 'lease_ended' then 'unknown' else e.data ->> 'outcome' end as outcome,
           count(*) filter (where e.kind = 'purchase_opened') over (partition by e.order_id order by e.seq) as generation
      from :"schema".order_events as e where e.order_id = any (ids)
  ), counted as (
    select t.*, max(t.seq) filter (where t.unsent) over (partition by t.order_id, t.generation) as last_unsent,
           min(t.seq) filter (where t.settled_by is not null) over (partition by t.order_id, t.generation) as settling
      from told as t where t.generation > 0
  ), lives as (
    select c.order_id, c.generation, min(c.at) filter (where c.kind = 'purchase_opened') as opened_at,
           (array_agg(c.data order by c.seq))[1] as opened,
           count(*) filter (where c.is_call) - count(*) filter (where c.unsent) + count(*) filter (where c.kind = 'purchase_opened' and c.data ? 'first_sent_at') as calls,
           -- By its place: a clock may have been set back between two calls.
           (array_agg(c.at order by c.seq) filter (where c.is_call and c.seq > coalesce(c.last_unsent, 0)))[1] as first_sent_at,
           (array_agg(c.actor order by c.seq desc) filter (where c.is_call))[1] as called_by,
           (array_agg(c.outcome order by c.seq desc) filter (where c.outcome is not null))[1] as outcome,
           count(*) filter (where c.is_setback and not c.data ? 'outcome') > 0 as untold,
           (array_agg(c.data ->> 'code' order by c.seq desc) filter (where c.is_setback))[1] as code,
           min(c.at) filter (where c.seq = c.settling) as settled_at,
           min(c.settled_by) filter (where c.seq = c.settling) as settled_by,
           (array_agg(c.request_id order by c.seq desc) filter (where c.request_id is not null and c.seq <= c.settling))[1] as request_id
      from counted as c group by c.order_id, c.generation
  ), judged as (
    select l.*, case when l.settled_by = 'person' and l.calls = 0 then 'never_sent' else l.settled_by end as ended_by from lives as l
  )
  select coalesce(a.order_id, j.order_id), 'attempts', 'attempt ' || coalesce(a.generation, j.generation) || ': ' || f.name
    from (select x.* from :"schema".order_attempts as x where x.order_id = any (ids)) as a
    full join judged as j on j.order_id = a.order_id and j.generation = a.generation
   cross join lateral (values
     ('attempt_id', j.opened ->> 'attempt_id' is distinct from a.attempt_id::text),
     ('provider', j.opened ? 'provider' and j.opened ->> 'provider' is distinct from a.provider),
     ('provider_key', j.opened ->> 'provider_key' is distinct from a.provider_key),
     ('request_digest', j.opened ->> 'request_digest' is distinct from encode(a.request_digest, 'hex')),
     ('price_cap_minor', (j.opened ->> 'price_cap_minor')::bigint is distinct from a.price_cap_minor),
     ('opened_at', j.opened_at is distinct from a.opened_at),
     ('calls', j.calls is distinct from a.calls),
     -- A purchase that the database had forgotten tells itself when it was sent.
     ('first_sent_at', coalesce((j.opened ->> 'first_sent_at')::timestamptz, j.first_sent_at) is distinct from a.first_sent_at),
     ('worker', j.called_by is distinct from 'engine/' || a.worker),
     ('code', j.code is distinct from a.code),
     ('settled_at', j.settled_at is distinct from a.settled_at),
     ('settled_by', j.ended_by is distinct from a.settled_by),
     ('request_id', case when j.ended_by in ('delivered', 'provider_final', 'person') then j.request_id end is distinct from a.request_id),
     ('outcome', a.outcome is distinct from case
        when j.ended_by in ('delivered', 'provider_final') or j.ended_by = 'person' and j.request_id is not null then 'accepted'
        when j.ended_by in ('person', 'key_used_up') then 'refused'
        when j.untold then a.outcome else j.outcome end)) as f (name, differs)
   where f.differs
$$;
