// Ages and moments as options of commands have them.
import { WaybillError } from '../core/errors.ts';

/** "90s", "30m", "24h", "7d" in seconds. */
export function parseAge(text: string, option = '--older-than'): number {
  const [, count, unit] = /^(\d+)\s*([smhd])$/.exec(text.trim()) ?? [];
  const seconds = { s: 1, m: 60, h: 3600, d: 86_400 }[unit ?? ''];
  if (count === undefined || seconds === undefined) {
    throw new WaybillError(
      'PARAMETER_INVALID',
      `${option} takes an age such as 90s, 30m, 24h or 7d, not "${text}".`,
    );
  }
  return Number(count) * seconds;
}

/** "24h" ago, or a moment as ISO 8601. */
export function parseSince(text: string): Date {
  const moment = new Date(text);
  if (/^\d{4}-/.test(text) && !Number.isNaN(moment.getTime())) return moment;
  return new Date(Date.now() - parseAge(text, '--since') * 1000);
}
