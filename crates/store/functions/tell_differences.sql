-- Purpose: keeps where the books do not agree: a new difference is written with the time at which it was
--          first seen and shown to a person, one that stands is seen again. Nothing else changes by
--          it. A difference that is not ripe (it may be on its way) is not written; one that stands
--          already is kept open by it all the same, because it is not gone. // G27, C11
--          One that no list dates is written as seen, gone in the same moment and shown to nobody, until
--          a comparison 15 minutes later at least sees exactly the same. What a later comparison saw go is
--          not opened again by an earlier one that is still running.
--          Told are objects: kind, subject, order_id, about_at (when the compared thing came into
--          being), ripe, undated, data.
-- Locks:   the rows of differences that are told of, in the order of kind and subject.
-- Rows:    at most one difference per element, and one alert per new one that is shown.
-- Callers: reconcile_payments, reconcile_refunds, reconcile_purchases, reconcile_orders,
--          finish_reconciliation.
create or replace function :"schema".tell_differences(told jsonb, run_at timestamptz) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  with said as (
    select distinct on (d.kind, left(d.subject, 300)) d.kind, left(d.subject, 300) as subject, d.order_id, d.about_at,
           coalesce(d.data, '{}') as data, coalesce(d.undated, false) as undated
      from jsonb_to_recordset(told) as d (kind text, subject text, order_id uuid, about_at timestamptz, ripe boolean, undated boolean, data jsonb)
     where d.ripe
     order by d.kind, left(d.subject, 300)
  ), before as (
    select s.kind, s.subject, coalesce(bool_or(x.gone_at > x.first_at and x.gone_at > run_at), false) as saw_it_go,
           min(x.first_at) filter (where x.gone_at = x.first_at and x.data = s.data) as seen_at, bool_or(x.id is not null and x.gone_at is null) as stands
      from said as s left join :"schema".differences as x on x.kind = s.kind and x.subject = s.subject
     group by s.kind, s.subject
  ), seen as (
    insert into :"schema".differences (id, kind, subject, order_id, about_at, data, first_at, last_at, gone_at)
    select gen_random_uuid(), s.kind, s.subject, s.order_id, s.about_at, s.data, run_at, run_at, run_at
      from said as s join before as b using (kind, subject)
     where s.undated and b.seen_at is null and not b.stands
  ), opened as (
    insert into :"schema".differences (id, kind, subject, order_id, about_at, data, first_at, last_at)
    select gen_random_uuid(), s.kind, s.subject, s.order_id, s.about_at, s.data, run_at, run_at
      from said as s join before as b using (kind, subject)
     where not b.saw_it_go and (not s.undated or b.seen_at <= run_at - interval '15 minutes')
     order by s.kind, s.subject
    on conflict (kind, subject) where gone_at is null do nothing
    returning kind, subject, order_id
  )
  insert into :"schema".alerts (id, rule, order_id, subject, runbook, opened_at)
  select gen_random_uuid(), 'difference', o.order_id, left(o.kind || ':' || o.subject, 200), :"schema".difference_runbook(o.kind), run_at
    from opened as o
  on conflict (rule, order_id, subject) where closed_at is null do nothing;
  with said as (
    select distinct on (d.kind, left(d.subject, 300)) d.kind, left(d.subject, 300) as subject, d.data
      from jsonb_to_recordset(told) as d (kind text, subject text, data jsonb)
     order by d.kind, left(d.subject, 300)
  ), standing as (
    select x.id, s.data from said as s
      join :"schema".differences as x on x.kind = s.kind and x.subject = s.subject and x.gone_at is null
     order by x.kind, x.subject
       for no key update of x
  )
  update :"schema".differences as x
     set last_at = greatest(x.last_at, run_at), data = case when x.last_at > run_at then x.data else coalesce(s.data, x.data) end
    from standing as s where x.id = s.id;
end $$;
