-- A person's way out of review, one decision at a time: nobody buys again while an earlier purchase may
-- have happened. And what order_system_health tells.
\ir begin.psql
select plan(49);

create function pg_temp.decided(id uuid, word text, reason text default 'their support says so') returns text
language plpgsql as $$
begin
  return pg_temp.said(format('resolve_review({id}, %L, %L)', word, reason), id);
end $$;
create function pg_temp.shown(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', o.status, o.review_reason, a.outcome, a.settled_by) from orders as o join order_attempts as a on a.order_id = o.id and a.generation = o.generation where o.id = {id}', id);
end $$;

select is(pg_temp.decided(pg_temp.in_status(s), 'nothing_was_bought'), 'refused not_in_review', s || ' is not in review')
  from unnest('{pending, submitting, unknown, submitted_to_zinc, processing, completed, cancelled, failed}'::text[]) as s;
select pg_temp.in_status('needs_review') as id \gset
select pg_temp.stored(:'id') as before \gset
select is(pg_temp.decided(:'id', 'buy_again'), 'refused attempt_unsettled', 'nobody buys again while the last purchase may have happened');
select is(pg_temp.decided(:'id', 'give_up'), 'refused attempt_unsettled', 'nor gives up');
select is(pg_temp.decided(:'id', 'watch_on'), 'refused nothing_accepted', 'nor watches what nobody accepted');
select is(pg_temp.decided(:'id', 'nothing_was_bought'), 'refused call_may_still_run', 'nothing is said while the last call may still run');
select is(pg_temp.stored(:'id'), :'before', 'refusals change nothing');
select pg_temp.owner_does('update order_attempts set call_deadline_at = now() - interval ''1 hour'' where order_id = {id}', :'id') as ignored \gset
select is(pg_temp.decided(:'id', 'nothing_was_bought'), 'done needs_review', 'a person settles the last attempt');
select is(pg_temp.shown(:'id'), 'needs_review nothing_was_bought refused person', 'by his evidence; the order stays');
select is(pg_temp.decided(:'id', 'nothing_was_bought'), 'refused already_settled', 'once');
select is(pg_temp.decided(:'id', 'buy_again'), 'done pending', 'then a new attempt is allowed');
select is(pg_temp.claimed(:'id'), '1', 'and claimed');
select is(pg_temp.got('select string_agg(generation || '' '' || outcome, '', '' order by generation) from order_attempts where order_id = {id}', :'id'), '1 refused, 2 open', 'with a new key beside the settled one');
select is(pg_temp.got('select count(distinct provider_key) from order_attempts where order_id = {id}', :'id'), '2', 'that is another');
select is(pg_temp.got('select (data ->> ''decision'') || '': '' || (data ->> ''reason'') from order_events where order_id = {id} and kind = ''review_resolved'' order by seq desc limit 1', :'id'),
  'buy_again: their support says so', 'the history has decision and reason');

select pg_temp.in_status('needs_review') as given_up \gset
select pg_temp.owner_does('update order_attempts set call_deadline_at = now() - interval ''1 hour'' where order_id = {id}', :'given_up') as ignored \gset
select pg_temp.decided(:'given_up', 'nothing_was_bought') as ignored \gset
select is(pg_temp.decided(:'given_up', 'give_up'), 'done failed', 'a settled one may be given up');
select is(pg_temp.got('select string_agg(concat_ws('' '', kind, amount_minor, state), '', '') from money_moves where order_id = {id}', :'given_up'), 'refund 1530 open', 'and its money goes back');

select pg_temp.in_status('watched') as watched \gset
select is(pg_temp.decided(:'watched', 'watch_on'), 'done submitted_to_zinc', 'an accepted one is watched on');
select is(pg_temp.got('select settled_at is null from order_attempts where order_id = {id}', :'watched'), 'true', 'its attempt stays unsettled');

