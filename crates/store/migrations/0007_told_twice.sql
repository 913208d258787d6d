-- Who asks for a refund twice with the same words means it once; what was told once is found by its name.

alter table :"schema".money_moves
  add column request_key text constraint money_moves_request_key_length check (char_length(request_key) between 1 and 260);
comment on column :"schema".money_moves.request_key is
  'What makes two requests of a person one: his key, or the amount and the reason that he gave.';
create unique index money_moves_one_per_request on :"schema".money_moves (order_id, request_key)
  where state not in ('refused', 'failed', 'withdrawn');
create index differences_by_subject on :"schema".differences (kind, subject, gone_at);
