// Numbers, bytes and durations as people read them.
import type { RunCost } from '../core/monitoring/cost.ts';

export const formatCount = (value: number): string => Math.round(value).toLocaleString('en-US');

/** 31.2 MB, decimal units as disks and networks count them. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${units[unit]}`;
}

/** "850 ms", "9.1 s", "2 m 48 s", "1 h 05 m". */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} m`;
}

/** "61 k rows/s". */
export function formatRate(rowsPerSecond: number): string {
  return rowsPerSecond >= 10_000
    ? `${Math.round(rowsPerSecond / 1000)} k rows/s`
    : `${formatCount(rowsPerSecond)} rows/s`;
}

export function formatBar(done: number, total: number, width = 24): string {
  const share = total <= 0 ? 0 : Math.min(1, done / total);
  const full = Math.round(share * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}

/** Rows of cells in aligned columns; `right` names the columns that are numbers. */
export function formatTable(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, [...cell].length);
    });
  }
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const pad = ' '.repeat((widths[column] ?? 0) - [...cell].length);
        return right.includes(column) ? pad + cell : cell + pad;
      })
      .join('   ')
      .trimEnd(),
  );
}

/** "12.41 USD (estimate): on-demand 4.10, spot 6.20, service 2.11; 18.2 instance hours". */
export function formatCost(cost: RunCost): string {
  const { amount, currency, onDemand, spot, service, instanceHours, dbus, estimate, unpriced } = cost;
  const part = (value: number): string => value.toFixed(value < 1 ? 4 : 2);
  return [
    `${part(amount)} ${currency}${estimate ? ' (estimate)' : ''}: on-demand ${part(onDemand)}, spot ${part(spot)}, service ${part(service)}`,
    `${part(instanceHours)} instance hours`,
    ...(dbus > 0 ? [`${part(dbus)} DBU`] : []),
    ...(unpriced.length > 0 ? [`without a price: ${unpriced.join(', ')}`] : []),
  ].join('; ');
}
