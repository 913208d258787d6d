//! The installation as text: what the installer runs, and what `migrate --print` shows to a person
//! who would rather run it with `psql`.

use super::{RELEASE, names};
use crate::Error;
use crate::sql::{FUNCTIONS, GUARDS, MIGRATIONS, Names};
use orders_core::id::hex;
use orders_core::state::EDGES;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// The first installation of a shop into a schema, as one transaction.
pub fn script(schema: &str) -> Result<String, Error> {
    let names = names(schema)?;
    let mut text = String::from("begin;\n");
    text.push_str(&roles(&names));
    text.push_str(&become_owner(&names));
    for (version, (name, file)) in MIGRATIONS.iter().enumerate() {
        let _ = write!(text, "\n-- {name}.sql\n{}", names.render(file));
        let digest = hex(&Sha256::digest(file));
        let _ = writeln!(
            text,
            "insert into \"{schema}\".schema_migrations (version, name, digest, applied_at)\n\
             values ({version}, '{name}', '\\x{digest}', clock_timestamp());"
        );
    }
    text.push_str(&functions_and_guards(&names));
    text.push_str(&give_back(&names));
    text.push_str("commit;\n");
    Ok(text)
}

/// Everything that is created anew on every installation, each function closed before it is opened.
pub fn functions_and_guards(names: &Names) -> String {
    let mut text = String::new();
    for (name, file) in FUNCTIONS {
        let _ = write!(text, "\n-- {name}.sql\n{}{}", names.render(file), closed(names, name));
    }
    for (name, file) in GUARDS {
        let _ = write!(text, "\n-- {name}.sql\n{}", names.render(file));
    }
    text.push_str(&closed(names, "refuse_write"));
    text.push_str(&edges(names));
    text.push_str(&protect(names));
    text
}

/// Writes down what was installed, so that a difference shows.
fn protect(names: &Names) -> String {
    let (schema, digests) = (&names.schema, digests(names));
    format!(
        "delete from \"{schema}\".protected_functions;\n\
         insert into \"{schema}\".protected_functions (signature, digest, release)\n\
         select d.signature, d.digest, '{RELEASE}' from ({digests}) as d;\n"
    )
}

/// The roles of the shop. Roles belong to the whole server, so that another shop's installer may make
/// the same one at the same time.
pub fn roles(names: &Names) -> String {
    let Names { owner, app, .. } = names;
    let mut text = String::new();
    for (role, kind) in [
        (owner.as_str(), "nologin"),
        (app.as_str(), "login"),
        ("anon", "nologin"),
        ("authenticated", "nologin"),
        ("service_role", "nologin"),
    ] {
        let _ = writeln!(
            text,
            "do $$ begin if not exists (select from pg_roles where rolname = '{role}') then \
             create role \"{role}\" {kind}; end if; \
             exception when duplicate_object or unique_violation then null; end $$;"
        );
    }
    text
}

/// Makes the session the owner for the length of its transaction; a superuser needs no membership.
pub fn become_owner(names: &Names) -> String {
    let Names { schema, owner, .. } = names;
    format!(
        "create schema if not exists \"{schema}\";\n\
         do $$ begin\n\
         \x20 if not (select rolsuper from pg_roles where rolname = current_user) then\n\
         \x20   -- From 16 on a membership inherits and may be set only where that is said.\n\
         \x20   execute 'grant \"{owner}\" to current_user'\n\
         \x20     || case when current_setting('server_version_num')::integer >= 160000\n\
         \x20          then ' with inherit true, set true' else '' end;\n\
         \x20 end if;\n\
         end $$;\n\
         revoke create on schema \"{schema}\" from public;\n\
         grant usage, create on schema \"{schema}\" to \"{owner}\";\n\
         set local role \"{owner}\";\n\
         set local search_path = pg_catalog, pg_temp;\n"
    )
}

/// Ends the installer's membership in the owner.
pub fn give_back(names: &Names) -> String {
    let Names { schema, owner, app } = names;
    format!(
        "reset role;\n\
         grant usage on schema \"{schema}\" to service_role, \"{app}\";\n\
         revoke create on schema \"{schema}\" from \"{owner}\";\n\
         do $$ begin if not (select rolsuper from pg_roles where rolname = current_user) then \
         revoke \"{owner}\" from current_user; end if; end $$;\n"
    )
}

/// Closes a function to everybody: PostgreSQL and Supabase both open new functions by default.
fn closed(names: &Names, function: &str) -> String {
    format!(
        "revoke all on function \"{}\".{function} from public, anon, authenticated, service_role, \
         \"{}\";\n",
        names.schema, names.app
    )
}

/// The edges, generated from `orders_core::state`: the constraint that refuses, and the readable
/// twin. The constraint is one array, because every statement reads it anew: as a list of pairs it
/// cost a single call a fifth of its time. It is replaced only when it differs, first not valid, then validated, so that
/// no long lock is needed on a large table. // G10
fn edges(names: &Names) -> String {
    let schema = &names.schema;
    let mut pairs = String::new();
    let mut rows = String::new();
    for edge in &EDGES {
        let comma = if pairs.is_empty() { "" } else { "," };
        let (before, after) = (edge.before_name(), edge.after.name());
        let _ = write!(pairs, "{comma}{before}>{after}");
        let _ =
            write!(rows, "{comma}('{before}', '{after}', '{}')", edge.meaning.replace('\'', "''"));
    }
    let digest = hex(&Sha256::digest(&pairs)[..8]);
    format!(
        "do $edges$ begin
           if not exists (select from pg_constraint where conname = 'orders_edge_known'
               and conrelid = '\"{schema}\".orders'::regclass
               and obj_description(oid, 'pg_constraint') = 'edges {digest}') then
             alter table \"{schema}\".orders drop constraint if exists orders_edge_known;
             alter table \"{schema}\".orders add constraint orders_edge_known
               check (status_before || '>' || status = any ('{{{pairs}}}')) not valid;
             alter table \"{schema}\".orders validate constraint orders_edge_known;
             comment on constraint orders_edge_known on \"{schema}\".orders is 'edges {digest}';
             delete from \"{schema}\".order_edges;
             insert into \"{schema}\".order_edges (status_before, status_after, meaning) values {rows};
           end if;
         end $edges$;\n"
    )
}

/// The digest of each function as the catalogue has it: source, arguments, settings, owner's rights.
/// Nothing in it depends on the reader's `search_path`, as `regprocedure` and
/// `pg_get_functiondef` would.
pub fn digests(names: &Names) -> String {
    let Names { schema, owner, .. } = names;
    format!("select p.proname || '(' || coalesce((
         select string_agg(case when t.typnamespace = p.pronamespace then t.typname else format_type(t.oid, null) end, ',' order by a.at)
           from unnest(p.proargtypes) with ordinality as a (type, at) join pg_type as t on t.oid = a.type), '') || ')' as signature,
       sha256(convert_to(concat_ws(E'\\x1f', p.proname, p.prosrc, pg_get_function_sqlbody(p.oid), p.provolatile, p.proretset,
         p.prosecdef, p.proconfig::text, p.proargnames::text, p.proargmodes::text, pg_get_expr(p.proargdefaults, 0), (
           select string_agg(t.typname, ',' order by a.at)
             from unnest(coalesce(p.proallargtypes, p.proargtypes) || p.prorettype) with ordinality as a (type, at)
             join pg_type as t on t.oid = a.type)), 'UTF8')) as digest
  from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
 where n.nspname = '{schema}' and p.proowner::regrole::text = '{owner}'")
}
