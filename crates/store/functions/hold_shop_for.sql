-- Purpose: holds the whole shop: nothing is bought and no money is moved. What only a person may end stands
--          above what a comparison ends by itself (unwatched, failed_over). // G22
-- Locks:   the shop's row, which is locked after everything else.
-- Rows:    the shop, one finding, one alert; none when it is held for as good a reason.
-- Callers: begin_work, beat_worker, may_claim, note_shop_compared, hold_shop.
create or replace function :"schema".hold_shop_for(because text, found_data jsonb, found_by text, at timestamptz) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  standing :"schema".shop;
begin
  select * into strict standing from :"schema".shop for no key update;
  if standing.held_because is not null and (because in ('unwatched', 'failed_over') or standing.held_because not in ('unwatched', 'failed_over')) then
    -- Whatever a person held may have been forgotten as well: then a comparison is needed too.
    if because <> 'operator' then
      update :"schema".shop set compare_since = at, compared_at = null, forgotten_from = least(forgotten_from, beaten_at, at);
    end if;
    return;
  end if;
  update :"schema".shop
     set held_since = at, held_because = because, compared_at = null,
         compare_since = case when because = 'operator' then compare_since else at end,
         forgotten_from = case when because = 'operator' then forgotten_from else least(forgotten_from, beaten_at, at) end;
  update :"schema".findings as f set closed_at = at where f.kind = 'shop_held' and f.order_id is null and f.closed_at is null;
  update :"schema".alerts as a set closed_at = at where a.rule = 'shop_held' and a.order_id is null and a.closed_at is null;
  perform :"schema".open_finding(null, 'shop_held', because, found_data, found_by, at, case because
    when 'unwatched' then 'No engine can say that the database has forgotten nothing: it is compared with the partners first. It goes on by itself when that is done.'
    when 'failed_over' then 'Another server took over: it is compared with the partners first. It goes on by itself when nothing was forgotten.'
    when 'another_place' then 'The database stands in another place: it was cloned or restored. See atomic-orders shop show; if this is the shop and no copy, shop release.'
    when 'went_back' then 'The database went back in time under a running engine: it was restored. See atomic-orders shop show, then shop release.'
    when 'forgotten' then 'The partners have purchases or refunds of this shop that its database does not know: it was restored, or a copy works too. See atomic-orders reconcile.'
    else 'A person stopped the shop. It goes on with atomic-orders shop release.' end);
end $$;
