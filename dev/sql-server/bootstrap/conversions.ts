// SQL functions behind CAST, CONVERT and arithmetic: one overload per PostgreSQL type, so that the value decides.

const INTEGERS: readonly [name: string, type: string][] = [
  ['smallint', 'int2'],
  ['int', 'int4'],
  ['bigint', 'int8'],
];

/** To an integer type SQL Server truncates where PostgreSQL rounds, and reads varbinary as big-endian bytes. */
const toInteger = (name: string, type: string): string => `
create or replace function tsql.to_${name}(int2) returns ${type} language sql immutable as 'select $1::${type}';
create or replace function tsql.to_${name}(int4) returns ${type} language sql immutable as 'select $1::${type}';
create or replace function tsql.to_${name}(int8) returns ${type} language sql immutable as 'select $1::${type}';
create or replace function tsql.to_${name}(numeric) returns ${type} language sql immutable as 'select trunc($1)::${type}';
create or replace function tsql.to_${name}(float8) returns ${type} language sql immutable as 'select trunc($1)::${type}';
create or replace function tsql.to_${name}(text) returns ${type} language sql immutable
  as $$select case when btrim($1) = '' then 0::${type} else $1::${type} end$$;
create or replace function tsql.to_${name}(timestamp) returns ${type} language sql immutable
  as $$select round(extract(epoch from $1 - timestamp '1900-01-01') / 86400)::${type}$$;
create or replace function tsql.to_${name}(bytea) returns ${type} language sql immutable
  as $$select ('x' || lpad(right(encode($1, 'hex'), 16), 16, '0'))::bit(64)::int8::${type}$$;
`;

const toSmallDomain = (name: string): string => `
create or replace function tsql.to_${name}(int2) returns tsql.${name} language sql immutable as 'select $1::tsql.${name}';
create or replace function tsql.to_${name}(int4) returns tsql.${name} language sql immutable as 'select $1::tsql.${name}';
create or replace function tsql.to_${name}(int8) returns tsql.${name} language sql immutable as 'select $1::tsql.${name}';
create or replace function tsql.to_${name}(numeric) returns tsql.${name} language sql immutable as 'select trunc($1)::tsql.${name}';
create or replace function tsql.to_${name}(float8) returns tsql.${name} language sql immutable as 'select trunc($1)::tsql.${name}';
create or replace function tsql.to_${name}(text) returns tsql.${name} language sql immutable as 'select $1::int4::tsql.${name}';
create or replace function tsql.to_${name}(bytea) returns tsql.${name} language sql immutable
  as $$select get_byte($1, length($1) - 1)::tsql.${name}$$;
`;

const TO_BIT = ['int2', 'int4', 'int8', 'numeric', 'float8']
  .map(
    (type) =>
      `create or replace function tsql.to_bit(${type}) returns tsql.bit language sql immutable as 'select (case when $1 <> 0 then 1 when $1 = 0 then 0 end)::tsql.bit';`,
  )
  .join('\n');

const TO_NUMERIC = ['int2', 'int4', 'int8', 'numeric', 'float8', 'text']
  .map(
    (type) =>
      `create or replace function tsql.to_numeric(${type}) returns numeric language sql immutable as 'select $1::numeric';`,
  )
  .join('\n');

