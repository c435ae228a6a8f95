// Change Tracking: triggers with transition tables write the keys of changed rows, one version per transaction.

export const CHANGE_TRACKING = `
create sequence if not exists tsql_tracking.version minvalue 0 start 0;
select setval('tsql_tracking.version', 0, true) where not exists (select from tsql_tracking.started);
insert into tsql_tracking.started select true where not exists (select from tsql_tracking.started);
create or replace function tsql_tracking.current_version() returns bigint language sql volatile as $$select tsql.oldest_open(735018, 'tsql_tracking.version') - 1$$;
create or replace function tsql_tracking.min_valid_version(int) returns bigint language sql stable as
  'select from_version from tsql_tracking.tables where relation = $1::oid';
create or replace function tsql_tracking.log() returns trigger language plpgsql as $f$
declare v bigint;
begin
  if current_setting('tsql.tracked_transaction', true) is distinct from txid_current()::text then
    perform set_config('tsql.tracked_version', tsql.claim_number(735018, 'tsql_tracking.version')::text, true);
    perform set_config('tsql.tracked_transaction', txid_current()::text, true);
  end if;
  v := current_setting('tsql.tracked_version')::bigint;
  if tg_op = 'UPDATE' then
    -- A key that was changed is one row deleted and another inserted.
    execute format('insert into tsql_tracking.%1$I select %2$s, o, %3$s from (select ''U'' as o, k.* from (select %3$s from old_rows intersect select %3$s from new_rows) k
      union all select ''D'', k.* from (select %3$s from old_rows except select %3$s from new_rows) k
      union all select ''I'', k.* from (select %3$s from new_rows except select %3$s from old_rows) k) changed', tg_argv[0] || '.log', v, tg_argv[1]);
    return null;
  end if;
  execute format('insert into tsql_tracking.%I select %s, %L, %s from %s', tg_argv[0] || '.log', v, left(tg_op, 1), tg_argv[1],
    case when tg_op = 'DELETE' then 'old_rows' else 'new_rows' end);
  return null;
end $f$;
create or replace function tsql_tracking.truncated() returns trigger language plpgsql as $f$
begin
  execute format('truncate tsql_tracking.%I', tg_argv[0] || '.log');
  update tsql_tracking.tables set from_version = nextval('tsql_tracking.version') where relation = tg_relid;
  return null;
end $f$;
create or replace function tsql_tracking.disable(s text, t text) returns void language plpgsql as $f$
declare r regclass := to_regclass(format('%I.%I', s, t)); n text := s || '.' || t; e text;
begin
  if r is null then raise exception 'relation "%.%" does not exist', s, t using errcode = '42P01'; end if;
  foreach e in array array['insert', 'update', 'delete', 'truncate'] loop execute format('drop trigger if exists %I on %s', 'tsql_tracking_' || e, r); end loop;
  perform tsql_tracking.forget(s, t);
end $f$;
create or replace function tsql_tracking.forget(s text, t text) returns void language plpgsql as $f$
declare n text := s || '.' || t;
begin
  if to_regclass(format('tsql_tracking.%I', n || '.log')) is null then return; end if;
  execute format('drop function if exists tsql_tracking.%I(bigint)', n || '.changes');
  execute format('drop table if exists tsql_tracking.%I', n || '.log');
  delete from tsql_tracking.tables where relation = to_regclass(format('%I.%I', s, t));
end $f$;
create or replace function tsql_tracking.enable(s text, t text) returns void language plpgsql as $f$
declare r regclass := to_regclass(format('%I.%I', s, t)); n text := s || '.' || t; keys text; typed text; e text;
begin
  if r is null then raise exception 'relation "%.%" does not exist', s, t using errcode = '42P01'; end if;
  select string_agg(quote_ident(attname), ', ' order by array_position(i.indkey::int2[], a.attnum)),
    string_agg(quote_ident(attname) || ' ' || format_type(a.atttypid, a.atttypmod), ', ' order by array_position(i.indkey::int2[], a.attnum))
    into keys, typed from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey) where i.indrelid = r and i.indisprimary;
  if keys is null then raise exception 'Cannot enable change tracking on table ''%''. Change tracking requires a primary key on the table.', t using errcode = 'P4997'; end if;
  if exists (select from tsql_tracking.tables where relation = r) then raise exception 'Change tracking is already enabled for table ''%''.', t using errcode = 'P4996'; end if;
  insert into tsql_tracking.tables values (r, tsql_tracking.current_version());
  execute format('create table tsql_tracking.%I as select 0::bigint as version, ''I''::char(1) as operation, %s from %s limit 0', n || '.log', keys, r);
  execute format($q$create function tsql_tracking.%I(since bigint) returns table(sys_change_version bigint, sys_change_creation_version bigint, sys_change_operation text,
    sys_change_columns bytea, sys_change_context bytea, %s) language sql stable as
    $b$ select max(version), min(version) filter (where operation = 'I'),
      case when (array_agg(operation order by version))[1] = 'I' and (array_agg(operation order by version desc))[1] <> 'D' then 'I' else (array_agg(operation order by version desc))[1]::text end,
      null::bytea, null::bytea, %s from tsql_tracking.%I where version > coalesce(since, -1) group by %s
      having not ((array_agg(operation order by version))[1] = 'I' and (array_agg(operation order by version desc))[1] = 'D') $b$ $q$,
    n || '.changes', typed, keys, n || '.log', keys);
  execute format('create trigger tsql_tracking_insert after insert on %s referencing new table as new_rows for each statement execute function tsql_tracking.log(%L, %L)', r, n, keys);
  execute format('create trigger tsql_tracking_update after update on %s referencing old table as old_rows new table as new_rows for each statement execute function tsql_tracking.log(%L, %L)', r, n, keys);
  execute format('create trigger tsql_tracking_delete after delete on %s referencing old table as old_rows for each statement execute function tsql_tracking.log(%L, %L)', r, n, keys);
  execute format('create trigger tsql_tracking_truncate after truncate on %s for each statement execute function tsql_tracking.truncated(%L)', r, n);
end $f$;
`;
