// .NET time spans as Data Factory writes them: "0.12:00:00", "02:00:00".

const SPAN = /^\s*(?:(\d+)\.)?(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*$/;

/** Milliseconds of `[d.]hh:mm[:ss]`; undefined when the text is none. */
export function parseTimeSpan(text: string): number | undefined {
  const found = SPAN.exec(text);
  if (found === null) return undefined;
  const [days, hours, minutes, seconds] = found.slice(1, 5).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
  ];
  if (hours > 23 || minutes > 59 || seconds > 59) return undefined;
  return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000;
}

/** A .NET time span, "[d.]hh:mm:ss[.fff]", of milliseconds. */
export function timeSpanText(milliseconds: number): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const seconds = Math.floor(milliseconds / 1000);
  const days = Math.floor(seconds / 86_400);
  const rest = milliseconds % 1000;
  return [
    days === 0 ? '' : `${days}.`,
    `${two(Math.floor(seconds / 3600) % 24)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`,
    rest === 0 ? '' : `.${String(rest).padStart(3, '0')}`,
  ].join('');
}
