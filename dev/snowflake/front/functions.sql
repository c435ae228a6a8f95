-- Snowflake functions that DuckDB lacks or defines differently. Created in the in-memory catalog at every start.
CREATE OR REPLACE MACRO memory.main.sf_md5_upper64(value) AS
    CAST('0x' || left(md5(CAST(value AS VARCHAR)), 16) AS UBIGINT);
CREATE OR REPLACE MACRO memory.main.sf_md5_lower64(value) AS
    CAST('0x' || right(md5(CAST(value AS VARCHAR)), 16) AS UBIGINT);
CREATE OR REPLACE MACRO memory.main.sf_to_varchar(value) AS (
    CASE typeof(value)
        WHEN 'VARCHAR' THEN CAST(value AS VARCHAR)
        WHEN 'DOUBLE' THEN regexp_replace(CAST(value AS VARCHAR), '\.0$', '')
        WHEN 'BLOB' THEN hex(CAST(value AS BLOB))
        WHEN 'TIMESTAMP' THEN strftime(TRY_CAST(CAST(value AS VARCHAR) AS TIMESTAMP), '%Y-%m-%d %H:%M:%S.%g')
        WHEN 'TIMESTAMP WITH TIME ZONE' THEN
            regexp_replace(
                replace(strftime(TRY_CAST(CAST(value AS VARCHAR) AS TIMESTAMPTZ), '%Y-%m-%d %H.%M.%S.%g %z'), ':', ''),
                '(\d\d)\.(\d\d)\.(\d\d)(\.\d+) ([+-]\d\d)$', '\1:\2:\3\4 \500')
        WHEN 'JSON' THEN json_extract_string(CAST(value AS VARCHAR), '$')
        ELSE CAST(value AS VARCHAR)
    END
);
CREATE OR REPLACE MACRO memory.main.sf_to_boolean(value) AS (
    CASE
        WHEN value IS NULL THEN NULL
        WHEN lower(value) IN ('true', 't', 'yes', 'y', 'on', '1') THEN true
        WHEN lower(value) IN ('false', 'f', 'no', 'n', 'off', '0') THEN false
        ELSE CAST(value AS BOOLEAN)
    END
);
CREATE OR REPLACE MACRO memory.main.sf_to_timestamp(value, scale) AS (
    CASE
        WHEN TRY_CAST(value AS BIGINT) IS NULL THEN CAST(value AS TIMESTAMP)
        WHEN scale = 3 THEN make_timestamp(CAST(value AS BIGINT) * 1000)
        WHEN scale = 6 THEN make_timestamp(CAST(value AS BIGINT))
        WHEN scale = 9 THEN make_timestamp(CAST(value AS BIGINT) // 1000)
        WHEN scale <> 0 THEN CAST('unsupported scale' AS TIMESTAMP)
        WHEN typeof(value) <> 'VARCHAR' OR abs(CAST(value AS BIGINT)) < 31536000000 THEN
            make_timestamp(CAST(value AS BIGINT) * 1000000)
        WHEN abs(CAST(value AS BIGINT)) < 31536000000000 THEN make_timestamp(CAST(value AS BIGINT) * 1000)
        WHEN abs(CAST(value AS BIGINT)) < 31536000000000000 THEN make_timestamp(CAST(value AS BIGINT))
        ELSE make_timestamp(CAST(value AS BIGINT) // 1000)
    END
);
CREATE OR REPLACE MACRO memory.main.sf_format(value, template) AS (
    CASE typeof(value)
        WHEN 'TIME' THEN strftime(CAST('1970-01-01 ' || CAST(value AS VARCHAR) AS TIMESTAMP), template)
        WHEN 'TIMESTAMP WITH TIME ZONE' THEN strftime(CAST(value AS TIMESTAMPTZ), template)
        ELSE strftime(CAST(value AS TIMESTAMP), template)
    END
);
