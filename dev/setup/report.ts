// How set-up steps tell what they do, and how they fail.

/** Receives one line of progress, without a line end. */
export type Report = (line: string) => void;

/** A set-up step failed: `message` says what and why, `advice` what to do next. */
export class SetupError extends Error {
  readonly advice: string;

  constructor(message: string, advice: string, options?: ErrorOptions) {
    super(`${message}\n  Next: ${advice}`, options);
    this.name = 'SetupError';
    this.advice = advice;
  }
}

/** Seconds for people: "0.8 s", "41 s", "2 m 08 s". */
export function formatSeconds(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 100) return `${whole} s`;
  return `${Math.floor(whole / 60)} m ${String(whole % 60).padStart(2, '0')} s`;
}

/** Sizes for people, in powers of ten: "37 MB", "1.4 GB". */
export function formatBytes(bytes: number): string {
  if (bytes < 1e6) return `${Math.ceil(bytes / 1e3)} kB`;
  if (bytes < 1e9) return `${Math.round(bytes / 1e6)} MB`;
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

/** The line that ends a step: a tick, the step's name, how long it took and what came of it. */
export function doneLine(label: string, startedAt: number, detail: string): string {
  return `  ✔ ${label.padEnd(20)} ${formatSeconds(Date.now() - startedAt).padStart(8)}   ${detail}`;
}
