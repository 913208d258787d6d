-- Exactly the known edges between statuses are walked, whoever tries, the owner included, and also with
-- an event. No order is born in another status than pending.
\ir begin.psql
select plan(88);

create temporary table edge (before text, after text);
insert into edge
select before, after
  from (values ('new', '{pending}'::text[]),
    ('pending', '{submitting, cancelled, needs_review, completed}'),
    ('submitting', '{submitted_to_zinc, pending, needs_review, failed, cancelled, completed}'),
    ('submitted_to_zinc', '{processing, pending, needs_review, failed, cancelled, completed}'),
    ('processing', '{completed, pending, needs_review, failed, cancelled}'),
    ('needs_review', '{pending, submitting, submitted_to_zinc, processing, completed, cancelled, failed}')) as e (before, afters)
 cross join unnest(afters) as after;
create temporary table status (name text, others text);
insert into status
select name, format('zinc_request_id = %L, generation = 1, due_at = %s, review_reason = %s', 'pgtap-' || gen_random_uuid(),
         case when name in ('completed', 'cancelled', 'failed') then 'null' else 'now()' end,
         case when name = 'needs_review' then quote_literal('asked') else 'null' end)
  from unnest('{pending, submitting, submitted_to_zinc, processing, needs_review, completed, cancelled, failed}'::text[]) as name;

select pg_temp.paid() as id \gset

select is(pg_temp.got('select string_agg(status_before || ''>'' || status_after, '' '' order by 1, 1) from (
    select * from order_edges order by status_before collate "C", status_after collate "C") as e'),
  (select string_agg(before || '>' || after, ' ') from (select * from edge order by before collate "C", after collate "C") as e),
  'the table order_edges holds exactly the edges that are known here');
select is(pg_temp.got('select count(*) from pg_constraint where conname = ''orders_edge_known'' and contypid = ''orders_whole''::regtype and convalidated'),
  '1', 'the constraint orders_edge_known stands and was validated');
select is(pg_temp.got('select count(*) from pg_constraint where conname = ''orders_hold_together'' and conrelid = ''orders''::regclass and convalidated'),
  '1', 'the constraint that applies it to every row stands and was validated');

-- Each pair, as the owner, together with an event. The order is put into the first status by force.
select is(
  pg_temp.tried('owner', format('alter table orders disable trigger user;
      update orders set status = %1$L, status_before = %2$L, %3$s where id = {id};
      alter table orders enable trigger user;
      update orders set status = %4$L, status_before = %1$L, version = version + 1, head = sha256(head), %5$s where id = {id};
      insert into order_events select id, version, now(), ''pgtap'', %1$L, %4$L, ''pgtap'', ''login'', ''{}'', head from orders where id = {id}',
    b.name, (select min(e.before) from edge as e where e.after = b.name), b.others, a.name, a.others), :'id'),
  case when exists (select from edge as e where e.before = b.name and e.after = a.name) then 'done'
       when b.name = a.name then '42501 an order changes only together with its event'
       else '23514 orders_edge_known' end,
  b.name || ' to ' || a.name || case when exists (select from edge as e where e.before = b.name and e.after = a.name)
    then ' passes' else ' is refused' end)
  from status as b cross join status as a;

-- Words that are no status.
select is(pg_temp.tried('owner', format('update orders set status = %L, status_before = ''pending'', version = version + 1,
    head = sha256(head) where id = {id}', word), :'id'), '23514 orders_edge_known', 'the status ' || quote_literal(word) || ' is refused')
  from unnest('{done,"",PENDING,new}'::text[]) as word;
select matches(pg_temp.tried('owner', 'update orders set status = null, status_before = ''pending'', version = version + 1,
    head = sha256(head) where id = {id}', :'id'), '^23502 ', 'an empty status is refused');

-- Births.
select is(
  pg_temp.tried('owner', format('insert into orders select (jsonb_populate_record(o, jsonb_build_object(''id'', gen_random_uuid(),
      ''order_number'', gen_random_uuid(), ''status'', %L, ''status_before'', ''new'', ''version'', 1, ''payment_status'', ''unpaid'',
      ''hold_reason'', ''awaiting_payment'', ''due_at'', %s, ''review_reason'', %s))).* from orders as o where o.id = {id}', s.name,
      case when s.name in ('completed', 'cancelled', 'failed') then 'null' else 'now()' end,
      case when s.name = 'needs_review' then quote_literal('asked') else 'null' end), :'id'),
  case when s.name = 'pending' then 'done' else '42501 an order is born pending and unpaid, without attempt and request id' end,
  'a birth as ' || s.name || case when s.name = 'pending' then ' passes' else ' is refused' end)
  from status as s;
select is(
  pg_temp.tried('owner', format('insert into orders select (jsonb_populate_record(o, jsonb_build_object(''id'', gen_random_uuid(),
      ''order_number'', gen_random_uuid(), ''status_before'', ''new'', ''version'', 1, ''payment_status'', ''unpaid'',
      ''hold_reason'', ''awaiting_payment'') || %L)).* from orders as o where o.id = {id}', other), :'id'),
  '42501 an order is born pending and unpaid, without attempt and request id', 'a birth with ' || other || ' is refused')
  from unnest(array['{"payment_status": "paid"}', '{"hold_reason": null}', '{"hold_reason": "operator"}', '{"version": 2}',
    '{"generation": 1}', '{"zinc_request_id": "x"}', '{"zinc_status": "x"}', '{"status_before": "pending"}']) as other;

select * from finish();
rollback;
