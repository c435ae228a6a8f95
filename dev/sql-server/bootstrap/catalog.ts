// The catalog views: INFORMATION_SCHEMA and the few sys views, with the declared types kept in comments.

/** Declared columns; a column made without a comment (a view's) shows the type it would be sent as. */
const COLUMNS = `
drop view if exists tsql.declared_columns cascade;
create or replace view tsql.declared_columns as
select c.oid as relation, a.attnum, n.nspname::text as schema_name, c.relname::text as held_table, a.attname::text as held_name,
  tsql.declared_name(obj_description(c.oid, 'pg_class'), c.relname) as table_name,
  coalesce(d.j ->> 'name', a.attname::text) as column_name,
  coalesce(d.j ->> 'type', case when t.typname = 'varchar' then 'nvarchar' else
    case t.typname when 'int2' then 'smallint' when 'int4' then 'int' when 'int8' then 'bigint' when 'bool' then 'bit' when 'numeric' then 'decimal'
    when 'float8' then 'float' when 'float4' then 'real' when 'timestamp' then 'datetime2' when 'timestamptz' then 'datetimeoffset' when 'date' then 'date'
    when 'time' then 'time' when 'uuid' then 'uniqueidentifier' when 'bytea' then 'varbinary' when 'bpchar' then 'nchar' when 'tinyint' then 'tinyint' when 'bit' then 'bit'
    else 'nvarchar' end end) as type_name,
  coalesce((d.j ->> 'length')::int, case when t.typname in ('varchar', 'bpchar') and a.atttypmod > 4 then a.atttypmod - 4 when t.typname in ('varchar', 'text', 'bytea', 'bpchar', 'name') then -1 end) as length,
  coalesce((d.j ->> 'precision')::int, case when t.typname = 'numeric' then case when a.atttypmod > 4 then ((a.atttypmod - 4) >> 16) & 65535 else 38 end end) as precision,
  coalesce((d.j ->> 'scale')::int, case when t.typname = 'numeric' then case when a.atttypmod > 4 then (a.atttypmod - 4) & 2047 else 6 end
    when t.typname in ('timestamp', 'timestamptz', 'time') then case when a.atttypmod >= 0 then a.atttypmod else 7 end end) as scale,
  not a.attnotnull as nullable, a.attidentity <> '' as is_identity, a.attgenerated <> '' as is_computed, pg_get_expr(ad.adbin, ad.adrelid) as default_value,
  (select count(*)::int from pg_attribute b where b.attrelid = c.oid and b.attnum between 1 and a.attnum and not b.attisdropped) as ordinal, c.relkind
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid left join pg_attrdef ad on ad.adrelid = c.oid and ad.adnum = a.attnum
left join lateral (select case when col_description(c.oid, a.attnum) like '{%' then col_description(c.oid, a.attnum)::json end as j) d on true
where c.relkind in ('r', 'v') and n.nspname not in ('pg_catalog', 'information_schema', 'tsql', 'tsql_tracking', 'tsql_cdc', 'public', 'pg_toast');
`;