/** Style -1 is "none given". */
const TO_TEXT = `
create or replace function tsql.to_text(text, int, int) returns text language sql immutable as 'select $1';
create or replace function tsql.to_text(int2, int, int) returns text language sql immutable as 'select $1::text';
create or replace function tsql.to_text(int4, int, int) returns text language sql immutable as 'select $1::text';
create or replace function tsql.to_text(int8, int, int) returns text language sql immutable as 'select $1::text';
create or replace function tsql.to_text(numeric, int, int) returns text language sql immutable as 'select $1::text';
create or replace function tsql.to_text(uuid, int, int) returns text language sql immutable as 'select upper($1::text)';
create or replace function tsql.to_text(bool, int, int) returns text language sql immutable as 'select $1::int::text';
create or replace function tsql.to_text(bytea, int, int) returns text language plpgsql immutable strict as $f$
begin
  return case $2 when 1 then '0x' || upper(encode($1, 'hex')) when 2 then upper(encode($1, 'hex')) else convert_from($1, 'UTF8') end;
end $f$;
create or replace function tsql.fraction(timestamp, int) returns text language sql immutable as
  $$select case when $2 <= 0 then '' else '.' || left(to_char($1, 'US') || '0', $2) end$$;
create or replace function tsql.to_text(timestamp, int, int) returns text language sql immutable as $$
  select case
    when $2 in (-1, 21, 25, 121) then to_char($1, 'YYYY-MM-DD HH24:MI:SS') || tsql.fraction($1, $3)
    when $2 in (126, 127) then to_char($1, 'YYYY-MM-DD"T"HH24:MI:SS') || case when to_char($1, 'US') = '000000' then '' else tsql.fraction($1, $3) end
    when $2 in (20, 120) then to_char($1, 'YYYY-MM-DD HH24:MI:SS')
    when $2 = 23 then to_char($1, 'YYYY-MM-DD')
    when $2 = 112 then to_char($1, 'YYYYMMDD')
    when $2 = 108 then to_char($1, 'HH24:MI:SS')
    when $2 = 114 then to_char($1, 'HH24:MI:SS:MS')
    when $2 = 0 then to_char($1, 'Mon ') || lpad(extract(day from $1)::text, 2) || to_char($1, ' YYYY ') || lpad(to_char($1, 'FMHH12'), 2) || to_char($1, ':MIAM')
    when $2 = 1 then to_char($1, 'MM/DD/YY')
    when $2 = 2 then to_char($1, 'YY.MM.DD')
    when $2 = 3 then to_char($1, 'DD/MM/YY')
  end$$;
create or replace function tsql.to_text(timestamptz, int, int) returns text language sql immutable as
  $$select tsql.to_text($1 at time zone 'UTC', $2, $3) || case when $2 in (-1, 21, 25, 121) then ' +00:00' when $2 = 126 then '+00:00' when $2 = 127 then 'Z' else '' end$$;
create or replace function tsql.to_text(date, int, int) returns text language sql immutable as
  $$select case when $2 in (-1, 0, 20, 21, 23, 25, 120, 121, 126, 127) then to_char($1, 'YYYY-MM-DD') else tsql.to_text($1::timestamp, $2, 0) end$$;
create or replace function tsql.to_text(time, int, int) returns text language sql immutable as
  $$select case when $2 in (20, 108, 120) then to_char($1, 'HH24:MI:SS') else to_char($1, 'HH24:MI:SS') || tsql.fraction(date '2000-01-01' + $1, $3) end$$;
-- Floats: style 0 shows six digits, 1 eight, 2 sixteen, 3 seventeen, as the C formats %g and %e do.
create or replace function tsql.exact(float8) returns numeric language plpgsql immutable strict as $f$
declare b bigint := ('x' || encode(float8send($1), 'hex'))::bit(64)::bigint; e int := ((b >> 52) & 2047)::int; m numeric := b & 4503599627370495;
begin
  if e = 2047 then raise exception 'not a finite number' using errcode = '22003'; end if;
  if e = 0 then e := 1; else m := m + 4503599627370496; end if;
  e := e - 1075;
  if b < 0 then m := -m; end if;
  if e >= 0 then return m * (2::numeric ^ e); end if;
  return m * (5::numeric ^ (-e)) * ('1e' || e)::numeric;
end $f$;
create or replace function tsql.scientific(float8, digits int) returns text language plpgsql immutable strict as $f$
declare x numeric := abs(tsql.exact($1)); e int := 0; r numeric;
begin
  if x = 0 then return '0.' || repeat('0', digits - 1) || 'e+000'; end if;
  e := floor(log(x))::int;
  r := round(x * ('1e' || -e)::numeric, digits - 1);
  if r >= 10 then e := e + 1; r := round(x * ('1e' || -e)::numeric, digits - 1); end if;
  if r < 1 then e := e - 1; r := round(x * ('1e' || -e)::numeric, digits - 1); end if;
  return case when $1 < 0 then '-' else '' end || r::text || 'e' || case when e < 0 then '-' else '+' end || lpad(abs(e)::text, 3, '0');
end $f$;
create or replace function tsql.general(float8, digits int) returns text language plpgsql immutable strict as $f$
declare s text := tsql.scientific($1, digits); e int := split_part(s, 'e', 2)::int;
begin
  if $1 = 0 then return '0'; end if;
  if e >= digits or e < -4 then return regexp_replace(split_part(s, 'e', 1), '\\.?0+$', '') || 'e' || split_part(s, 'e', 2); end if;
  return regexp_replace(regexp_replace(round(tsql.exact($1), digits - 1 - e)::text, '(\\.\\d*?)0+$', '\\1'), '\\.$', '');
end $f$;
create or replace function tsql.to_text(float8, int, int) returns text language sql immutable as
  $$select case $2 when 1 then tsql.scientific($1, 8) when 2 then tsql.scientific($1, 16) when 3 then tsql.scientific($1, 17) else tsql.general($1, 6) end$$;
create or replace function tsql.to_text(float4, int, int) returns text language sql immutable as
  $$select case $2 when 3 then tsql.scientific($1::float8, 9) else tsql.to_text($1::float8, $2, $3) end$$;
`;

