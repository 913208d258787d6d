-- A database that was restored to an earlier time, cloned or failed over has forgotten what was bought since:
-- the shop is held until it was compared with its partners. // G22

create table :"schema".shop (
  one               boolean primary key default true constraint shop_is_one check (one),
  place             text constraint shop_place_length check (char_length(place) between 1 and 100),
  server_started_at timestamptz,
  beaten_at         timestamptz,
  beats             bigint not null default 0 constraint shop_beats_positive check (beats >= 0),
  held_since        timestamptz,
  held_because      text constraint shop_held_because_known
    check (held_because in ('unwatched', 'failed_over', 'another_place', 'went_back', 'forgotten', 'operator')),
  compare_since     timestamptz,
  forgotten_from    timestamptz,
  compared_at       timestamptz,
  constraint shop_held_for_a_reason check ((held_since is null) = (held_because is null)),
  constraint shop_compared_while_held check (held_since is not null or compare_since is null and compared_at is null and forgotten_from is null)
);
comment on table :"schema".shop is
  'The shop as a whole: where its database stands, when an engine last worked, and why nothing is bought and no money moved while it is held.';
comment on column :"schema".shop.place is 'System identifier, database and timeline of the server that engines work on.';
comment on column :"schema".shop.compare_since is 'Only a comparison with the partners that began later can end the hold; null when none is needed.';
comment on column :"schema".shop.forgotten_from is 'What was done since then the database may have forgotten.';
comment on column :"schema".shop.beats is 'How often the engines have said that they live, all together.';
insert into :"schema".shop default values;

alter table :"schema".workers add column beats bigint not null default 0 constraint workers_beats_positive check (beats >= 0);
comment on column :"schema".workers.beats is
  'The number of its last beat. It remembers that itself: a smaller one here means that the database went back in time.';
comment on table :"schema".workers is 'Heartbeat of each engine process.';
create index differences_of_orders_open on :"schema".differences (order_id) where gone_at is null;
