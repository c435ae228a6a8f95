// When schedule triggers fire, against an oracle that walks through every minute and asks the platform's own clock.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../src/core/json.ts';
import { compileTrigger } from '../../../src/core/trigger/compile.ts';
import { dueTimes, isDue, type Recurrence } from '../../../src/core/trigger/recurrence.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function recurrence(written: JsonObject): Recurrence {
  const { trigger, faults } = compileTrigger('tr', {
    type: 'ScheduleTrigger',
    typeProperties: { recurrence: written },
  });
  assert.deepEqual(faults, []);
  assert.ok(trigger?.type === 'ScheduleTrigger');
  return trigger.recurrence;
}

/** "2026-03-29 02:30", the zone's clock. */
function clockOf(zone: string): (instant: number) => string {
  const format = new Intl.DateTimeFormat('sv-SE', {
    ...{
      timeZone: zone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
    },
    hourCycle: 'h23',
  });
  return (instant) => format.format(instant);
}

const iso = (times: readonly number[]): string[] => times.map((time) => new Date(time).toISOString());

/**
 * The instants of the wanted readings ("2026-03-29" and "02:30"): the first minute that shows them (the last one east of
 * Greenwich), or where no minute does, the minute an hour after the reading an hour before.
 */
function oracle(
  zone: string,
  from: number,
  to: number,
  days: (date: string) => boolean,
  times: readonly string[],
): string[] {
  const clock = clockOf(zone);
  const first = new Map<string, number>();
  for (let instant = from - 2 * DAY; instant <= to + 2 * DAY; instant += MINUTE) {
    const text = clock(instant);
    if (!first.has(text) || !zone.startsWith('America/')) first.set(text, instant);
  }
  const dates = new Set([...first.keys()].map((text) => text.slice(0, 10)));
  const wanted = [...dates].filter(days).flatMap((date) =>
    times.map((time) => {
      const shown = first.get(`${date} ${time}`);
      if (shown !== undefined) return shown;
      const earlier = `${String(Number(time.slice(0, 2)) - 1).padStart(2, '0')}${time.slice(2)}`;
      return (first.get(`${date} ${earlier}`) ?? Number.NaN) + HOUR;
    }),
  );
  return iso([...new Set(wanted)].filter((time) => time >= from && time <= to).sort((a, b) => a - b));
}

const everyDay = (): boolean => true;
const weekDay = (date: string): number => new Date(`${date}T12:00:00Z`).getUTCDay();
const lengthOf = (date: string): number =>
  new Date(Date.UTC(Number(date.slice(0, 4)), Number(date.slice(5, 7)), 0)).getUTCDate();

const march = [Date.UTC(2026, 2, 1), Date.UTC(2026, 2, 31, 23, 59)] as const;
const autumn = [Date.UTC(2026, 9, 15), Date.UTC(2026, 10, 15)] as const;

for (const { zone, windows } of [
  { zone: 'Europe/Berlin', windows: 'W. Europe Standard Time' },
  { zone: 'America/Los_Angeles', windows: 'Pacific Standard Time' },
  { zone: 'Asia/Kolkata', windows: 'India Standard Time' },
  { zone: 'Australia/Sydney', windows: 'AUS Eastern Standard Time' },
]) {
  for (const [name, [from, to]] of [['spring', march] as const, ['autumn', autumn] as const]) {
    test(`a month of daily and weekly runs in ${windows}, ${name}, also at times that are jumped over or come twice`, () => {
      const daily = recurrence({
        frequency: 'Day',
        interval: 1,
        startTime: '2020-01-01T00:00:00',
        timeZone: windows,
        schedule: { hours: [1, 2, 3, 23], minutes: [0, 30] },
      });
      const times = ['01:00', '01:30', '02:00', '02:30', '03:00', '03:30', '23:00', '23:30'];
      assert.deepEqual(iso(dueTimes(daily, from, to)), oracle(zone, from, to, everyDay, times));
      const weekly = recurrence({
        frequency: 'Week',
        interval: 1,
        startTime: '2020-01-01T02:30:00',
        timeZone: windows,
        schedule: { weekDays: ['Sunday', 'Wednesday'] },
      });
      assert.deepEqual(
        iso(dueTimes(weekly, from, to)),
        oracle(zone, from, to, (date) => [0, 3].includes(weekDay(date)), ['02:30']),
      );
    });
  }
}

