-- Purpose: tells a person that the engines could not compare a list to its end, and closes that when a
--          later comparison could. What is true of the books is not known meanwhile. // G27
--          Sides: payments, refunds, purchases.
-- Locks:   the alerts' rows.
-- Rows:    at most one alert per side.
-- Callers: the service: its engine with both; its command with what it compared, because a person who asks
--          without keys is told so at once.
create or replace function :"schema".note_books_compared(run_at timestamptz, whole text[], failed text[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
begin
  insert into :"schema".alerts (id, rule, subject, runbook, opened_at)
  select gen_random_uuid(), 'books_not_compared', f.side, case f.side
           when 'purchases' then 'The purchases were not compared with the provider''s list. Run atomic-orders reconcile, which says why; check ZINC_TOKEN and ZINC_URL. It is tried again every hour.'
           else 'The ' || f.side || ' were not compared with Stripe''s list. Run atomic-orders reconcile, which says why; check STRIPE_KEY and STRIPE_URL. It is tried again every hour.' end, run_at
    from (select distinct s.side from unnest(failed) as s (side) where s.side in ('payments', 'refunds', 'purchases')) as f
   where not exists (select from :"schema".alerts as x
                      where x.rule = 'books_not_compared' and x.subject = f.side and x.closed_at > run_at)
   order by f.side
  on conflict (rule, order_id, subject) where closed_at is null do nothing;
  update :"schema".alerts as a set closed_at = run_at
   where a.rule = 'books_not_compared' and a.subject = any (whole) and a.closed_at is null and a.opened_at < run_at;
end $$;
