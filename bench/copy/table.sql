-- The table every contender copies: ten columns of the usual types, NULL in a tenth of all values but the key's,
-- text with quotes, commas, backslashes and letters beyond ASCII. :rows is replaced by the bench.
CREATE TABLE t (
  id int8 NOT NULL, k int4, amount numeric(12,2), score float8, name text, note text,
  ts timestamptz, d date, flag bool, u uuid);
SELECT setseed(0.42);
INSERT INTO t
SELECT i,
  CASE WHEN random() < 0.1 THEN NULL ELSE (random() * 2000000000)::int4 END,
  CASE WHEN random() < 0.1 THEN NULL ELSE ((random() * 1000000000)::int8 / 100.0)::numeric(12,2) END,
  CASE WHEN random() < 0.1 THEN NULL ELSE random() * 1e6 END,
  CASE WHEN random() < 0.1 THEN NULL ELSE substr(md5(i::text), 1, 12) || chr(233 + (i % 20)::int) || '_cust' || (i % 97) END,
  CASE WHEN random() < 0.1 THEN NULL ELSE md5((i * 7)::text) || ',"' || substr(md5((i * 13)::text), 1, (10 + (random() * 32)::int)) || E'"\\ ' || (i % 1000) END,
  CASE WHEN random() < 0.1 THEN NULL ELSE timestamptz '2020-01-01 00:00:00+00' + (random() * 2e8)::int8 * interval '1 second' + (random() * 999999)::int * interval '1 microsecond' END,
  CASE WHEN random() < 0.1 THEN NULL ELSE date '2000-01-01' + (random() * 9000)::int END,
  CASE WHEN random() < 0.1 THEN NULL ELSE random() < 0.5 END,
  CASE WHEN random() < 0.1 THEN NULL ELSE md5((i * 31)::text)::uuid END
FROM generate_series(1, :rows) AS i;
ALTER TABLE t ADD PRIMARY KEY (id);
VACUUM (FREEZE, ANALYZE) t;
