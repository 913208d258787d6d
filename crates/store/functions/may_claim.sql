-- Purpose: whether an engine may take anything to be bought or moved: not while the shop is held, and not from a
--          database that knows of fewer beats than the engine remembers: it went back in time, and is held
--          for that. // G22
--          The row of the shop is read by its key: callers plan without scans of tables.
-- Locks:   none, or the shop's row when it is held now.
-- Rows:    none, or see hold_shop_for.
-- Callers: commit_intents, lease_moves.
create or replace function :"schema".may_claim(worker_param text, beats_seen bigint, at timestamptz) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from :"schema".shop as s where s.one and s.held_since is not null) then
    return false;
  end if;
  if beats_seen > coalesce((select w.beats from :"schema".workers as w where w.worker = worker_param), (select s.beats from :"schema".shop as s where s.one)) then
    perform :"schema".hold_shop_for('went_back', jsonb_build_object('seen', beats_seen), 'engine/' || worker_param, at);
    return false;
  end if;
  return true;
end $$;