const INFORMATION_SCHEMA = `
create or replace view tsql_information_schema.tables as
select current_database()::text as table_catalog, n.nspname::text collate tsql.ci as table_schema, tsql.declared_name(obj_description(c.oid, 'pg_class'), c.relname) collate tsql.ci as table_name,
  case c.relkind when 'v' then 'VIEW' else 'BASE TABLE' end as table_type
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'v') and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'tsql', 'tsql_information_schema', 'tsql_tracking', 'tsql_cdc', 'tsql_types', 'sys', 'public') and not (n.nspname = 'cdc' and c.relkind = 'v');
create or replace view tsql_information_schema.columns as
select current_database()::text as table_catalog, schema_name collate tsql.ci as table_schema, table_name collate tsql.ci as table_name, column_name collate tsql.ci as column_name, ordinal as ordinal_position, default_value as column_default,
  case when nullable then 'YES' else 'NO' end as is_nullable, type_name as data_type,
  case when type_name in ('char', 'varchar', 'nchar', 'nvarchar', 'binary', 'varbinary') then length when type_name in ('text', 'image') then 2147483647 when type_name = 'ntext' then 1073741823 end as character_maximum_length,
  case when type_name in ('nchar', 'nvarchar') then case when length < 0 then -1 else length * 2 end when type_name in ('char', 'varchar', 'binary', 'varbinary') then length
    when type_name in ('text', 'image') then 2147483647 when type_name = 'ntext' then 2147483646 end as character_octet_length,
  case type_name when 'tinyint' then 3 when 'smallint' then 5 when 'int' then 10 when 'bigint' then 19 when 'decimal' then precision when 'money' then 19 when 'smallmoney' then 10
    when 'real' then 24 when 'float' then 53 end::tsql.tinyint as numeric_precision,
  case when type_name in ('tinyint', 'smallint', 'int', 'bigint', 'decimal', 'money', 'smallmoney') then 10 when type_name in ('real', 'float') then 2 end::smallint as numeric_precision_radix,
  case when type_name in ('tinyint', 'smallint', 'int', 'bigint') then 0 when type_name = 'decimal' then scale when type_name in ('money', 'smallmoney') then 4 end as numeric_scale,
  case when type_name in ('datetime2', 'datetimeoffset', 'time') then scale when type_name = 'datetime' then 3 when type_name in ('date', 'smalldatetime') then 0 end::smallint as datetime_precision,
  case when type_name in ('char', 'varchar', 'text') then 'UTF-8' when type_name in ('nchar', 'nvarchar', 'ntext') then 'UNICODE' end as character_set_name,
  case when type_name ~ 'char|text' then 'Latin1_General_100_BIN2_UTF8' end as collation_name
from tsql.declared_columns where schema_name !~ '^pg_' and schema_name not in ('sys', 'tsql_information_schema', 'tsql_types');
create or replace view tsql_information_schema.table_constraints as
select current_database()::text as constraint_catalog, n.nspname::text collate tsql.ci as constraint_schema, k.conname::text collate tsql.ci as constraint_name, current_database()::text as table_catalog,
  n.nspname::text collate tsql.ci as table_schema, tsql.declared_name(obj_description(c.oid, 'pg_class'), c.relname) collate tsql.ci as table_name,
  case k.contype when 'p' then 'PRIMARY KEY' when 'u' then 'UNIQUE' when 'f' then 'FOREIGN KEY' else 'CHECK' end as constraint_type, 'NO' as is_deferrable, 'NO' as initially_deferred
from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
where k.contype in ('p', 'u', 'f', 'c') and k.conname !~ '^tsql_length_' and n.nspname !~ '^(pg_|tsql)' and n.nspname <> 'information_schema';
create or replace view tsql_information_schema.key_column_usage as
select current_database()::text as constraint_catalog, n.nspname::text collate tsql.ci as constraint_schema, k.conname::text collate tsql.ci as constraint_name, current_database()::text as table_catalog,
  n.nspname::text collate tsql.ci as table_schema, d.table_name collate tsql.ci as table_name, d.column_name collate tsql.ci as column_name, u.position::int as ordinal_position
from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
cross join lateral unnest(k.conkey) with ordinality u(attnum, position) join tsql.declared_columns d on d.relation = c.oid and d.attnum = u.attnum
where k.contype in ('p', 'u', 'f') and n.nspname !~ '^(pg_|tsql)';
create or replace view tsql_information_schema.schemata as
select current_database()::text as catalog_name, nspname::text collate tsql.ci as schema_name, 'dbo' as schema_owner from pg_namespace
where nspname !~ '^pg_' and nspname not in ('tsql', 'tsql_information_schema', 'tsql_tracking', 'tsql_cdc', 'tsql_types', 'public');
`;

const TYPES: readonly [name: string, id: number, bytes: number, precision: number, scale: number][] = [
  ['image', 34, 16, 0, 0],
  ['text', 35, 16, 0, 0],
  ['uniqueidentifier', 36, 16, 0, 0],
  ['date', 40, 3, 10, 0],
  ['time', 41, 5, 16, 7],
  ['datetime2', 42, 8, 27, 7],
  ['datetimeoffset', 43, 10, 34, 7],
  ['tinyint', 48, 1, 3, 0],
  ['smallint', 52, 2, 5, 0],
  ['int', 56, 4, 10, 0],
  ['smalldatetime', 58, 4, 16, 0],
  ['real', 59, 4, 24, 0],
  ['money', 60, 8, 19, 4],
  ['datetime', 61, 8, 23, 3],
  ['float', 62, 8, 53, 0],
  ['ntext', 99, 16, 0, 0],
  ['bit', 104, 1, 1, 0],
  ['decimal', 106, 17, 38, 38],
  ['numeric', 108, 17, 38, 38],
  ['smallmoney', 122, 4, 10, 4],
  ['bigint', 127, 8, 19, 0],
  ['timestamp', 189, 8, 0, 0],
  ['varbinary', 165, 8000, 0, 0],
  ['varchar', 167, 8000, 0, 0],
  ['binary', 173, 8000, 0, 0],
  ['char', 175, 8000, 0, 0],
  ['nvarchar', 231, 8000, 0, 0],
  ['nchar', 239, 8000, 0, 0],
];

