-- Purpose: a worker's heartbeat. The beats of all workers are counted, and each remembers the number of its
--          last one: where the database knows of an earlier one only (or, when the worker's row was swept,
--          of fewer at all) it went back in time, and the shop is held. So it is where another server took over:
--          what was committed last may be lost there. // G22
-- Locks:   the shop's row, the worker's row.
-- Rows:    the shop, one worker; the alert of an account that is well again for 15 minutes; rows of workers that have been silent for a week go, and of callers' keys that
--          are older than 72 hours at most a thousand. // G30
-- Callers: the service's engine.
create or replace function :"schema".beat_worker(
  worker_param text, release_param text, stopping boolean, beats_seen bigint default 0
) returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz;
  standing :"schema".shop;
  here text := :"schema".shop_place();
  former bigint;
  beaten bigint;
begin
  select * into strict standing from :"schema".shop for no key update;
  at := :"schema".clock_now(); -- after the lock, so that no other beat is ahead of it
  select w.beats into former from :"schema".workers as w where w.worker = worker_param for no key update;
  if beats_seen > coalesce(former, standing.beats) then
    perform :"schema".hold_shop_for('went_back', jsonb_build_object('beats', coalesce(former, standing.beats), 'seen', beats_seen), 'engine/' || worker_param, at);
  elsif standing.place <> here then
    perform :"schema".hold_shop_for(
      -- The same server's data on another timeline: a standby was promoted, and this engine saw no step back.
      case when beats_seen > 0 and rtrim(standing.place, '0123456789ABCDEF') = rtrim(here, '0123456789ABCDEF') then 'failed_over' else 'another_place' end,
      jsonb_build_object('before', standing.place, 'now', here), 'engine/' || worker_param, at);
  end if;
  update :"schema".shop set place = here, server_started_at = pg_postmaster_start_time(), beaten_at = at,
         beats = greatest(beats, beats_seen) + 1
  returning beats into strict beaten;
  insert into :"schema".workers as w (worker, release, started_at, seen_at, beats)
  values (worker_param, release_param, at, at, beaten)
  on conflict (worker) do update
     set seen_at = at, release = excluded.release, stopped_at = case when stopping then at end,
         beats = excluded.beats;
  update :"schema".alerts as a set closed_at = at
   where a.rule = 'provider_account_wrong' and a.closed_at is null
     and not exists (select from :"schema".provider_accounts as p where p.paused_until > at - interval '15 minutes');
  delete from :"schema".workers where seen_at < at - interval '7 days';
  delete from :"schema".idempotency_keys as k
   where (k.caller, k.key) in (select o.caller, o.key from :"schema".idempotency_keys as o
                                where o.created_at < at - interval '72 hours'
                                order by o.created_at limit 1000);
  return jsonb_build_object('at_ms', floor(extract(epoch from at) * 1000)::bigint, 'beats', beaten, 'held', (select s.held_because from :"schema".shop as s));
end $$;