const BINARY = `
create or replace function tsql.utf16(text) returns bytea language plpgsql immutable strict as $f$
declare out bytea := ''::bytea; c text; n int;
begin
  foreach c in array string_to_array($1, null) loop
    n := ascii(c);
    if n < 65536 then out := out || substring(int4send(n), 4, 1) || substring(int4send(n), 3, 1);
    else
      n := n - 65536;
      out := out || substring(int4send(55296 + (n >> 10)), 4, 1) || substring(int4send(55296 + (n >> 10)), 3, 1)
        || substring(int4send(56320 + (n & 1023)), 4, 1) || substring(int4send(56320 + (n & 1023)), 3, 1);
    end if;
  end loop;
  return out;
end $f$;
create or replace function tsql.to_binary(bytea) returns bytea language sql immutable as 'select $1';
create or replace function tsql.to_binary(int2) returns bytea language sql immutable as 'select int2send($1)';
create or replace function tsql.to_binary(int4) returns bytea language sql immutable as 'select int4send($1)';
create or replace function tsql.to_binary(int8) returns bytea language sql immutable as 'select int8send($1)';
create or replace function tsql.to_binary(float8) returns bytea language sql immutable as 'select float8send($1)';
create or replace function tsql.to_binary(float4) returns bytea language sql immutable as 'select float4send($1)';
create or replace function tsql.to_binary(uuid) returns bytea language sql immutable as $$
  select substring(b, 4, 1) || substring(b, 3, 1) || substring(b, 2, 1) || substring(b, 1, 1) || substring(b, 6, 1) || substring(b, 5, 1)
    || substring(b, 8, 1) || substring(b, 7, 1) || substring(b, 9) from (select uuid_send($1) b) x$$;
create or replace function tsql.from_hex(text, style int) returns bytea language sql immutable as
  $$select decode(case when style = 1 then substring($1, 3) else $1 end, 'hex')$$;
create or replace function tsql.fit_binary(v bytea, n int, fixed bool, numeric_source bool) returns bytea language sql immutable as $$
  select case
    when length(v) > n then case when numeric_source then substring(v, length(v) - n + 1) else substring(v, 1, n) end
    when fixed and length(v) < n then case when numeric_source
      then decode(repeat('00', n - length(v)), 'hex') || v else v || decode(repeat('00', n - length(v)), 'hex') end
    else v end$$;
create or replace function tsql.fit(text, n int) returns text language plpgsql immutable strict as $f$
begin
  if length($1) > n then raise exception 'value % does not fit % characters', $1, n using errcode = '22003'; end if;
  return $1;
end $f$;
create or replace function tsql.hashbytes(algorithm text, v bytea) returns bytea language plpgsql immutable strict as $f$
begin
  case upper(algorithm)
    when 'MD5' then return decode(md5(v), 'hex');
    when 'SHA2_256' then return sha256(v);
    when 'SHA2_512' then return sha512(v);
    else raise exception 'HASHBYTES algorithm % is not supported', algorithm using errcode = '22023';
  end case;
end $f$;
`;

export const CONVERSIONS = `
do $$ begin
  if to_regtype('tsql.bit') is null then create domain tsql.bit as int2 constraint bit_check check (value in (0, 1)); end if;
  if to_regtype('tsql.tinyint') is null then create domain tsql.tinyint as int2 constraint tinyint_check check (value between 0 and 255); end if;
end $$;
${INTEGERS.map(([name, type]) => toInteger(name, type)).join('')}
${toSmallDomain('tinyint')}
${TO_BIT}
create or replace function tsql.to_bit(text) returns tsql.bit language sql immutable as
  $$select (case lower($1) when 'true' then 1 when 'false' then 0 else ($1::int <> 0)::int end)::tsql.bit$$;
${TO_NUMERIC}
${TO_TEXT}
${BINARY}
`;
