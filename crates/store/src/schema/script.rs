//! The installation as text: what the installer runs, and what `migrate --print` shows to a person
//! who would rather run it with `psql`.

use super::names;
use super::objects::{PINNED, protect};
use crate::Error;
use crate::sql::{FUNCTIONS, GUARDS, MIGRATIONS, Names};
use orders_core::id::hex;
use orders_core::state::EDGES;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// So often an installation tries to take the shop's tables: for half a minute at most.
const TAKING_TRIES: u32 = 80;

/// The first installation of a shop into a schema, as one transaction.
pub fn script(schema: &str) -> Result<String, Error> {
    let names = names(schema)?;
    let mut text = format!("begin;\n{PINNED};\n");
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
    text.push_str(&protect(&names));
    text.push_str(&give_back(&names));
    text.push_str("commit;\n");
    Ok(text)
}

/// Everything that is created anew on every installation.
pub fn functions_and_guards(names: &Names) -> String {
    let mut text = String::new();
    for (name, file) in FUNCTIONS.iter().chain(GUARDS) {
        let _ = write!(text, "\n-- {name}.sql\n{}", names.render(file));
    }
    text.push_str(&edges(names));
    text
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
    text + &apart(names)
}

/// Ends the membership of callers and of the service in the owner, whoever granted it. // G38
fn apart(names: &Names) -> String {
    let Names { owner, app, .. } = names;
    format!(
        "do $$ declare step text; begin
           for step in select format('revoke %s from %s', a.roleid::regrole, a.member::regrole)
                  || case when current_setting('server_version_num')::integer >= 160000
                       then format(' granted by %s', a.grantor::regrole) else '' end || ' cascade'
             from pg_auth_members as a
            where a.roleid = '{owner}'::regrole
              and pg_get_userbyid(a.member) in ('anon', 'authenticated', 'service_role', '{app}')
           loop
             execute step;
           end loop;
         end $$;\n"
    )
}

/// Makes the session the owner for the length of its transaction; a superuser needs no membership.
pub fn become_owner(names: &Names) -> String {
    let Names { schema, owner, app } = names;
    format!(
        "{PINNED};\n\
         create schema if not exists \"{schema}\";\n\
         do $$ begin\n\
         \x20 if not (select rolsuper from pg_roles where rolname = current_user) then\n\
         \x20   -- From 16 on a membership inherits and may be set only where that is said.\n\
         \x20   execute 'grant \"{owner}\" to current_user'\n\
         \x20     || case when current_setting('server_version_num')::integer >= 160000\n\
         \x20          then ' with inherit true, set true' else '' end;\n\
         \x20 end if;\n\
         end $$;\n\
         revoke create on schema \"{schema}\" from public, anon, authenticated, service_role, \"{app}\";\n\
         grant usage, create on schema \"{schema}\" to \"{owner}\";\n\
         set local role \"{owner}\";\n"
    )
}

/// Takes every table of a shop that stands, before anything in it is changed. An engine at work has one table
/// and asks for the next, and an installation that did the same would meet it again and again: so it takes all
/// or keeps none, waits for a moment only, and lets the engines by between two tries.
pub fn take_tables(names: &Names) -> String {
    let Names { schema, owner, .. } = names;
    format!(
        "set local lock_timeout = '200ms';
         do $$ declare one text; begin
           for try in 1..{TAKING_TRIES} loop
             begin
               for one in select format('%I.%I', '{schema}', c.relname) from pg_class as c
                           where c.relnamespace = '\"{schema}\"'::regnamespace and c.relkind = 'r'
                             and c.relowner = '{owner}'::regrole
                           order by c.oid
               loop
                 execute 'lock table ' || one || ' in access exclusive mode';
               end loop;
               return;
             exception when lock_not_available or deadlock_detected then
               if try = {TAKING_TRIES} then raise; end if;
               perform pg_sleep(0.05 + random() * 0.2);
             end;
           end loop;
         end $$;
         set local lock_timeout = '1s';\n"
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

/// The edges, generated from `orders_core::state`: the constraint that refuses, and the readable
/// twin. The constraint is replaced only when it differs; then every order is read again, first not
/// valid, then validated, so that no long lock is needed on a large table. // G10
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
        "do $edges$
         declare together text;
         begin
           if not exists (select from pg_constraint where conname = 'orders_edge_known'
               and contypid = '\"{schema}\".orders_whole'::regtype
               and obj_description(oid, 'pg_constraint') = 'edges {digest}') then
             alter domain \"{schema}\".orders_whole drop constraint if exists orders_edge_known;
             alter domain \"{schema}\".orders_whole add constraint orders_edge_known
               check ((value).status_before || '>' || (value).status = any ('{{{pairs}}}'));
             comment on constraint orders_edge_known on domain \"{schema}\".orders_whole is 'edges {digest}';
             select pg_get_constraintdef(oid) into strict together from pg_constraint
              where conname = 'orders_hold_together' and conrelid = '\"{schema}\".orders'::regclass;
             execute 'alter table \"{schema}\".orders drop constraint orders_hold_together, '
                  || 'add constraint orders_hold_together ' || replace(together, ' NOT VALID', '') || ' not valid';
             alter table \"{schema}\".orders validate constraint orders_hold_together;
             delete from \"{schema}\".order_edges;
             insert into \"{schema}\".order_edges (status_before, status_after, meaning) values {rows};
           end if;
         end $edges$;\n"
    )
}
