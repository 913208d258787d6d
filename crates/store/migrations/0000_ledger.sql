-- What was installed: one row per migration. The installer makes this table first and refuses to
-- start beside tables that it did not make.

create table if not exists :"schema".schema_migrations (
  version    integer primary key,
  name       text not null,
  digest     bytea not null,
  applied_at timestamptz not null
);
comment on table :"schema".schema_migrations is 'The migrations that made this schema; forward only.';
