-- Purpose: a worker's heartbeat, for people; nothing is decided by it.
-- Locks:   the worker's row.
-- Rows:    one worker; the alert of an account that is well again for 15 minutes; rows of workers that have been silent for a week go, and of callers' keys that
--          are older than 72 hours at most a thousand. // G30
-- Callers: the service's engine.
create or replace function :"schema".beat_worker(worker_param text, release_param text, stopping boolean)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz := :"schema".clock_now();
begin
  insert into :"schema".workers as w (worker, release, started_at, seen_at)
  values (worker_param, release_param, at, at)
  on conflict (worker) do update
     set seen_at = at, release = excluded.release, stopped_at = case when stopping then at end;
  update :"schema".alerts as a set closed_at = at
   where a.rule = 'provider_account_wrong' and a.closed_at is null
     and not exists (select from :"schema".provider_accounts as p where p.paused_until > at - interval '15 minutes');
  delete from :"schema".workers where seen_at < at - interval '7 days';
  delete from :"schema".idempotency_keys as k
   where (k.caller, k.key) in (select o.caller, o.key from :"schema".idempotency_keys as o
                                where o.created_at < at - interval '72 hours'
                                order by o.created_at limit 1000);
end $$;
