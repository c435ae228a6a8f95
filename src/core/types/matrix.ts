// The declared matrix: for every pair of interim types, whether values pass. conversion.ts works from it, and
// `waybill plan` prints what it says.
import type { InterimType } from './column.ts';

/**
 * exact: the same value in the same type. widened: every value fits. checked: a value that does not fit fails the copy
 * (or is skipped), naming row and column. lossy: only where the definition allows it (allowDataTruncation).
 * refused: no value is carried.
 */
export type Fidelity = 'exact' | 'widened' | 'checked' | 'lossy' | 'refused';

const CODES: Readonly<Record<string, Fidelity>> = {
  '=': 'exact',
  '+': 'widened',
  '?': 'checked',
  '~': 'lossy',
  '.': 'refused',
};

export const INTERIM_TYPES = [
  'Int16',
  'Int32',
  'Int64',
  'Decimal',
  'Single',
  'Double',
  'Boolean',
  'String',
  'Date',
  'DateTime',
  'DateTimeOffset',
  'TimeSpan',
  'Guid',
  'Byte[]',
] as const satisfies readonly InterimType[];

/**
 * One line per source type, one column per sink type, in the order of INTERIM_TYPES. Facets refine it downwards: a
 * decimal into fewer digits, a text into a shorter column or a moment into fewer digits of a second is checked.
 */
const ROWS: Readonly<Record<InterimType, string>> = {
  //                 I16 I32 I64 Dec Sgl Dbl Boo Str Dat DTm DTO Tim Gui Byt
  Int16: /*       */ ' =   +   +   +   +   +   ?   +   .   .   .   .   .   . ',
  Int32: /*       */ ' ?   =   +   +   ~   +   ?   +   .   .   .   .   .   . ',
  Int64: /*       */ ' ?   ?   =   +   ~   ~   ?   +   .   .   .   .   .   . ',
  Decimal: /*     */ ' ?   ?   ?   =   ~   ~   ?   +   .   .   .   .   .   . ',
  Single: /*      */ ' ?   ?   ?   ~   =   +   .   +   .   .   .   .   .   . ',
  Double: /*      */ ' ?   ?   ?   ~   ?   =   .   +   .   .   .   .   .   . ',
  Boolean: /*     */ ' +   +   +   +   +   +   =   +   .   .   .   .   .   . ',
  String: /*      */ ' ?   ?   ?   ?   ?   ?   ?   =   ?   ?   ?   ?   ?   ? ',
  Date: /*        */ ' .   .   .   .   .   .   .   +   =   +   +   .   .   . ',
  DateTime: /*    */ ' .   .   .   .   .   .   .   +   ?   =   +   .   .   . ',
  DateTimeOffset: /**/ ' .   .   .   .   .   .   .   +   ?   +   =   .   .   . ',
  TimeSpan: /*    */ ' .   .   .   .   .   .   .   +   .   .   .   =   .   . ',
  Guid: /*        */ ' .   .   .   .   .   .   .   +   .   .   .   .   =   . ',
  'Byte[]': /*    */ ' .   .   .   .   .   .   .   +   .   .   .   .   .   = ',
};

const MATRIX = Object.fromEntries(
  INTERIM_TYPES.map((from) => {
    const codes = ROWS[from].trim().split(/\s+/);
    return [
      from,
      Object.fromEntries(INTERIM_TYPES.map((to, i) => [to, CODES[codes[i] ?? '.'] ?? 'refused'])),
    ];
  }),
) as Record<InterimType, Record<InterimType, Fidelity>>;

/** What the matrix declares for a pair of types, before the columns' own digits and lengths are looked at. */
export const declaredFidelity = (from: InterimType, to: InterimType): Fidelity => MATRIX[from][to];
