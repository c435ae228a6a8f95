// SQL functions, aggregates and the text operator that stand for T-SQL's built-ins.

const AGGREGATES = `
create or replace function tsql.sum_int(int8) returns int4 language sql immutable as 'select $1::int4';
create or replace function tsql.sum_bigint(numeric) returns int8 language sql immutable as 'select $1::int8';
create or replace function tsql.average_int(int8[]) returns int4 language sql immutable as 'select case when $1[1] > 0 then ($1[2] / $1[1])::int4 end';
create or replace function tsql.average_add(numeric[], int8) returns numeric[] language sql immutable as
  'select case when $2 is null then $1 else array[$1[1] + 1, $1[2] + $2] end';
create or replace function tsql.average_bigint(numeric[]) returns int8 language sql immutable as 'select case when $1[1] > 0 then trunc($1[2] / $1[1])::int8 end';
create or replace function tsql.average_numeric(numeric[]) returns numeric language sql immutable as 'select case when $1[1] > 0 then $1[2] / $1[1] end';
create or replace function tsql.average_add(numeric[], numeric) returns numeric[] language sql immutable as
  'select case when $2 is null then $1 else array[$1[1] + 1, $1[2] + $2] end';
create or replace aggregate tsql.sum(int2) (sfunc = int2_sum, stype = int8, finalfunc = tsql.sum_int);
create or replace aggregate tsql.sum(int4) (sfunc = int4_sum, stype = int8, finalfunc = tsql.sum_int);
create or replace aggregate tsql.sum(int8) (sfunc = int8_sum, stype = numeric, finalfunc = tsql.sum_bigint);
create or replace aggregate tsql.sum(numeric) (sfunc = numeric_add, stype = numeric);
create or replace aggregate tsql.sum(float8) (sfunc = float8pl, stype = float8);
create or replace aggregate tsql.avg(int2) (sfunc = int2_avg_accum, stype = int8[], finalfunc = tsql.average_int, initcond = '{0,0}');
create or replace aggregate tsql.avg(int4) (sfunc = int4_avg_accum, stype = int8[], finalfunc = tsql.average_int, initcond = '{0,0}');
create or replace aggregate tsql.avg(int8) (sfunc = tsql.average_add, stype = numeric[], finalfunc = tsql.average_bigint, initcond = '{0,0}');
create or replace aggregate tsql.avg(numeric) (sfunc = tsql.average_add, stype = numeric[], finalfunc = tsql.average_numeric, initcond = '{0,0}');
create or replace aggregate tsql.avg(float8) (sfunc = float8_accum, stype = float8[], finalfunc = float8_avg, initcond = '{0,0,0}');
`;

const TEXT = `
create or replace function tsql.text_plus(text, text) returns text language sql immutable strict as 'select $1 || $2';
do $$ begin
  if not exists (select from pg_operator where oprname = '+' and oprnamespace = 'tsql'::regnamespace) then
    create operator tsql.+ (leftarg = text, rightarg = text, function = tsql.text_plus);
  end if;
end $$;
create or replace function tsql.len(text) returns int language sql immutable as $$select length(rtrim($1, ' '))$$;
create or replace function tsql.charindex(needle text, haystack text, start int) returns int language sql immutable as $$
  select case when start <= 1 then strpos(haystack, needle)
    when strpos(substring(haystack, start), needle) = 0 then 0
    else strpos(substring(haystack, start), needle) + start - 1 end$$;
create or replace function tsql.like_pattern(text) returns text language plpgsql immutable strict as $f$
begin
  if position('[' in $1) > 0 then raise exception 'LIKE with a [set] is not supported' using errcode = '22023'; end if;
  return $1;
end $f$;
create or replace function tsql.attempt(expression text, value text) returns text language plpgsql immutable strict as $f$
declare result text;
begin
  execute 'select (' || expression || ')::text' into result using value;
  return result;
exception when others then return null;
end $f$;
create or replace function tsql.datalength(text) returns int language sql immutable as 'select octet_length(tsql.utf16($1))';
create or replace function tsql.datalength(bytea) returns int language sql immutable as 'select octet_length($1)';
create or replace function tsql.datalength(int4) returns int language sql immutable strict as 'select 4';
create or replace function tsql.datalength(int8) returns int language sql immutable strict as 'select 8';
create or replace function tsql.datalength(float8) returns int language sql immutable strict as 'select 8';
create or replace function tsql.datalength(uuid) returns int language sql immutable strict as 'select 16';
`;