test('monthly: days from the front and the back, occurrences, leap years, months that are too short', () => {
  const [from, to] = [Date.UTC(2024, 0, 1), Date.UTC(2024, 11, 31, 23, 59)];
  const month = (schedule: JsonObject, more: JsonObject = {}): string[] =>
    iso(
      dueTimes(
        recurrence({
          ...{ frequency: 'Month', interval: 1, startTime: '2020-01-10T06:00:00Z' },
          schedule,
          ...more,
        }),
        from,
        to,
      ),
    );
  const zone = 'UTC';
  const day = (date: string): number => Number(date.slice(8));
  assert.deepEqual(
    month({ monthDays: [1, 31, -1, -3] }),
    oracle(zone, from, to, (date) => [1, 31, lengthOf(date), lengthOf(date) - 2].includes(day(date)), [
      '06:00',
    ]),
  );
  assert.ok(month({ monthDays: [29] }).includes('2024-02-29T06:00:00.000Z'));
  assert.deepEqual(
    month({
      monthlyOccurrences: [
        { day: 'Friday', occurrence: 1 },
        { day: 'friday', occurrence: -1 },
      ],
      minutes: [15],
      hours: [5],
    }),
    oracle(
      zone,
      from,
      to,
      (date) => weekDay(date) === 5 && (day(date) <= 7 || day(date) > lengthOf(date) - 7),
      ['05:15'],
    ),
  );
  assert.equal(month({ monthlyOccurrences: [{ day: 'Thursday', occurrence: 5 }] }).length, 4);
  const last = dueTimes(
    recurrence({ frequency: 'Month', interval: 1, startTime: '2024-01-31T00:00:00Z' }),
    from,
    to,
  );
  assert.deepEqual(
    iso(last).map((text) => text.slice(5, 10)),
    [
      '01-31',
      '02-29',
      '03-31',
      '04-30',
      '05-31',
      '06-30',
      '07-31',
      '08-31',
      '09-30',
      '10-31',
      '11-30',
      '12-31',
    ],
  );
  const third = dueTimes(
    recurrence({
      frequency: 'Month',
      interval: 3,
      startTime: '2023-12-15T00:00:00Z',
      schedule: { monthDays: [-1] },
    }),
    from,
    to,
  );
  assert.deepEqual(
    iso(third).map((text) => text.slice(5, 10)),
    ['03-31', '06-30', '09-30', '12-31'],
  );
});

test('intervals count from the start time: minutes and hours by elapsed time, weeks by the start week', () => {
  const hourly = recurrence({
    frequency: 'Hour',
    interval: 5,
    startTime: '2026-03-28T20:07:00',
    timeZone: 'Romance Standard Time',
  });
  const due = dueTimes(hourly, hourly.start, hourly.start + 2 * DAY);
  assert.equal(iso(due)[0], '2026-03-28T19:07:00.000Z');
  for (const [index, time] of due.entries()) assert.equal(time, hourly.start + index * 5 * HOUR);
  const fortnight = recurrence({
    frequency: 'Week',
    interval: 2,
    startTime: '2026-01-07T08:00:00Z',
    schedule: { weekDays: ['Monday', 'Thursday'] },
  });
  assert.deepEqual(
    iso(dueTimes(fortnight, Date.UTC(2026, 0, 1), Date.UTC(2026, 1, 8))).map((text) => text.slice(5, 10)),
    ['01-08', '01-19', '01-22', '02-02', '02-05'],
  );
  const quarters = recurrence({
    frequency: 'Hour',
    interval: 2,
    startTime: '2026-01-01T09:20:00Z',
    schedule: { minutes: [0, 15] },
  });
  assert.deepEqual(
    iso(dueTimes(quarters, Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 1, 14))).map((text) => text.slice(11, 16)),
    ['11:00', '11:15', '13:00', '13:15'],
  );
});

test('what the schedule leaves out is as in the start time; minutes without hours mean every hour', () => {
  const at = (schedule: JsonObject): string[] =>
    iso(
      dueTimes(
        recurrence({ frequency: 'Day', interval: 1, startTime: '2026-01-01T07:20:00Z', schedule }),
        Date.UTC(2026, 0, 2),
        Date.UTC(2026, 0, 3) - 1,
      ),
    ).map((text) => text.slice(11, 16));
  assert.deepEqual(at({ hours: [5, 17] }), ['05:20', '17:20']);
  assert.equal(at({ minutes: [0, 30] }).length, 48);
  assert.deepEqual(at({}), ['07:20']);
});

test('nothing is due before the start or after the end, and isDue says the same as dueTimes', () => {
  const some = recurrence({
    frequency: 'Day',
    interval: 3,
    startTime: '2026-03-20T02:30:00',
    endTime: '2026-04-10T02:30:00',
    timeZone: 'W. Europe Standard Time',
  });
  const due = dueTimes(some, 0, Date.UTC(2030, 0, 1));
  assert.deepEqual(iso(due), [
    '2026-03-20T01:30:00.000Z',
    '2026-03-23T01:30:00.000Z',
    '2026-03-26T01:30:00.000Z',
    // 02:30 does not come on that day.
    '2026-03-29T01:30:00.000Z',
    '2026-04-01T00:30:00.000Z',
    '2026-04-04T00:30:00.000Z',
    '2026-04-07T00:30:00.000Z',
    '2026-04-10T00:30:00.000Z',
  ]);
  for (let instant = Date.UTC(2026, 2, 15); instant < Date.UTC(2026, 3, 15); instant += 30 * MINUTE)
    assert.equal(isDue(some, instant), due.includes(instant), new Date(instant).toISOString());
});

test('what is no recurrence is told with its place', () => {
  const { faults } = compileTrigger('tr', {
    type: 'scheduletrigger',
    typeProperties: {
      recurrence: {
        frequency: 'Day',
        interval: 0,
        timeZone: 'Mars Standard Time',
        schedule: { hours: [24] },
      },
    },
  });
  assert.deepEqual(
    faults.map(({ path }) => path.join('/')),
    ['typeProperties/recurrence/interval', 'typeProperties/recurrence/timeZone'],
  );
});
