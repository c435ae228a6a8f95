// Change Data Capture: row triggers write what changed into cdc.<capture instance>_CT, one LSN per transaction.

/**
 * Functions live in tsql_cdc; the schema `cdc` is there once a database is enabled, as in SQL Server. What
 * fn_cdc_get_all_changes_<capture instance> gives is a view of that name, which the translation narrows to the range:
 * so its columns keep the types that the table declares.
 */
export const CHANGE_DATA_CAPTURE = `
create sequence if not exists tsql_cdc.lsn;
create sequence if not exists tsql_cdc.position;
create table if not exists tsql_cdc.instances (name text primary key, shown text not null, relation oid not null, start_lsn bytea not null, net boolean not null);
create or replace function tsql_cdc.lsn_of(bigint) returns bytea language sql immutable as $$select decode(lpad(to_hex($1), 20, '0'), 'hex')$$;
create or replace function tsql_cdc.step_lsn(bytea, bigint) returns bytea language sql immutable as $$select tsql_cdc.lsn_of(('x' || right(encode($1, 'hex'), 16))::bit(64)::bigint + $2)$$;
-- Below the least of those that open transactions hold, so that nothing that commits late is missed.
create or replace function tsql_cdc.max_lsn() returns bytea language sql volatile as
  $$select case when to_regnamespace('cdc') is not null then tsql_cdc.lsn_of(tsql.oldest_open(735019, 'tsql_cdc.lsn') - 1) end$$;
create or replace function tsql_cdc.min_lsn(instance text) returns bytea language sql stable as
  $$select coalesce((select start_lsn from tsql_cdc.instances where name = lower(instance)), tsql_cdc.lsn_of(0))$$;
create or replace function tsql_cdc.claim() returns bytea language plpgsql as $f$
begin
  if current_setting('tsql.captured_transaction', true) is distinct from txid_current()::text then
    perform set_config('tsql.captured_lsn', tsql.claim_number(735019, 'tsql_cdc.lsn')::text, true);
    perform set_config('tsql.captured_transaction', txid_current()::text, true);
    insert into cdc.lsn_time_mapping values (tsql_cdc.lsn_of(current_setting('tsql.captured_lsn')::bigint), tsql.now(), tsql.now());
  end if;
  return tsql_cdc.lsn_of(current_setting('tsql.captured_lsn')::bigint);
end $f$;
create or replace function tsql_cdc.map_time_to_lsn(operator text, moment timestamp) returns bytea language plpgsql volatile as $f$
declare found bytea; newest bytea := tsql_cdc.max_lsn();
begin
  if newest is null then return null; end if;
  case lower(operator)
    when 'smallest greater than' then select min(start_lsn) into found from cdc.lsn_time_mapping where tran_end_time > moment and start_lsn <= newest;
    when 'smallest greater than or equal' then select min(start_lsn) into found from cdc.lsn_time_mapping where tran_end_time >= moment and start_lsn <= newest;
    when 'largest less than' then select max(start_lsn) into found from cdc.lsn_time_mapping where tran_end_time < moment and start_lsn <= newest;
    when 'largest less than or equal' then select max(start_lsn) into found from cdc.lsn_time_mapping where tran_end_time <= moment and start_lsn <= newest;
    else found := null;
  end case;
  return found;
end $f$;
create or replace function tsql_cdc.map_lsn_to_time(lsn bytea) returns timestamp language plpgsql stable as $f$
begin
  return case when to_regnamespace('cdc') is not null then (select tran_end_time from cdc.lsn_time_mapping where start_lsn = lsn) end;
end $f$;
-- True, or error 313: the range has to lie within what was captured, and the row filter has to be one.
create or replace function tsql_cdc.in_range(called text, instance text, from_lsn bytea, to_lsn bytea, given text, allowed text[]) returns boolean language plpgsql volatile as $f$
begin
  if from_lsn >= tsql_cdc.min_lsn(instance) and to_lsn <= tsql_cdc.max_lsn() and from_lsn <= to_lsn and lower(given) = any (allowed) then return true; end if;
  raise exception 'An insufficient number of arguments were supplied for the procedure or function cdc.% ... .', called using errcode = 'P0313';
end $f$;
create or replace function tsql_cdc.capture() returns trigger language plpgsql as $f$
declare lsn bytea := tsql_cdc.claim(); statement text := tg_argv[0]; keys text[] := tg_argv[1]::text[]; columns text[] := tg_argv[2]::text[]; before jsonb; after jsonb; mask bytea; every bytea; moved boolean;
begin
  every := tsql_cdc.mask(array(select true from unnest(columns)));
  if tg_op = 'INSERT' then execute statement using lsn, nextval('tsql_cdc.position'), 2, every, new; return null; end if;
  if tg_op = 'DELETE' then execute statement using lsn, nextval('tsql_cdc.position'), 1, every, old; return null; end if;
  before := to_jsonb(old); after := to_jsonb(new);
  -- A key that was changed is one row deleted and another inserted.
  select coalesce(bool_or(before -> k is distinct from after -> k), false) into moved from unnest(keys) k;
  if moved then
    execute statement using lsn, nextval('tsql_cdc.position'), 1, every, old;
    execute statement using lsn, nextval('tsql_cdc.position'), 2, every, new;
    return null;
  end if;
  mask := tsql_cdc.mask(array(select before -> c is distinct from after -> c from unnest(columns) with ordinality u(c, n) order by n));
  execute statement using lsn, nextval('tsql_cdc.position'), 3, mask, old;
  execute statement using lsn, currval('tsql_cdc.position'), 4, mask, new;
  return null;
end $f$;
-- The first column is the lowest bit of the last byte.
create or replace function tsql_cdc.mask(changed boolean[]) returns bytea language plpgsql immutable as $f$
declare bytes int := (cardinality(changed) + 7) / 8; m bytea := decode(repeat('00', (cardinality(changed) + 7) / 8), 'hex'); i int;
begin
  for i in 1 .. cardinality(changed) loop
    if changed[i] then m := set_byte(m, bytes - 1 - (i - 1) / 8, get_byte(m, bytes - 1 - (i - 1) / 8) | (1 << ((i - 1) % 8))); end if;
  end loop;
  return m;
end $f$;
create or replace function tsql_cdc.no_truncate() returns trigger language plpgsql as $f$
begin
  raise exception 'Cannot truncate table ''%'' because it is published for replication or enabled for Change Data Capture.', tg_table_name using errcode = 'P4711';
end $f$;
create or replace function tsql_cdc.enable_db() returns void language plpgsql as $f$
begin
  if to_regnamespace('cdc') is not null then return; end if;
  create schema cdc;
  create table cdc.lsn_time_mapping (start_lsn bytea primary key, tran_begin_time timestamp(3), tran_end_time timestamp(3));
  comment on column cdc.lsn_time_mapping.start_lsn is '{"name":"start_lsn","type":"binary","length":10}';
  comment on column cdc.lsn_time_mapping.tran_begin_time is '{"name":"tran_begin_time","type":"datetime"}';
  comment on column cdc.lsn_time_mapping.tran_end_time is '{"name":"tran_end_time","type":"datetime"}';
end $f$;
create or replace function tsql_cdc.forget_instance(instance text) returns void language plpgsql as $f$
declare i tsql_cdc.instances;
begin
  select * into i from tsql_cdc.instances where name = lower(instance);
  if not found then return; end if;
  if exists (select from pg_class where oid = i.relation) then
    execute format('drop trigger if exists %I on %s', 'tsql_cdc_' || md5(i.name), i.relation::regclass);
    if not exists (select from tsql_cdc.instances where relation = i.relation and name <> i.name) then
      execute format('drop trigger if exists tsql_cdc_truncate on %s', i.relation::regclass);
    end if;
  end if;
  execute format('drop table if exists cdc.%I cascade', tsql.held(i.shown || '_CT'));
  delete from tsql_cdc.instances where name = i.name;
end $f$;
create or replace function tsql_cdc.forget(s text, t text) returns void language sql as
  $$select tsql_cdc.forget_instance(name) from tsql_cdc.instances where relation = to_regclass(format('%I.%I', s, t))$$;
create or replace function tsql_cdc.disable_db() returns void language plpgsql as $f$
begin
  perform tsql_cdc.forget_instance(name) from tsql_cdc.instances;
  drop schema if exists cdc cascade;
end $f$;
create or replace function tsql_cdc.enable_table(s text, t text, instance text, net_asked boolean) returns void language plpgsql as $f$
declare r regclass := to_regclass(format('%I.%I', tsql.held(s), tsql.held(t))); ct text; viewed text; views text[]; kind text; keys text[]; columns text[]; listed text; plain text; d record; net boolean;
begin
  if to_regnamespace('cdc') is null then raise exception 'The database ''%'' is not enabled for Change Data Capture. Ensure that the correct database context is set and retry the operation.', current_database() using errcode = 'Q2901'; end if;
  if r is null then raise exception 'Source table ''%.%'' does not exist in the current database.', s, t using errcode = 'Q2931'; end if;
  if exists (select from tsql_cdc.instances where name = lower(instance)) then
    raise exception 'Could not create a capture instance because the capture instance name ''%'' already exists in the current database. Specify an explicit unique name for the parameter @capture_instance.', instance using errcode = 'Q2926';
  end if;
  select array_agg(a.attname::text order by a.attnum) into keys from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey) where i.indrelid = r and i.indisprimary;
  net := coalesce(net_asked, keys is not null);
  if net and keys is null then raise exception 'The parameter @supports_net_changes is set to 1, but the source table does not have a primary key defined and no alternate unique index has been specified.' using errcode = 'Q2939'; end if;
  ct := tsql.held(instance || '_CT');
  select array_agg(attname::text order by attnum), string_agg(format('($5).%I', attname), ', ' order by attnum), string_agg(quote_ident(attname), ', ' order by attnum) into columns, listed, plain from pg_attribute where attrelid = r and attnum > 0 and not attisdropped;
  execute format('create table cdc.%I as select null::bytea as "__$start_lsn", null::bytea as "__$seqval", 0 as "__$operation", null::bytea as "__$update_mask", * from %s limit 0', ct, r);
  execute format('create index on cdc.%I ("__$start_lsn")', ct);
  execute format('comment on table cdc.%I is %L', ct, json_build_object('name', instance || '_CT'));
  views := array['all'];
  if net then views := views || 'net'::text; end if;
  foreach kind in array views loop
    viewed := tsql.held('fn_cdc_get_' || kind || '_changes_' || instance);
    execute format('create view cdc.%I as select %s from cdc.%I', viewed, case kind when 'all' then '*' else
      format('"__$start_lsn", "__$operation", "__$update_mask", %s, "__$seqval", jsonb_build_array(%s) as "__$key"', plain, (select string_agg(quote_ident(k), ', ') from unnest(keys) k)) end, ct);
    execute format('comment on view cdc.%I is %L', viewed, json_build_object('name', 'fn_cdc_get_' || kind || '_changes_' || instance));
  end loop;
  for d in select c.oid::regclass as relation, a.attname as held,
      case a.attname when '__$start_lsn' then '{"name":"__$start_lsn","type":"binary","length":10}' when '__$seqval' then '{"name":"__$seqval","type":"binary","length":10}'
      when '__$operation' then '{"name":"__$operation","type":"int"}' when '__$update_mask' then '{"name":"__$update_mask","type":"varbinary","length":128}' else col_description(r, b.attnum) end as told
    from pg_class c join pg_attribute a on a.attrelid = c.oid left join pg_attribute b on b.attrelid = r and b.attname = a.attname and b.attnum > 0
    where c.relnamespace = 'cdc'::regnamespace and c.relname in (ct, viewed, tsql.held('fn_cdc_get_all_changes_' || instance)) and a.attnum > 0
  loop
    execute format('comment on column %s.%I is %L', d.relation, d.held, d.told);
  end loop;
  execute format('create trigger %I after insert or update or delete on %s for each row execute function tsql_cdc.capture(%L, %L, %L)', 'tsql_cdc_' || md5(lower(instance)), r,
    format('insert into cdc.%I select $1, tsql_cdc.lsn_of($2), $3, $4, %s', ct, listed), coalesce(keys, '{}')::text, columns::text);
  execute format('create or replace trigger tsql_cdc_truncate before truncate on %s for each statement execute function tsql_cdc.no_truncate()', r);
  insert into tsql_cdc.instances values (lower(instance), instance, r, tsql_cdc.claim(), net);
end $f$;
`;
