-- Purpose: what an engine asks before it claims anything: may it trust this database? Where no other engine
--          has just been at work on the same server, nobody knows whether it was restored meanwhile: the shop
--          is held until it was compared with the partners. A database in another place than before is a
--          clone or restored, and waits for a person. // G22
--          A shop without orders has nothing to buy again, and one where no engine ever worked nothing to
--          forget.
-- Locks:   the shop's row, for no key update; the worker's row.
-- Rows:    the shop, one worker; at most one finding and one alert.
-- Callers: the service's engine, at its start.
create or replace function :"schema".begin_work(worker_param text, release_param text) returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz;
  standing :"schema".shop;
  here text := :"schema".shop_place();
  started timestamptz := pg_postmaster_start_time();
  beaten bigint;
begin
  select * into strict standing from :"schema".shop for no key update;
  at := :"schema".clock_now(); -- after the lock, so that no beat is ahead of it
  if standing.place is not null and exists (select from :"schema".orders) then
    if standing.place <> here then
      perform :"schema".hold_shop_for('another_place', jsonb_build_object('before', standing.place, 'now', here), 'engine/' || worker_param, at);
    elsif standing.server_started_at is distinct from started
       or at not between standing.beaten_at - interval '1 minute' and standing.beaten_at + interval '1 minute' then
      perform :"schema".hold_shop_for('unwatched', jsonb_build_object('beaten_at', standing.beaten_at,
        'server_started_at', started), 'engine/' || worker_param, at);
    end if;
  end if;
  update :"schema".shop set place = here, server_started_at = started, beaten_at = at, beats = beats + 1
  returning beats into strict beaten;
  insert into :"schema".workers as w (worker, release, started_at, seen_at, beats)
  values (worker_param, release_param, at, at, beaten)
  on conflict (worker) do update
     set seen_at = at, started_at = at, release = excluded.release, stopped_at = null, beats = excluded.beats;
  return jsonb_build_object('at_ms', floor(extract(epoch from at) * 1000)::bigint, 'beats', beaten, 'held', (select s.held_because from :"schema".shop as s));
end $$;