const MOMENTS = `
create or replace function tsql.now() returns timestamp language sql volatile as $$select clock_timestamp() at time zone 'UTC'$$;
create or replace function tsql.dateadd(part text, n bigint, t timestamp) returns timestamp language plpgsql immutable strict as $f$
begin
  return case part
    when 'year' then t + make_interval(years => n::int) when 'quarter' then t + make_interval(months => 3 * n::int)
    when 'month' then t + make_interval(months => n::int) when 'week' then t + make_interval(weeks => n::int)
    when 'day' then t + make_interval(days => n::int) when 'doy' then t + make_interval(days => n::int) when 'weekday' then t + make_interval(days => n::int)
    when 'hour' then t + n * interval '1 hour' when 'minute' then t + n * interval '1 minute' when 'second' then t + n * interval '1 second'
    when 'millisecond' then t + n * interval '1 millisecond' when 'microsecond' then t + n * interval '1 microsecond' end;
end $f$;
create or replace function tsql.dateadd(part text, n bigint, t date) returns date language sql immutable strict as
  'select tsql.dateadd(part, n, t::timestamp)::date';
create or replace function tsql.dateadd(part text, n bigint, t text) returns timestamp language sql immutable strict as
  'select tsql.dateadd(part, n, t::timestamp)';
create or replace function tsql.dateadd(part text, n bigint, t timestamptz) returns timestamptz language sql immutable strict as
  $$select tsql.dateadd(part, n, t at time zone 'UTC') at time zone 'UTC'$$;
create or replace function tsql.datediff_big(part text, a timestamp, b timestamp) returns bigint language plpgsql immutable strict as $f$
declare months bigint := (extract(year from b) - extract(year from a)) * 12 + extract(month from b) - extract(month from a); unit text; us numeric;
begin
  if part = 'year' then return extract(year from b) - extract(year from a); end if;
  if part = 'month' then return months; end if;
  if part = 'quarter' then return (extract(year from b) - extract(year from a)) * 4 + extract(quarter from b) - extract(quarter from a); end if;
  if part in ('day', 'doy', 'weekday') then return b::date - a::date; end if;
  if part = 'week' then return ((b::date - extract(dow from b)::int) - (a::date - extract(dow from a)::int)) / 7; end if;
  unit := case part when 'millisecond' then 'milliseconds' when 'microsecond' then 'microseconds' else part end;
  us := extract(epoch from date_trunc(unit, b) - date_trunc(unit, a));
  return case part when 'hour' then us / 3600 when 'minute' then us / 60 when 'second' then us when 'millisecond' then us * 1000 when 'microsecond' then us * 1000000 end;
end $f$;
create or replace function tsql.datediff(part text, a timestamp, b timestamp) returns int language sql immutable as 'select tsql.datediff_big(part, a, b)::int';
create or replace function tsql.datepart(part text, t timestamp) returns int language sql immutable as $$
  select case part when 'weekday' then extract(dow from t)::int + 1 when 'isoweek' then extract(week from t)::int
    when 'week' then ((extract(doy from t)::int - 1 + extract(dow from date_trunc('year', t))::int) / 7) + 1
    when 'second' then floor(extract(second from t))::int
    when 'millisecond' then (extract(microseconds from t)::int % 1000000) / 1000 when 'microsecond' then extract(microseconds from t)::int % 1000000
    when 'year' then extract(year from t)::int when 'quarter' then extract(quarter from t)::int when 'month' then extract(month from t)::int
    when 'doy' then extract(doy from t)::int when 'day' then extract(day from t)::int when 'hour' then extract(hour from t)::int
    when 'minute' then extract(minute from t)::int end$$;
`;

const OBJECTS = `
create or replace function tsql.held(text) returns text language sql immutable as $$
  select case when octet_length(lower($1)) <= 63 then lower($1) else left(lower($1), 7) || '~' || md5(lower($1)) end$$;
create or replace function tsql.names(text) returns text[] language sql immutable as $$
  select array_agg(tsql.held(replace(replace(part, '[', ''), ']', ''))) from unnest(string_to_array($1, '.')) part$$;
create or replace function tsql.relation(text) returns oid language plpgsql stable strict as $f$
declare n text[] := tsql.names($1); c int := cardinality(n);
begin
  if n[c] like '#%' then return to_regclass('pg_temp.' || quote_ident(n[c])); end if;
  if c >= 3 and n[c - 2] not in ('', lower(coalesce(shobj_description((select oid from pg_database where datname = current_database()), 'pg_database')::json ->> 'name', current_database()))) then return null; end if;
  return to_regclass(quote_ident(coalesce(nullif(n[c - 1], ''), 'dbo')) || '.' || quote_ident(n[c]));
end $f$;
create or replace function tsql.object_id(text, kind text) returns int language sql stable as $$
  select c.oid::int from pg_class c where c.oid = tsql.relation($1)
    and (kind is null or upper(kind) = case c.relkind when 'r' then 'U' when 'v' then 'V' else '' end)$$;
create or replace function tsql.declared_name(comment text, held name) returns text language sql immutable as
  $$select case when comment like '{%' then comment::json ->> 'name' else held::text end$$;
create or replace function tsql.object_name(int) returns text language sql stable as
  $$select tsql.declared_name(obj_description(oid, 'pg_class'), relname) from pg_class where oid = $1::oid$$;
create or replace function tsql.object_schema_name(int) returns text language sql stable as
  $$select n.nspname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = $1::oid$$;
create or replace function tsql.db_id(text) returns int2 language sql stable as
  $$select case lower($1) when 'master' then 1 else (oid::bigint % 32000)::int2 end from pg_database where datname = lower($1)$$;
create or replace function tsql.schema_id(text) returns int language sql stable as
  $$select case lower($1) when 'dbo' then 1 else oid::int end from pg_namespace where nspname = lower($1)$$;
create or replace function tsql.scope_identity() returns numeric language plpgsql volatile as $f$
begin return lastval(); exception when object_not_in_prerequisite_state then return null; end $f$;
create or replace function tsql.server_property(text) returns text language sql immutable as $$
  select case lower($1) when 'productversion' then '16.0.1000.6' when 'edition' then 'PostgreSQL stand-in' when 'engineedition' then '3'
    when 'collation' then 'Latin1_General_100_BIN2_UTF8' end$$;
`;

