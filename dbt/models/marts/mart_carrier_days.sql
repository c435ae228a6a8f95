{{ config(
    materialized='incremental', incremental_strategy='delete+insert' if target.type in ('postgres', 'redshift') else 'merge',
    unique_key=['carrier', 'flight_day'], on_schema_change='fail'
) }}

-- Whole days are made anew from a few days before the last one, so that flights which came late count.
select
    carrier,
    cast(time_hour as date) as flight_day,
    count(*) as flights,
    count(dep_delay) as departed,
    sum(case when arr_delay > 15 then 1 else 0 end) as late_arrivals
from {{ ref('stg_flights') }}
{% if is_incremental() %}
where cast(time_hour as date) >= (
    select coalesce(max(flight_day), cast('1900-01-01' as date)) - {{ var('lookback_days') }} from {{ this }}
)
{% endif %}
group by carrier, cast(time_hour as date)
