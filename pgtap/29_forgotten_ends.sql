-- No order ends by an answer while a purchase of it may have been forgotten: a restored database knows only the
-- first of two keys, and that one was refused.
\ir begin.psql
select plan(19);

select pg_temp.clock(0) as ignored \gset
select pg_temp.not_held() as ignored \gset
create function pg_temp.order_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', status, review_reason, hold_reason, zinc_request_id is not null, ''due '' || extract(epoch from due_at - now())::float8) from orders where id = {id}', id)
    || ', ' || pg_temp.got('select concat_ws('' '', settled_by, lease_token is null) from order_attempts where order_id = {id}', id)
    || ', ' || pg_temp.got('select count(*) from money_moves where order_id = {id}', id);
end $$;
-- A call was refused for good, and the order would end so.
create function pg_temp.refused(id uuid, after text default 'failed') returns text
language plpgsql as $$
begin
  return pg_temp.setback(id, 'purchase_refused', 'refused', 'key_used_up', after) || ', ' || pg_temp.order_of(id);
end $$;
-- A claim is given back before its first byte.
create function pg_temp.unsent(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.setback(id, 'claim_released', 'open', null, 'pending') || ', ' || pg_temp.order_of(id);
end $$;
-- An accepted purchase was read as failed for good.
create function pg_temp.read_as(id uuid, after text, settlement text default 'provider_final') returns text
language plpgsql as $$
begin
  return (pg_temp.asked('app', format('(select r.result from orders as o cross join lateral record_readings(''pgtap'', array[o.id], array[o.version]::bigint[], array[''purchase_failed''], array[%L], array[''odd''],
    array[null]::bigint[], array[%L]::text[], array[null]::text[], array[null]::text[], array[7000]::bigint[], array[null]::jsonb[]) as r where o.id = {id})', after, settlement), id) #>> '{}') || ', ' || pg_temp.order_of(id);
end $$;
create function pg_temp.wished(id uuid) returns uuid
language plpgsql as $$
begin
  perform pg_temp.said('cancel_order({id})', id);
  return id;
end $$;
create function pg_temp.to_be_compared(since text) returns void
language plpgsql as $$
begin
  perform pg_temp.owner_does(format('update shop set held_since = %1$s, held_because = case when %1$s is not null then ''unwatched'' end, compare_since = %1$s, forgotten_from = %1$s', since));
end $$;

-- A call that was refused.
select is(pg_temp.refused(pg_temp.in_status('submitting')), 'done recorded, failed f, key_used_up t, 1', 'a refusal for good ends an order and returns its money');
select is(pg_temp.refused(pg_temp.forgot(pg_temp.in_status('submitting'))), 'done recorded, needs_review purchase_forgotten f due 0, key_used_up t, 0', 'not where a purchase of it was forgotten: a person decides, and nothing is returned');
select is(pg_temp.refused(pg_temp.forgot(pg_temp.in_status('submitting')), 'pending'), 'done recorded, pending f due 0, key_used_up t, 0', 'a next key may be asked for: it is the forgotten one');
select is(pg_temp.refused(pg_temp.wished(pg_temp.in_status('submitting'))), 'done recorded, cancelled f, key_used_up t, 1', 'a wish to cancel is fulfilled');
select is(pg_temp.refused(pg_temp.forgot(pg_temp.wished(pg_temp.in_status('submitting'))), 'pending'), 'done recorded, needs_review purchase_forgotten cancel_requested f due 0, key_used_up t, 0', 'not where a purchase was forgotten');
select is(pg_temp.unsent(pg_temp.wished(pg_temp.in_status('submitting'))), 'done recorded, cancelled f, never_sent t, 1', 'nothing was sent, and a wish is fulfilled');
select is(pg_temp.unsent(pg_temp.forgot(pg_temp.wished(pg_temp.in_status('submitting')))), 'done recorded, needs_review purchase_forgotten cancel_requested f due 0, never_sent t, 0', 'not where something may have been sent before');

-- A purchase that was read as failed.
select is(pg_temp.read_as(pg_temp.in_status('submitted_to_zinc'), 'failed'), 'recorded, failed t, provider_final t, 1', 'a purchase that failed for good ends an order and returns its money');
select is(pg_temp.read_as(pg_temp.forgot(pg_temp.in_status('processing')), 'failed'), 'recorded, needs_review purchase_forgotten f due 0, provider_final t, 0', 'not where another purchase of it was forgotten');
select is(pg_temp.read_as(pg_temp.forgot(pg_temp.in_status('submitted_to_zinc')), 'pending'), 'recorded, pending f due 7, provider_final t, 0', 'a next key may be asked for');
select is(pg_temp.read_as(pg_temp.wished(pg_temp.in_status('submitted_to_zinc')), 'pending'), 'recorded, cancelled t, provider_final t, 1', 'a wish to cancel is fulfilled');
select is(pg_temp.read_as(pg_temp.forgot(pg_temp.wished(pg_temp.in_status('submitted_to_zinc'))), 'pending'), 'recorded, needs_review purchase_forgotten cancel_requested f due 0, provider_final t, 0', 'not where another purchase was forgotten');
select is(pg_temp.read_as(pg_temp.forgot(pg_temp.in_status('submitted_to_zinc')), 'completed', 'delivered'), 'recorded, completed t, delivered t, 0', 'goods that arrived have arrived');

-- A shop that has to be compared first.
select pg_temp.in_status('submitting') as ends, pg_temp.in_status('submitting') as again, pg_temp.in_status('submitting') as wished, pg_temp.in_status('submitted_to_zinc') as failed, pg_temp.in_status('submitted_to_zinc') as next \gset
select pg_temp.wished(:'wished') as ignored \gset
select pg_temp.to_be_compared('now()') as ignored \gset
select is(pg_temp.refused(:'ends'), 'done stale, submitting f due 60, f, 0', 'nobody knows yet what was forgotten: the claim is left to end by itself');
select is(pg_temp.unsent(:'wished'), 'done stale, submitting cancel_requested f due 60, f, 0', 'with a wish as well');
select is(pg_temp.refused(:'again', 'pending'), 'done recorded, pending f due 0, key_used_up t, 0', 'what does not end the order is recorded');
select is(pg_temp.read_as(:'failed', 'failed') || ' | ' || pg_temp.read_as(:'next', 'pending'), 'stale, submitted_to_zinc t due 300, f, 0 | recorded, pending f due 7, provider_final t, 0', 'so it is with readings');
select pg_temp.to_be_compared('null') as ignored \gset
select is(pg_temp.refused(:'ends') || ' | ' || pg_temp.unsent(:'wished'), 'done recorded, failed f, key_used_up t, 1 | done recorded, cancelled f, never_sent t, 1', 'when it was compared they end');
select is(pg_temp.read_as(:'failed', 'failed'), 'recorded, failed t, provider_final t, 1', 'all of them');
select * from finish();
rollback;
