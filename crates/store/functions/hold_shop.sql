-- Purpose: a person stops the whole shop: nothing is bought and no money is moved until it is released. Calls
--          under way are not stopped; their answers are recorded.
-- Locks:   the shop's row.
-- Rows:    the shop, one finding, one alert; none when it is held already.
-- Callers: service_role, the service, people.
create or replace function :"schema".hold_shop(reason_param text, options jsonb default '{}') returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  before text;
  who record;
  fault text := :"schema".line_fault(reason_param, 300);
begin
  perform :"schema".check_options(options, array['actor']);
  if coalesce(btrim(reason_param), '') = '' then
    raise exception 'reason_param must say why' using errcode = '22023';
  end if;
  if fault is not null then
    raise exception 'reason_param %', fault using errcode = '22023';
  end if;
  select * into who from :"schema".event_actor(options);
  select s.held_because into before from :"schema".shop as s for no key update;
  perform :"schema".hold_shop_for('operator', jsonb_build_object('reason', reason_param), who.actor, :"schema".clock_now());
  return (select jsonb_build_object('success', true, 'duplicate', coalesce(before = 'operator', false), 'held_because', s.held_because, 'held_since', s.held_since)
            from :"schema".shop as s);
end $$;
