// What mysql2 and MySQL report, as waybill's codes. Values that MySQL quotes in its messages are cut out.
import { type ErrorCode, WaybillError } from '../../core/errors.ts';

/** By MySQL's and MariaDB's error numbers. */
const NUMBERS = new Map<number, ErrorCode>(
  (
    [
      // Refused sign-in, unknown database, host not allowed, expired or locked account, refused transport.
      ['AUTHENTICATION_FAILED', [1044, 1045, 1049, 1130, 1251, 1698, 1820, 1862, 2061, 3118, 3159, 4151]],
      // Shutdown, killed by an administrator, connection lost, read-only after a failover.
      [
        'CONNECTION_FAILED',
        [
          1053, 1077, 1079, 1080, 1152, 1153, 1157, 1158, 1159, 1160, 1161, 1184, 1836, 1927, 2006, 2013,
          4031,
        ],
      ],
      // Too many connections, lock timeout and deadlock, statement killed or out of time, memory, disk and lock tables.
      [
        'STORE_BUSY',
        [
          1021, 1037, 1038, 1040, 1041, 1135, 1203, 1205, 1206, 1213, 1226, 1317, 1412, 1614, 1969, 3024,
          3058, 3101, 3572,
        ],
      ],
      ['OBJECT_MISSING', [1051, 1054, 1109, 1146, 1305, 1356]],
      [
        'SINK_TYPE_OVERFLOW',
        [1118, 1264, 1265, 1292, 1300, 1366, 1367, 1406, 1411, 1416, 1441, 1690, 3140, 3156, 3988],
      ],
      [
        'CONSTRAINT_VIOLATED',
        [1022, 1048, 1062, 1216, 1217, 1364, 1451, 1452, 1557, 1586, 1761, 1762, 3819, 4025],
      ],
    ] as const
  ).flatMap(([code, numbers]) => numbers.map((number) => [number, code] as const)),
);

/** Driver codes that mean a broken or refused connection. */
const BROKEN = /^(E[A-Z]+|PROTOCOL_.*|ERR_(SSL|TLS|SOCKET|STREAM).*|HANDSHAKE_SSL_ERROR|.*CERT.*)$/;

/** MySQL quotes the offending value: "Incorrect integer value: 'abc' for column `d`.`t`.`a` at row 1". */
const withoutValues = (message: string): string =>
  message
    .replace(/ value: '[\s\S]*?'(?= for |$)/, ' value')
    .replace(/string: '[\s\S]*?'(?= for |$)/, 'string');

export interface DriverError {
  readonly code?: string;
  readonly errno?: number;
  readonly message?: string;
}

/** The code of a server's error or warning number. */
export const codeOfNumber = (number: number): ErrorCode | undefined => NUMBERS.get(number);

export const mysqlError = (error: unknown, doing: string): WaybillError => {
  if (error instanceof WaybillError) return error;
  const raw = error as DriverError;
  // The driver's own errors carry the operating system's negative numbers.
  const number = (raw.errno ?? 0) > 0 ? raw.errno : undefined;
  const driverCode = raw.code ?? '';
  if (driverCode === 'HANDSHAKE_NO_SSL_SUPPORT') {
    return new WaybillError(
      'SETTINGS_INVALID',
      `MySQL, ${doing}: the server offers no TLS, which sslMode asks for.`,
      { store: 'MySQL', key: 'sslMode' },
    );
  }
  const known = number === undefined ? undefined : NUMBERS.get(number);
  const code =
    known ??
    (number !== undefined ? 'QUERY_FAILED' : BROKEN.test(driverCode) ? 'CONNECTION_FAILED' : 'INTERNAL');
  const where = number === undefined ? driverCode : `error ${number}`;
  return new WaybillError(code, `MySQL, ${doing}: ${where} ${withoutValues(raw.message ?? '')}`.trim(), {
    store: 'MySQL',
    ...(number === undefined ? {} : { number }),
    ...(driverCode === '' ? {} : { driverCode }),
  });
};
