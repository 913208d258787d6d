-- Options beside a call: what a door does not know, or what an option cannot mean, is refused by name, because a
-- misspelt one would be left out without a word. What is null is none.
\ir begin.psql
select plan(36);

create function pg_temp.options(given jsonb, known text[] default '{actor, note, batch, uncompared, order_id}') returns text
language sql
return pg_temp.tried('owner', format('select {shop}.check_options(%L, %L)', given, known));

-- None.
select is(pg_temp.options(given), 'done', coalesce(given::text, 'nothing') || ' is no option') from unnest(array[null, 'null', '{}']::jsonb[]) as given;
select is(pg_temp.options(jsonb_build_object(option, null)), 'done', option || ' may be null') from unnest('{actor, note, batch, uncompared, order_id}'::text[]) as option;
select is(pg_temp.options('{"note": null, "actor": "ada"}'), 'done', 'one may be null beside another');

-- No object.
select is(pg_temp.options(given), '22023 options must be a JSON object', given::text || ' holds no options') from unnest(array['[]', '["actor"]', '"actor"', '7', 'true']::jsonb[]) as given;

-- Not known, or of no meaning.
select is(pg_temp.options(given, '{actor, batch}'), '22023 options.who is not known; known are actor, batch', given::text || ' has one that is not known')
  from unnest(array['{"who": "x"}', '{"who": null}', '{"actor": "ada", "who": "x"}', '{"actor": "ada", "batch": 1, "who": "x", "why": "x"}']::jsonb[]) as given;
select is(pg_temp.options('{"actor": "ada"}', '{}'), '22023 options.actor is not known; known are ', 'where none is known there is none');
select is(pg_temp.options(given), said, given::text || ': ' || said)
  from (values ('{"batch": 1}'::jsonb, 'done'), ('{"batch": 1000}', 'done'), ('{"batch": 0}', '22023 options.batch must be between 1 and 1000'), ('{"batch": 1001}', '22023 options.batch must be between 1 and 1000'),
    ('{"batch": "1"}', '22023 options.batch must be a whole number'), ('{"uncompared": true}', 'done'), ('{"uncompared": false}', 'done'), ('{"uncompared": "true"}', '22023 options.uncompared must be true or false'),
    ('{"actor": 7}', '22023 options.actor must be a text'), ('{"note": {}}', '22023 options.note must be a text'), (jsonb_build_object('actor', repeat('x', 200)), 'done'),
    (jsonb_build_object('actor', repeat('x', 201)), '22023 options.actor must have 1 to 200 characters, not blanks alone'), (jsonb_build_object('note', repeat('x', 300)), 'done'),
    (jsonb_build_object('note', repeat('x', 301)), '22023 options.note must have 1 to 300 characters, not blanks alone'), ('{"order_id": "x"}', '22023 options.order_id must be a uuid'),
    ('{"order_id": "6f1c5f0e-3b1a-4f5e-9d7c-2a4b6c8d0e1f"}', 'done'), ('{"actor": "ada", "note": ""}', '22023 options.note must have 1 to 300 characters, not blanks alone')) as t (given, said);
select * from finish();
rollback;
