// A row's text out of its fields, however many columns it has: databases limit the arguments of their CONCAT.

/** PostgreSQL takes 100 arguments, SQL Server 254; a field has its separator beside it. */
const FIELDS = 40;

/** `fields` with '|' between them, by calls of `concat` within calls of `concat`. */
export const joinedFields = (
  fields: readonly string[],
  concat: (parts: readonly string[]) => string,
): string => {
  if (fields.length <= FIELDS)
    return concat(fields.flatMap((field, i) => (i === 0 ? [field] : ["'|'", field])));
  const groups: string[] = [];
  for (let i = 0; i < fields.length; i += FIELDS) {
    groups.push(joinedFields(fields.slice(i, i + FIELDS), concat));
  }
  return joinedFields(groups, concat);
};
