-- Purpose: ends the hold of the whole shop, and keeps who did it and why as evidence.
-- Locks:   none of its own; the caller holds the shop's row.
-- Rows:    the shop; its finding and alert closed; one finding.
-- Callers: release_shop, note_shop_compared.
create or replace function :"schema".free_shop(reason text, freed_by text, at timestamptz) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  update :"schema".findings as f set closed_at = at where f.kind = 'shop_held' and f.order_id is null and f.closed_at is null;
  update :"schema".alerts as a set closed_at = at where a.rule = 'shop_held' and a.order_id is null and a.closed_at is null;
  insert into :"schema".findings (id, order_id, kind, subject, data, actor, opened_at, closed_at)
  select gen_random_uuid(), null, 'shop_released', s.held_because, jsonb_build_object('reason', reason, 'held_since', s.held_since,
           'compared_at', s.compared_at, 'forgotten_from', s.forgotten_from), freed_by, at, at
    from :"schema".shop as s;
  update :"schema".shop set held_since = null, held_because = null, compare_since = null, compared_at = null, forgotten_from = null;
end $$;