export const FUNCTIONS = `${TEXT}${MOMENTS}${AGGREGATES}${OBJECTS}create or replace function tsql.drop_procedure(s text, n text, if_exists boolean) returns void language plpgsql as $f$
begin
  delete from tsql.procedures where schema = s and name = n;
  if not found and not if_exists then raise exception 'Cannot drop the procedure ''%'', because it does not exist or you do not have permission.', n using errcode = 'P3701'; end if;
end $f$;
-- A number of a sequence that others can tell from the committed ones: its transaction holds a lock that names it.
create or replace function tsql.claim_number(kind int, numbers regclass) returns bigint language plpgsql as $f$
declare v bigint;
begin
  perform pg_advisory_lock(735016, kind);
  v := nextval(numbers);
  perform pg_advisory_xact_lock_shared(kind, v::int);
  perform pg_advisory_unlock(735016, kind);
  return v;
end $f$;
-- The least number of an open transaction, else the next one to be given.
create or replace function tsql.oldest_open(kind int, numbers text) returns bigint language plpgsql volatile as $f$
declare v bigint;
begin
  perform pg_advisory_lock(735016, kind);
  select min(objid::bigint) into v from pg_locks where locktype = 'advisory' and classid = kind and database = (select oid from pg_database where datname = current_database());
  if v is null then execute format('select case when is_called then last_value + 1 else last_value end from %s', numbers) into v; end if;
  perform pg_advisory_unlock(735016, kind);
  return v;
end $f$;
create sequence if not exists tsql.rowversion;
create or replace function tsql.rowversion_of(bigint) returns bytea language sql immutable as $$select decode(lpad(to_hex($1), 16, '0'), 'hex')$$;
create or replace function tsql.next_rowversion() returns trigger language plpgsql as $f$
declare v bigint;
begin
  if tg_op = 'INSERT' and to_jsonb(new) ->> tg_argv[0] is not null then
    raise exception 'Cannot insert an explicit value into a timestamp column. Use INSERT with a column list to exclude the timestamp column.' using errcode = 'P0273';
  end if;
  if current_setting('tsql.versioned_transaction', true) is distinct from txid_current()::text then
    perform set_config('tsql.versioned_transaction', txid_current()::text, true);
    v := tsql.claim_number(735017, 'tsql.rowversion');
  else
    v := nextval('tsql.rowversion');
  end if;
  return jsonb_populate_record(new, jsonb_build_object(tg_argv[0], '\\x' || lpad(to_hex(v), 16, '0')));
end $f$;
create or replace function tsql.min_active_rowversion() returns bytea language sql volatile as $$select tsql.rowversion_of(tsql.oldest_open(735017, 'tsql.rowversion'))$$;
create or replace function tsql.partition_number(partitioning text, value text) returns int language plpgsql stable as $f$
declare p tsql.partition_functions; n int;
begin
  select * into p from tsql.partition_functions where name = partitioning;
  if not found then raise exception 'Invalid partition function ''%'' specified.', partitioning using errcode = 'P7726'; end if;
  execute format('select 1 + count(*) from unnest($1) b where b::%1$s %2$s $2::%1$s', p.type, case when p.boundary_right then '<=' else '<' end) into n using p.boundaries, value;
  return n;
end $f$;
create or replace function tsql.create_partition_scheme(held text, written text, partitioning text) returns void language plpgsql as $f$
begin
  insert into tsql.partition_schemes (name, shown, function_id) select held, written, id from tsql.partition_functions where name = partitioning;
  if not found then raise exception 'Invalid partition function ''%'' specified.', partitioning using errcode = 'P7726'; end if;
end $f$;
create or replace function tsql.partition_table(held text, scheme text, col text) returns void language plpgsql as $f$
begin
  insert into tsql.partitioned select held::regclass::oid, id, col from tsql.partition_schemes where name = scheme
    on conflict (relation) do update set scheme_id = excluded.scheme_id, column_name = excluded.column_name;
  if not found then raise exception 'Invalid partition scheme ''%'' specified.', scheme using errcode = 'P1921'; end if;
end $f$;
`;
