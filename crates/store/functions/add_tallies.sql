-- Purpose: adds to the counts of what is not kept row by row. When messages came whose signature was
--          refused, and none that Stripe had signed for us, since the counts were brought before, a person
--          is told, once in an hour at most, because anybody can send such messages; the alert closes when
--          a signature fits again. // G23
-- Locks:   the counts' rows, in the order of their names; the alert's row.
-- Rows:    one per name; at most one alert.
-- Callers: the service.
create or replace function :"schema".add_tallies(names text[], counts bigint[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz := :"schema".clock_now();
  came text[] := array(select u.name from unnest(names, counts) as u (name, count) where u.count > 0);
begin
  insert into :"schema".tallies as t (name, count, at)
  select u.name, sum(u.count), at from unnest(names, counts) as u (name, count) group by u.name order by u.name
  on conflict (name) do update set count = t.count + excluded.count, at = excluded.at;
  if came && array['stripe_webhook_stored', 'stripe_webhook_duplicate', 'stripe_webhook_repeated', 'stripe_webhook_ignored',
      'stripe_webhook_wrong_mode', 'stripe_webhook_wrong_account', 'stripe_webhook_unreadable', 'stripe_webhook_storing_failed'] then
    update :"schema".alerts as a set closed_at = at where a.rule = 'webhook_signatures_refused' and a.closed_at is null;
  elsif came && array['stripe_webhook_forged_wrong_signature', 'stripe_webhook_forged_too_old', 'stripe_webhook_forged_too_new'] then
    insert into :"schema".alerts (id, rule, subject, runbook, opened_at)
    select gen_random_uuid(), 'webhook_signatures_refused', '',
           'Every message at /webhooks/stripe is refused for its signature. Compare STRIPE_WEBHOOK_SECRET with the endpoint''s secret at Stripe, and this machine''s clock. If both are right, a stranger sends them: nothing was believed.', at
     where not exists (select from :"schema".alerts as a where a.rule = 'webhook_signatures_refused' and a.opened_at > at - interval '1 hour')
    on conflict (rule, order_id, subject) where closed_at is null do nothing;
  end if;
end $$;
