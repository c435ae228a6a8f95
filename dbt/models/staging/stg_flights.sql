select
    flight_id,
    carrier,
    origin,
    dest,
    dep_delay,
    arr_delay,
    air_time,
    time_hour
from {{ source('warehouse', 'flights') }}
