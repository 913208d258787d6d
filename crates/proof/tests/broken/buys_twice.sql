-- A product that buys twice: what is asked for again when an outcome is not known goes out under another key.
create function {s}.forget_the_key() returns trigger language plpgsql as $$
begin
  new.request_body := convert_to(replace(convert_from(new.request_body, 'UTF8'), new.provider_key, gen_random_uuid()::text), 'UTF8');
  new.request_digest := sha256(new.request_body);
  return new;
end $$;
create trigger forget_the_key before update on {s}.order_attempts
  for each row when (new.outcome = 'unknown' and old.outcome <> 'unknown') execute function {s}.forget_the_key();
