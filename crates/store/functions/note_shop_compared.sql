-- Purpose: what a comparison of the books says of the shop as a whole. Effects without their intent hold it.
--          One that is held because nobody watched it goes on by itself when there are none; any other waits
--          for a person, who may release it from now on. // G22
--          Read are the sides whose lists were read to their end: payments, refunds, purchases. Of refunds
--          an engine without Stripe knows nothing; it moves no money either.
-- Locks:   orders in id order, for no key update; then the shop's row.
-- Rows:    the shop, its finding and alert; see hold_forgotten.
-- Callers: the service's comparison: its engine and its command.
create or replace function :"schema".note_shop_compared(worker_param text, run_at timestamptz, since timestamptz, read text[]) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  standing :"schema".shop;
  forgotten bigint := :"schema".forgotten_effects();
  by_whom text := left('engine/' || worker_param, 200);
begin
  if run_at is null or since is null or read is null then
    raise exception 'a comparison is noted with its time, its beginning and what was read' using errcode = '22023';
  end if;
  if not exists (select from :"schema".shop as s where s.compare_since is not null) then
    perform :"schema".hold_forgotten(by_whom, 'options', :"schema".clock_now());
  end if;
  select * into strict standing from :"schema".shop for no key update;
  if forgotten > 0 and (standing.held_because is null or standing.held_because in ('unwatched', 'failed_over')) and exists (
    -- What a person has seen and released is not held again.
    select from :"schema".differences as d where d.gone_at is null and d.kind in ('purchase_forgotten', 'purchase_without_order', 'refund_without_move')
       and d.first_at > coalesce((select max(f.closed_at) from :"schema".findings as f where f.kind = 'shop_released'), '-infinity'))
  then
    perform :"schema".hold_shop_for('forgotten', jsonb_build_object('effects', forgotten), by_whom, run_at);
  end if;
  select * into strict standing from :"schema".shop;
  if run_at >= standing.compare_since and since <= standing.forgotten_from and 'purchases' = any (read)
     and ('refunds' = any (read) or 'payments' <> all (read)) then
    update :"schema".shop set compared_at = run_at;
    if standing.held_because in ('unwatched', 'failed_over') then
      perform :"schema".free_shop('compared with the partners: nothing was forgotten', by_whom, :"schema".clock_now());
    end if;
  end if;
  return (select s.held_since is not null from :"schema".shop as s);
end $$;