/** The columns of sys.objects, which sys.tables, sys.views and sys.procedures have too. */
const OBJECT = `name, object_id, null::int as principal_id, schema_id, 0 as parent_object_id, type, type_desc,
  created as create_date, modified as modify_date, is_ms_shipped, 0::tsql.bit as is_published, 0::tsql.bit as is_schema_published`;

const SYS = `
create table if not exists tsql.types (name text primary key, id int, bytes int, precision int, scale int);
insert into tsql.types values ${TYPES.map(([name, ...numbers]) => `('${name}', ${numbers.join(', ')})`).join(', ')} on conflict do nothing;
create or replace function tsql.type_name(int) returns text language sql stable as 'select name from tsql.types where id = $1';
create or replace function tsql.stored_bytes(type text, length int, prec int, scale int) returns smallint language sql stable as $$
  select (case when type in ('nchar', 'nvarchar') then case when length < 0 then -1 else length * 2 end when type in ('char', 'varchar', 'binary', 'varbinary') then length
    when type = 'decimal' then case when prec <= 9 then 5 when prec <= 19 then 9 when prec <= 28 then 13 else 17 end
    when type in ('time', 'datetime2', 'datetimeoffset') then case when scale <= 2 then 3 when scale <= 4 then 4 else 5 end + case type when 'datetime2' then 3 when 'datetimeoffset' then 5 else 0 end
    else (select bytes from tsql.types t where t.name = type) end)::smallint$$;
create or replace function tsql.col_length(text, text) returns smallint language sql stable as
  $$select tsql.stored_bytes(type_name, length, precision, scale) from tsql.declared_columns where relation = tsql.relation($1) and held_name = tsql.held($2)$$;
create or replace view sys.schemas as select tsql.schema_id(schema_name collate "C") as schema_id, schema_name as name, 1 as principal_id from tsql_information_schema.schemata;
create or replace view sys.databases as
select coalesce(shobj_description(oid, 'pg_database')::json ->> 'name', datname::text) collate tsql.ci as name, tsql.db_id(datname::text) as database_id, 'ONLINE' as state_desc,
  1::tsql.tinyint as snapshot_isolation_state, 1::tsql.bit as is_read_committed_snapshot_on, 'Latin1_General_100_BIN2_UTF8' as collation_name,
  (datname = current_database() and to_regnamespace('cdc') is not null)::int::tsql.bit as is_cdc_enabled
from pg_database where not datistemplate and datname not in ('postgres');
create or replace function tsql.note_made() returns event_trigger language plpgsql as $$
begin
  insert into tsql.made (object_id) select distinct objid from pg_event_trigger_ddl_commands() where object_type in ('table', 'view') and schema_name !~ '^pg_'
  on conflict (object_id) do update set modified = excluded.modified;
end $$;
drop event trigger if exists tsql_made;
create event trigger tsql_made on ddl_command_end when tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE VIEW', 'ALTER TABLE') execute function tsql.note_made();
create or replace view tsql.objects as
select tsql.declared_name(obj_description(c.oid, 'pg_class'), c.relname) collate tsql.ci as name, c.oid::int as object_id, tsql.schema_id(n.nspname::text) as schema_id,
  case c.relkind when 'r' then 'U ' else 'V ' end as type, case c.relkind when 'r' then 'USER_TABLE' else 'VIEW' end as type_desc, m.created, m.modified, (n.nspname in ('cdc', 'sys', 'tsql_information_schema'))::int::tsql.bit as is_ms_shipped, n.nspname
from pg_class c join pg_namespace n on n.oid = c.relnamespace left join tsql.made m on m.object_id = c.oid
where c.relkind in ('r', 'v') and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'tsql', 'tsql_tracking', 'tsql_cdc', 'tsql_types', 'public') and not (n.nspname = 'cdc' and c.relkind = 'v')
union all
select shown collate tsql.ci, hashtext(schema || '.' || name), tsql.schema_id(schema), 'P ', 'SQL_STORED_PROCEDURE', created, modified, 0::tsql.bit, schema from tsql.procedures;
create or replace view sys.objects as select ${OBJECT} from tsql.objects where nspname not in ('sys', 'tsql_information_schema');
create or replace view sys.all_objects as select ${OBJECT} from tsql.objects
union all select proname collate tsql.ci, oid::int, null, 4, 0, 'FN', 'SQL_SCALAR_FUNCTION', null, null, 1::tsql.bit, 0::tsql.bit, 0::tsql.bit from pg_proc where pronamespace = 'tsql'::regnamespace;
create or replace view sys.tables as select o.*, 0::tsql.tinyint as temporal_type, 'NON_TEMPORAL_TABLE' as temporal_type_desc, 0::tsql.bit as is_external,
  exists (select from tsql_cdc.instances i where i.relation::int = object_id)::int::tsql.bit as is_tracked_by_cdc from sys.objects o where type = 'U ';
create or replace view sys.views as select * from sys.objects where type = 'V ';
create or replace view sys.types as select name, id::tsql.tinyint as system_type_id, id as user_type_id, 4 as schema_id, bytes::smallint as max_length, precision::tsql.tinyint as precision, scale::tsql.tinyint as scale, 1::tsql.bit as is_nullable from tsql.types;
create or replace view sys.columns as
select d.relation::int as object_id, d.column_name collate tsql.ci as name, d.ordinal as column_id, t.id::tsql.tinyint as system_type_id, t.id as user_type_id,
  tsql.stored_bytes(d.type_name, d.length, d.precision, d.scale) as max_length, coalesce(d.precision, t.precision)::tsql.tinyint as precision, coalesce(d.scale, case when d.type_name = 'decimal' then 0 else t.scale end)::tsql.tinyint as scale,
  case when d.type_name ~ 'char|text' then 'Latin1_General_100_BIN2_UTF8' end as collation_name, d.nullable::int::tsql.bit as is_nullable, d.is_identity::int::tsql.bit as is_identity, d.is_computed::int::tsql.bit as is_computed, 0::tsql.tinyint as generated_always_type
from tsql.declared_columns d join tsql.types t on t.name = d.type_name;
create or replace view sys.indexes as
select i.indrelid::int as object_id, case when obj_description(x.oid, 'pg_class') like '{%' then obj_description(x.oid, 'pg_class')::json ->> 'name' else x.relname::text end collate tsql.ci as name,
  row_number() over (partition by i.indrelid order by i.indisprimary desc, i.indexrelid)::int as index_id, case when i.indisprimary then 1 else 2 end::tsql.tinyint as type,
  case when i.indisprimary then 'CLUSTERED' else 'NONCLUSTERED' end as type_desc, i.indisunique::int::tsql.bit as is_unique, i.indisprimary::int::tsql.bit as is_primary_key,
  exists (select from pg_constraint k where k.conindid = x.oid and k.contype = 'u')::int::tsql.bit as is_unique_constraint, i.indexrelid::int as held_index, coalesce((select p.scheme_id from tsql.partitioned p where p.relation = i.indrelid and i.indisprimary), 1) as data_space_id
from pg_index i join pg_class x on x.oid = i.indexrelid join sys.tables t on t.object_id = i.indrelid::int;
create or replace view sys.index_columns as
select i.object_id, i.index_id, u.position::int as index_column_id, d.ordinal as column_id, u.position::tsql.tinyint as key_ordinal, 0::tsql.bit as is_descending_key, 0::tsql.bit as is_included_column,
  (case when i.type = 1 and exists (select from tsql.partitioned q where q.relation = p.indrelid and q.column_name = d.held_name) then 1 else 0 end)::tsql.tinyint as partition_ordinal
from sys.indexes i join pg_index p on p.indexrelid = i.held_index::oid cross join lateral unnest(p.indkey::int2[]) with ordinality u(attnum, position)
join tsql.declared_columns d on d.relation = p.indrelid and d.attnum = u.attnum;
create or replace view sys.table_types as
select substr(d.name, strpos(d.name, '.') + 1) collate tsql.ci as name, tsql.schema_id(split_part(d.name, '.', 1)) as schema_id, d.relation as type_table_object_id, 1::tsql.bit as is_user_defined, 1::tsql.bit as is_table_type
from (select c.oid::int as relation, tsql.declared_name(obj_description(c.oid, 'pg_class'), c.relname) collate "C" as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'tsql_types' and c.relkind = 'r') d;
create or replace view sys.procedures as select * from sys.objects where type = 'P ';
create or replace view sys.partition_functions as
select shown collate tsql.ci as name, id as function_id, boundary_right::int::tsql.bit as boundary_value_on_right, cardinality(boundaries) + 1 as fanout from tsql.partition_functions;
create or replace view sys.partition_schemes as select shown collate tsql.ci as name, id as data_space_id, function_id from tsql.partition_schemes;
create or replace view sys.partitions as
select i.object_id, i.index_id, n as partition_number from sys.indexes i left join tsql.partition_schemes s on s.id = i.data_space_id
left join tsql.partition_functions f on f.id = s.function_id cross join lateral generate_series(1, coalesce(cardinality(f.boundaries), 0) + 1) n;
create or replace view sys.change_tracking_tables as
select c.oid::int as object_id, 0::tsql.bit as is_track_columns_updated_on, 0::bigint as min_valid_version from pg_class c where exists (select from pg_trigger where tgrelid = c.oid and tgname = 'tsql_tracking_insert');
`;

export const CATALOG = `${COLUMNS}${INFORMATION_SCHEMA}${SYS}`;
