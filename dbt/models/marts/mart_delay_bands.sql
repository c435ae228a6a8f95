select
    bands.band,
    count(*) as flights
from {{ ref('stg_flights') }} as flights
inner join {{ ref('delay_bands') }} as bands
    on flights.arr_delay >= bands.from_minutes and flights.arr_delay < bands.below_minutes
group by bands.band
