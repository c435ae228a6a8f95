select
    days.carrier,
    airlines.name as carrier_name,
    sum(days.flights) as flights,
    sum(days.departed) as departed,
    sum(days.late_arrivals) as late_arrivals
from {{ ref('mart_carrier_days') }} as days
left join {{ source('warehouse', 'airlines') }} as airlines on airlines.carrier = days.carrier
group by days.carrier, airlines.name
