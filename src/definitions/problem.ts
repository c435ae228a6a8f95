// What is wrong, or odd, with a definition: where, what, and what to do about it.
import type { ErrorCode } from '../core/errors.ts';

/** Oddities that waybill puts up with; each is a warning. */
export const WARNINGS = {
  SHAPE_TOLERATED: 'The file differs from what Data Factory writes, but its meaning is clear.',
  SECRET_OPAQUE: 'A credential that only Azure can open.',
  VALUE_MISSING: 'A run that this starts will fail for want of a value.',
  PROPERTY_IGNORED: 'A property that has no effect here.',
} as const;

export type ProblemCode = ErrorCode | keyof typeof WARNINGS;

export interface Problem {
  /** Path relative to the factory directory, with forward slashes. */
  readonly file: string;
  /** JSON pointer (RFC 6901) into the file; "" is the whole file. */
  readonly pointer: string;
  readonly severity: 'error' | 'warning';
  readonly code: ProblemCode;
  readonly reason: string;
  readonly advice?: string;
}

/** A JSON pointer of path segments. */
export const toPointer = (path: readonly PropertyKey[]): string =>
  path.map((segment) => `/${String(segment).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

/** Collects the problems of one file. */
export class Problems {
  readonly list: Problem[] = [];
  private readonly file: string;

  constructor(file: string) {
    this.file = file;
  }

  error(path: readonly PropertyKey[], code: ErrorCode, reason: string, advice?: string): void {
    this.add('error', path, code, reason, advice);
  }

  warn(path: readonly PropertyKey[], code: keyof typeof WARNINGS, reason: string, advice?: string): void {
    this.add('warning', path, code, reason, advice);
  }

  private add(
    severity: Problem['severity'],
    path: readonly PropertyKey[],
    code: ProblemCode,
    reason: string,
    advice: string | undefined,
  ): void {
    this.list.push({
      file: this.file,
      pointer: toPointer(path),
      severity,
      code,
      reason,
      ...(advice === undefined ? {} : { advice }),
    });
  }
}

/** " Did you mean "x"?" or nothing. */
export const didYouMean = (near: string | undefined): string | undefined =>
  near === undefined ? undefined : `Did you mean "${near}"?`;