select pg_temp.in_status('needs_review') as wished \gset
select pg_temp.owner_does('update order_attempts set call_deadline_at = now() - interval ''1 hour'' where order_id = {id}', :'wished') as ignored \gset
select pg_temp.said('cancel_order({id})', :'wished') as ignored \gset
select is(pg_temp.decided(:'wished', 'nothing_was_bought'), 'done cancelled', 'where somebody wished to cancel, that ends the order');

select pg_temp.in_status('needs_review') as exhausted \gset
select pg_temp.owner_does('update order_attempts set call_deadline_at = now() - interval ''1 hour'' where order_id = {id}; update settings set value = ''1'' where name = ''generations_max''', :'exhausted') as ignored \gset
select pg_temp.decided(:'exhausted', 'nothing_was_bought') as ignored \gset
select is(pg_temp.decided(:'exhausted', 'buy_again'), 'refused attempts_exhausted', 'attempts are limited');
select matches(pg_temp.said(call, :'exhausted'), '^' || code || ' ', call)
  from (values ('resolve_review(gen_random_uuid(), ''give_up'', ''long enough it is'')', 'PT404'), ('resolve_review({id}, ''maybe'', ''long enough it is'')', '22023'), ('resolve_review({id}, null, ''long enough it is'')', '22023'),
    ('resolve_review({id}, ''give_up'', null)', '22023'), ('resolve_review({id}, ''give_up'', ''short'')', '22023'), ('resolve_review({id}, ''give_up'', ''long enough it is'', ''{"x": 1}'')', '22023')) as t (call, code);

-- Health.
create function pg_temp.health(what text) returns jsonb
language plpgsql as $$
begin
  return coalesce(pg_temp.asked('service_role', 'order_system_health()') #> string_to_array(what, ' '), '0');
end $$;
select is((select array_agg(key order by key collate "C") from jsonb_object_keys(pg_temp.asked('service_role', 'order_system_health()')) as key),
  '{at, differences, held, messages, moves, oldest_due, open_alerts, open_findings, orders, pause_codes, paused_providers, shop, stuck, to_capture, unknown, workers_alive}', 'health tells these');
select pg_temp.health('stuck') as stuck, pg_temp.health('unknown') as unknown, pg_temp.health('open_findings') as findings, pg_temp.health('open_alerts') as alerts,
       pg_temp.health('orders submitting') as submitting, pg_temp.health('held operator') as held, pg_temp.health('moves open') as moves \gset
select pg_temp.in_status('submitting') as stuck_order, pg_temp.in_status('unknown') as unknown_order, pg_temp.in_status('cancelled') as moving \gset
select pg_temp.owner_does('update orders set updated_at = now() - interval ''121 seconds'' where id = {id}', :'stuck_order') as ignored \gset
select pg_temp.said('hold_order({id})', :'unknown_order') as ignored \gset
select pg_temp.said('attach_payment({id}, ''pi_pgtap_health'')', :'unknown_order') as ignored \gset
select is(pg_temp.health('orders submitting')::bigint, :'submitting'::bigint + 2, 'it counts orders by status');
select is(pg_temp.health('stuck')::bigint, :'stuck'::bigint + 1, 'it counts what is submitting and untouched for two minutes');
select is(pg_temp.health('unknown')::bigint, :'unknown'::bigint + 1, 'it counts unknown outcomes');
select is(pg_temp.health('held operator')::bigint, :'held'::bigint + 1, 'it counts holds by reason');
select is(pg_temp.health('moves open')::bigint, :'moves'::bigint + 1, 'it counts movements of money');
select is(pg_temp.health('open_findings')::bigint, :'findings'::bigint + 1, 'it counts findings');
select is(pg_temp.health('open_alerts')::bigint, :'alerts'::bigint + 1, 'it counts alerts');
select is(jsonb_typeof(pg_temp.health(what)), kind, what || ' is of the type ' || kind)
  from (values ('at', 'string'), ('orders', 'object'), ('held', 'object'), ('moves', 'object'), ('messages', 'object'), ('paused_providers', 'array'), ('pause_codes', 'object'), ('workers_alive', 'number')) as t (what, kind);
select * from finish();
rollback;
