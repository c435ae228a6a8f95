// Everything a PostgreSQL database needs before it can serve as a SQL Server database; safe to run again.
import { createHash } from 'node:crypto';
import { CATALOG } from './catalog.ts';
import { CHANGE_DATA_CAPTURE } from './change-data-capture.ts';
import { CHANGE_TRACKING } from './change-tracking.ts';
import { CONVERSIONS } from './conversions.ts';
import { FUNCTIONS } from './functions.ts';

const SCHEMAS = `
drop schema if exists tsql_information_schema cascade; drop schema if exists sys cascade;
create schema if not exists dbo; create schema if not exists tsql; create schema if not exists sys;
create schema if not exists tsql_information_schema; create schema if not exists tsql_tracking; create schema if not exists tsql_cdc; create schema if not exists tsql_types;
create collation if not exists tsql.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create table if not exists tsql.version (hash text);
create table if not exists tsql.partition_functions (id int primary key generated always as identity, name text unique, shown text not null, type text not null, boundary_right boolean not null, boundaries text[] not null);
create table if not exists tsql.partition_schemes (id int primary key generated always as identity (start with 65601), name text unique, shown text not null, function_id int not null);
create table if not exists tsql.partitioned (relation oid primary key, scheme_id int not null, column_name text not null);
create table if not exists tsql.procedures (schema text, name text, shown text not null, parameters text not null, body text not null, primary key (schema, name));
alter table tsql.procedures add column if not exists created timestamp not null default timezone('utc', clock_timestamp()), add column if not exists modified timestamp not null default timezone('utc', clock_timestamp());
create table if not exists tsql.made (object_id oid primary key, created timestamp not null default timezone('utc', clock_timestamp()), modified timestamp not null default timezone('utc', clock_timestamp()));
create table if not exists tsql_tracking.started (yes bool);
create table if not exists tsql_tracking.tables (relation oid primary key, from_version bigint not null);
`;

const BODY = `${SCHEMAS}${CONVERSIONS}${FUNCTIONS}${CHANGE_TRACKING}${CHANGE_DATA_CAPTURE}${CATALOG}`;

/** Changes whenever the bootstrap does, so that an older database is brought up to date at its next login. */
export const BOOTSTRAP_VERSION = createHash('sha256').update(BODY).digest('hex').slice(0, 16);

/** One script under a lock: two first logins must not create the same things at once. */
export const BOOTSTRAP = `
begin;
select pg_advisory_xact_lock(73461901);
set local search_path = tsql, pg_catalog;
set local client_min_messages = warning;
${BODY}
delete from tsql.version;
insert into tsql.version values ('${BOOTSTRAP_VERSION}');
commit;
`;
