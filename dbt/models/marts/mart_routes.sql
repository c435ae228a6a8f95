select
    origin,
    dest,
    count(distinct carrier) as carriers,
    sum(seats_scheduled) as seats_scheduled
from {{ source('warehouse', 'delays_by_route_carrier') }}
group by origin, dest
