-- Settings that a shop starts with; what stands already is kept.

insert into :"schema".settings (name, value) values
  ('shop_secret', encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex')),
  ('processing_bound_ms', '60000'),
  ('poll_ms', '300000'),
  ('calls_max', '12'),
  ('generations_max', '5'),
  ('repeat_first_ms', '1000'),
  ('renew_first_ms', '5000'),
  ('account_pause_ms', '300000'),
  ('complete_on', 'delivered'),
  ('gate_age_ms', '60000'),
  ('capture_when', 'before_purchase'),
  ('hold_on_fraud_signs', 'yes'),
  ('two_persons_above_minor', '0'),
  ('expire_unpaid_after_s', '0')
on conflict (name) do nothing;
