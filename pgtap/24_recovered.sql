-- recover_stuck_orders to the microsecond: what counts is the end of the lease, the age that was asked for, the key's
-- death and the number of calls; an order whose schedule was lost is due again.
\ir begin.psql
select plan(31);

select pg_temp.clock(0) as ignored \gset
select pg_temp.not_held() as ignored \gset
-- An order under a lease that has ended, with what is changed of its attempt and of itself.
create function pg_temp.left(of_attempt text default 'code = code', of_order text default 'due_at = due_at') returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.in_status('submitting');
begin
  perform pg_temp.owner_does('alter table order_attempts disable trigger user; alter table orders disable trigger user;
    update order_attempts set lease_expires_at = now(), call_deadline_at = now() - interval ''30 seconds'' where order_id = {id}; update order_attempts set ' || of_attempt || ' where order_id = {id};
    update orders set due_at = now() where id = {id}; update orders set ' || of_order || ' where id = {id};
    alter table order_attempts enable trigger user; alter table orders enable trigger user', id);
  return id;
end $$;
create function pg_temp.after_recovery(id uuid, age text default '0', options text default '{"batch": 1000}') returns text
language plpgsql as $$
declare
  answer jsonb := pg_temp.asked('service_role', format('recover_stuck_orders(%s, %L)', age, options));
begin
  return concat_ws(', ', coalesce((select f ->> 'status' from jsonb_array_elements(answer -> 'orders') as f where f ->> 'order_id' = id::text), 'left alone'),
    pg_temp.got('select concat_ws('' '', o.status, o.review_reason, ''due '' || extract(epoch from o.due_at - now())::float8, ''touched '' || extract(epoch from o.updated_at - now())::float8, a.outcome, a.lease_token is null)
      from orders as o join order_attempts as a on a.order_id = o.id and a.settled_at is null where o.id = {id}', id));
end $$;
create function pg_temp.event_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', kind, status_after, actor, data) from order_events where order_id = {id} order by seq desc limit 1', id);
end $$;

-- The end of the lease, and the age since.
select is(pg_temp.after_recovery(pg_temp.left('lease_expires_at = now() + interval ''1 microsecond''', 'due_at = now() + interval ''1 microsecond''')), 'left alone, submitting due 1e-06 touched 0 open f', 'a lease that lives is left alone');
select is(pg_temp.after_recovery(pg_temp.left('lease_expires_at = now() + interval ''1 microsecond''')), 'left alone, submitting due 0 touched 0 open f', 'whatever is due');
select pg_temp.left() as id \gset
select is(pg_temp.after_recovery(:'id'), 'submitting, submitting due 30 touched 0 unknown t', 'one that has ended is unknown, and due after the provider''s bound');
select is(pg_temp.event_of(:'id'), 'lease_ended submitting ' || session_user || ' {"set": {}, "calls": 1, "worker": "pgtap"}', 'with its event');
select is(pg_temp.after_recovery(pg_temp.left('call_deadline_at = now() - interval ''2 minutes''')), 'submitting, submitting due 0 touched 0 unknown t', 'or at once, when that is over');
select is(pg_temp.after_recovery(pg_temp.left('lease_expires_at = now() - interval ''1 minute'' + interval ''1 microsecond'''), '1'), 'left alone, submitting due 0 touched 0 open f', 'an age that is not reached');
select is(pg_temp.after_recovery(pg_temp.left('lease_expires_at = now() - interval ''1 minute'''), '1'), 'submitting, submitting due 30 touched 0 unknown t', 'and one that is');
select is(pg_temp.after_recovery(pg_temp.left('code = code', 'updated_at = now() - interval ''2 minutes'''), '1'), 'left alone, submitting due 0 touched -120 open f', 'what the stuck query does not show');
select is(pg_temp.after_recovery(pg_temp.left('code = code', 'updated_at = now() - interval ''2 minutes'' - interval ''1 microsecond'''), '1'), 'submitting, submitting due 30 touched 0 unknown t', 'and what it does');
select is(pg_temp.after_recovery(pg_temp.left('code = code', 'updated_at = now() - interval ''5 minutes'''), '6'), 'left alone, submitting due 0 touched -300 open f', 'with an age beyond two minutes that counts');
select is(pg_temp.after_recovery(pg_temp.left('code = code', 'due_at = now() + interval ''1 microsecond''')), 'left alone, submitting due 1e-06 touched 0 open f', 'what is not due is not looked for');

-- To a person.
select pg_temp.owner_does('update settings set value = ''3'' where name = ''calls_max''') as ignored \gset
select is(pg_temp.after_recovery(pg_temp.left('calls = 2')), 'submitting, submitting due 30 touched 0 unknown t', 'a call before the last');
select is(pg_temp.after_recovery(pg_temp.left('calls = 3')), 'needs_review, needs_review outcome_unknown due 86400 touched 0 unknown t', 'the last call goes to a person');
select is(pg_temp.after_recovery(pg_temp.left('key_dead_at = now() + interval ''1 microsecond''')), 'submitting, submitting due 30 touched 0 unknown t', 'a key that lives');
select is(pg_temp.after_recovery(pg_temp.left('key_dead_at = now()')), 'needs_review, needs_review outcome_unknown due 86400 touched 0 unknown t', 'a dead one goes to a person');
select is(pg_temp.after_recovery(pg_temp.left('key_dead_at = now() + interval ''1 hour''', 'hold_reason = ''operator''')), 'submitting, submitting due 3600 touched 0 unknown t', 'a held order is due at its key''s death');

-- Without a lease.
create function pg_temp.waits(of_attempt text default 'code = code', of_order text default 'due_at = due_at') returns uuid
language sql
return pg_temp.left('lease_token = null, lease_expires_at = null, outcome = ''unknown'', ' || of_attempt, of_order);
select is(pg_temp.after_recovery(pg_temp.waits('key_dead_at = now()')), 'needs_review, needs_review key_dead due 86400 touched 0 unknown t', 'a key that died while the order waited');
select is(pg_temp.after_recovery(pg_temp.waits('key_dead_at = now() + interval ''1 microsecond''')), 'left alone, submitting due 0 touched 0 unknown t', 'one that lives');
select is(pg_temp.after_recovery(pg_temp.waits('key_dead_at = now()', 'due_at = now() + interval ''1 microsecond''')), 'left alone, submitting due 1e-06 touched 0 unknown t', 'one that is not due');
select is(pg_temp.after_recovery(pg_temp.waits('code = code', 'updated_at = now() - interval ''2 minutes''')), 'left alone, submitting due 0 touched -120 unknown t', 'a schedule that is kept');
select is(pg_temp.after_recovery(pg_temp.waits('code = code', 'due_at = now() - interval ''1 minute'', updated_at = now() - interval ''2 minutes'' - interval ''1 microsecond''')), 'left alone, submitting due 0 touched 0 unknown t', 'one that was lost is made anew');
select is(pg_temp.after_recovery(pg_temp.waits('code = code', 'due_at = now() + interval ''1 microsecond'', updated_at = now() - interval ''3 minutes''')), 'left alone, submitting due 1e-06 touched -180 unknown t', 'what is due later has one');
select is(pg_temp.after_recovery(pg_temp.waits('code = code', 'updated_at = now() - interval ''3 minutes'''), '4'), 'left alone, submitting due 0 touched -180 unknown t', 'an age that is not reached');
select is(pg_temp.after_recovery(pg_temp.waits('code = code', 'updated_at = now() - interval ''3 minutes'''), '1'), 'left alone, submitting due 0 touched 0 unknown t', 'and one that is, two minutes at least');

-- What is answered.
select pg_temp.owner_does('update orders set due_at = now() + interval ''1 day'' where status = ''submitting''') as ignored \gset
select pg_temp.left() as a, pg_temp.left('key_dead_at = now()') as b, pg_temp.waits('key_dead_at = now()') as c, pg_temp.waits('code = code', 'updated_at = now() - interval ''1 hour''') as d \gset
select pg_temp.asked('service_role', 'recover_stuck_orders(0, ''{"actor": "ada"}'')') as answer \gset
select is(:'answer'::jsonb - 'orders', '{"success": true, "recovered": 1, "needs_review": 2, "rescheduled": 1}', 'how many of each');
select is((select string_agg(f ->> 'status', ' ' order by f ->> 'status') from jsonb_array_elements(:'answer'::jsonb -> 'orders') as f), 'needs_review needs_review submitting', 'and which');
select is(pg_temp.event_of(:'a'), 'lease_ended submitting ada {"set": {}, "calls": 1, "worker": "pgtap"}', 'in the name of who asked');
select pg_temp.left() as a, pg_temp.left() as b, pg_temp.waits('key_dead_at = now()') as c, pg_temp.waits('key_dead_at = now()') as d, pg_temp.waits('code = code', 'updated_at = now() - interval ''1 hour''') as e, pg_temp.waits('code = code', 'updated_at = now() - interval ''1 hour''') as f \gset
select is(pg_temp.asked('service_role', 'recover_stuck_orders(0, ''{"batch": 1}'')') - 'orders', '{"success": true, "recovered": 1, "needs_review": 1, "rescheduled": 1}', 'so many of each as were asked for');
select is(pg_temp.asked('service_role', 'recover_stuck_orders(0)') - 'orders', '{"success": true, "recovered": 1, "needs_review": 1, "rescheduled": 1}', 'then the others');

-- An id that came late is no news any more when its order has it.
select pg_temp.in_status('submitting') as late \gset
select pg_temp.asked('app', format('(select max(result) from record_acceptances(''pgtap'', 1000, array[{id}]::uuid[], array[gen_random_uuid()], array[%L, %L]))', pg_temp.request(:'late'), 'other'), :'late') as ignored \gset
select pg_temp.asked('app', format('(select max(result) from record_acceptances(''pgtap'', 1000, array[{id}]::uuid[], array[gen_random_uuid()], array[%L]))', pg_temp.request(:'late')), :'late') as ignored \gset
select is(pg_temp.got('select count(*) from alerts where order_id = {id} and rule = ''request_id_late'' and closed_at is null', :'late'), '1', 'an id came late');
select pg_temp.said(format('complete_order_processing({id}, %L)', pg_temp.request(:'late')), :'late') as ignored \gset
select pg_temp.asked('service_role', 'recover_stuck_orders(0)') as ignored \gset
select is(pg_temp.got('select concat_ws('' '', (select count(*) from alerts where order_id = {id} and rule = ''request_id_late'' and closed_at is null), (select count(*) from findings where order_id = {id} and kind = ''request_id_late'' and closed_at is null))', :'late'), '0 0', 'its order has it');
select * from finish();
rollback;
