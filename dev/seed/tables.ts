// The tables that are loaded into SQL Server, with types as a careful designer would give them.
import sql from 'mssql';
import type { DataSetTable } from './data-set.ts';

/** One column: its name in the data set, its type, what it holds. */
export interface SeedColumn {
  readonly name: string;
  /** As in CREATE TABLE. */
  readonly sqlType: string;
  /** A new object at every call: mssql writes the column's name into it. */
  readonly type: () => sql.ISqlType;
  readonly nullable: boolean;
  /** From the text of the data set to what the driver takes. */
  readonly read: (text: string) => string | number | Date;
}

/** One table of the data set in SQL Server. */
export interface SeedTable {
  readonly name: Exclude<DataSetTable, 'weather'>;
  readonly primaryKey: string;
  /** A column of 1, 2, 3 … in file order, first of all, for a table without a short key of its own. */
  readonly numbered: boolean;
  readonly columns: readonly SeedColumn[];
}

type Options = { nullable?: boolean };
const make =
  (sqlType: string, type: () => sql.ISqlType, read: SeedColumn['read']) =>
  (name: string, { nullable = false }: Options = {}): SeedColumn => ({ name, sqlType, type, nullable, read });

const int = make('int', () => sql.Int(), Number);
const degrees = make('decimal(10,7)', () => sql.Decimal(10, 7), Number);
const hour = make(
  'datetime2(0)',
  () => sql.DateTime2(0),
  (text) => new Date(text),
);
const varchar = (length: number) => make(`varchar(${length})`, () => sql.VarChar(length), String);
const nvarchar = (length: number) => make(`nvarchar(${length})`, () => sql.NVarChar(length), String);
const nullable = { nullable: true };

/** Small ones first, so that a mistake shows at once. */
export const seedTables: readonly SeedTable[] = [
  {
    name: 'airlines',
    primaryKey: 'carrier',
    numbered: false,
    columns: [varchar(2)('carrier'), nvarchar(60)('name')],
  },
  {
    name: 'airports',
    primaryKey: 'faa',
    numbered: false,
    columns: [
      ...[varchar(3)('faa'), nvarchar(100)('name'), degrees('lat'), degrees('lon'), int('alt'), int('tz')],
      ...[varchar(1)('dst'), varchar(40)('tzone', nullable)],
    ],
  },
  {
    name: 'planes',
    primaryKey: 'tailnum',
    numbered: false,
    columns: [
      ...[varchar(6)('tailnum'), int('year', nullable), varchar(40)('type'), nvarchar(60)('manufacturer')],
      ...[varchar(40)('model'), int('engines'), int('seats'), int('speed', nullable), varchar(20)('engine')],
    ],
  },
  {
    name: 'flights',
    primaryKey: 'flight_id',
    numbered: true,
    columns: [
      ...[int('year'), int('month'), int('day'), int('dep_time', nullable), int('sched_dep_time')],
      ...[
        int('dep_delay', nullable),
        int('arr_time', nullable),
        int('sched_arr_time'),
        int('arr_delay', nullable),
      ],
      ...[varchar(2)('carrier'), int('flight'), varchar(6)('tailnum', nullable), varchar(3)('origin')],
      ...[varchar(3)('dest'), int('air_time', nullable), int('distance'), int('hour'), int('minute')],
      hour('time_hour'),
    ],
  },
];
