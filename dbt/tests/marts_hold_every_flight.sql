-- Every flight is in the marts once: returns a row where the counts differ.
select flights.counted, marts.counted as in_marts
from (select count(*) as counted from {{ ref('stg_flights') }}) as flights
cross join (select sum(flights) as counted from {{ ref('mart_carriers') }}) as marts
where flights.counted <> marts.counted
