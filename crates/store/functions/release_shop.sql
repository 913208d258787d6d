-- Purpose: a person lets the whole shop go on. A shop whose database may have forgotten something is released
--          only when a comparison with the partners has been read to its end since, and when no call of
--          before can still be running at the provider. Orders whose forgotten purchase is too old to be
--          repeated under its key are held for a person first. // G22, G1
--          Options: actor; uncompared, for when the partners' lists cannot be read and somebody knows.
-- Locks:   orders in id order, for no key update; then the shop's row.
-- Rows:    the shop, its finding and alert, one finding; see hold_forgotten.
-- Callers: service_role, the service, people.
create or replace function :"schema".release_shop(reason_param text, options jsonb default '{}') returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz := :"schema".clock_now();
  standing :"schema".shop;
  now_standing :"schema".shop;
  who record;
  handed integer;
  fault text := :"schema".line_fault(reason_param, 300);
  -- The longest lease, and what the provider may take after it.
  calm interval := interval '90 seconds' + :"schema".setting_ms('processing_bound_ms');
begin
  perform :"schema".check_options(options, array['actor', 'uncompared']);
  if coalesce(btrim(reason_param), '') = '' then
    raise exception 'reason_param must say why' using errcode = '22023';
  end if;
  if fault is not null then
    raise exception 'reason_param %', fault using errcode = '22023';
  end if;
  select * into who from :"schema".event_actor(options);
  select * into strict standing from :"schema".shop;
  if standing.held_since is null then
    return jsonb_build_object('success', true, 'duplicate', true);
  end if;
  if standing.compare_since is not null and standing.compared_at is null and coalesce(options ->> 'uncompared', '') <> 'true' then
    return :"schema".refusal('not_compared', 'the database may have forgotten purchases and refunds, and was not compared with the partners since',
      'An engine compares it by itself, and so does atomic-orders reconcile; see why it cannot, and try again.',
      jsonb_build_object('held_because', standing.held_because, 'held_since', standing.held_since, 'forgotten_from', standing.forgotten_from));
  end if;
  if at < standing.compare_since + calm then
    return :"schema".refusal('too_early', format('calls of before may still be under way; released at %s at the earliest', standing.compare_since + calm),
      'Try again then.', jsonb_build_object('held_because', standing.held_because, 'held_since', standing.held_since));
  end if;
  handed := :"schema".hold_forgotten(who.actor, who.actor_source, at);
  -- What was checked above is true under the row's lock only: it may have been held anew meanwhile.
  select * into strict now_standing from :"schema".shop for no key update;
  if now_standing.compare_since is distinct from standing.compare_since or now_standing.held_because is distinct from standing.held_because then
    return :"schema".refusal('held_anew', 'the shop was held or released by somebody else in this moment', 'See how it stands, and try again.',
      jsonb_build_object('held_because', now_standing.held_because, 'held_since', now_standing.held_since));
  end if;
  perform :"schema".free_shop(reason_param, who.actor, at);
  return jsonb_build_object('success', true, 'duplicate', false, 'held_because', standing.held_because,
    'forgotten', :"schema".forgotten_effects(), 'orders_held', handed);
end $$;
