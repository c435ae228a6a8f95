// Queries of PostgreSQL's catalogue that decide whether one table may take another's place.
import type { TableName } from '../common/identifier.ts';
import { literal, quoteTable } from './dialect.ts';

/** Facts that each keep a table from being replaced, with the words for it. What is not known to be harmless is here. */
const OBSTACLES: readonly (readonly [condition: string, words: string])[] = [
  ["t.relkind <> 'r'", 'it is not a plain table'],
  ["t.relpersistence <> 'p'", 'it is temporary or unlogged'],
  ["t.relam <> (SELECT oid FROM pg_am WHERE amname = 'heap')", 'it is not stored as a heap'],
  ['t.reltablespace <> 0', 'it has a tablespace of its own'],
  ['t.relowner <> (SELECT oid FROM pg_roles WHERE rolname = current_user)', 'it belongs to another role'],
  ['t.relrowsecurity OR t.relforcerowsecurity', 'it has row security'],
  ["t.relreplident <> 'd'", 'it has a replica identity'],
  ['t.reloftype <> 0', 'it is of a type'],
  [
    't.relispartition OR EXISTS (SELECT 1 FROM pg_inherits WHERE t.oid IN (inhrelid, inhparent))',
    'it inherits or is inherited',
  ],
  ['EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = t.oid)', 'it has triggers'],
  ['EXISTS (SELECT 1 FROM pg_rewrite WHERE ev_class = t.oid)', 'it has rules'],
  ['EXISTS (SELECT 1 FROM pg_policy WHERE polrelid = t.oid)', 'it has policies'],
  ['EXISTS (SELECT 1 FROM pg_statistic_ext WHERE stxrelid = t.oid)', 'it has extended statistics'],
  [
    "EXISTS (SELECT 1 FROM pg_seclabel WHERE objoid = t.oid AND classoid = 'pg_class'::regclass)",
    'it has a label',
  ],
  // Replication follows a table by its identity; the staged rows would also be sent, under the staging table's name.
  ['EXISTS (SELECT 1 FROM pg_publication)', 'the database has publications'],
  [
    "EXISTS (SELECT 1 FROM pg_replication_slots WHERE slot_type = 'logical' AND database = current_database())",
    'the database is replicated logically',
  ],
  ["EXISTS (SELECT 1 FROM pg_event_trigger WHERE evtenabled <> 'D')", 'the database has event triggers'],
  [
    'EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND ' +
      "(a.attacl IS NOT NULL OR a.attidentity <> '' OR a.attoptions IS NOT NULL OR coalesce(a.attstattarget, -1) <> -1))",
    'a column has grants, an identity or settings of its own',
  ],
  [
    "EXISTS (SELECT 1 FROM pg_constraint k WHERE k.confrelid = t.oid OR k.conrelid = t.oid AND (k.contype NOT IN ('p', 'u', 'c', 'n') OR k.condeferrable OR NOT k.convalidated " +
      "OR obj_description(k.oid, 'pg_constraint') IS NOT NULL AND k.contype IN ('p', 'u')))",
    'it has foreign keys or other constraints that cannot be made again',
  ],
  [
    'EXISTS (SELECT 1 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = t.oid AND ' +
      "(i.indisclustered OR i.indisreplident OR i.indisexclusion OR NOT i.indisvalid OR c.reltablespace <> 0 OR obj_description(c.oid, 'pg_class') IS NOT NULL))",
    'it has indexes that cannot be made again',
  ],
  [
    'EXISTS (SELECT 1 FROM aclexplode(t.relacl) AS a WHERE a.grantor <> t.relowner)',
    'others than its owner granted rights on it',
  ],
  [
    'EXISTS (SELECT 1 FROM pg_class o WHERE o.oid = t.reltoastrelid AND o.reloptions IS NOT NULL)',
    'its out-of-line storage has settings of its own',
  ],
  [
    "EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = t.oid AND d.deptype = 'e')",
    'it belongs to an extension',
  ],
  [
    'EXISTS (SELECT 1 FROM pg_depend d CROSS JOIN (SELECT typarray FROM pg_type WHERE oid = t.reltype) AS y WHERE ' +
      "(d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.reltype, y.typarray)) AND NOT (" +
      "d.classid = 'pg_class'::regclass AND (d.objid IN (t.oid, t.reltoastrelid) OR d.objid IN (SELECT indexrelid FROM pg_index WHERE indrelid = t.oid)) OR " +
      "d.classid = 'pg_constraint'::regclass AND d.objid IN (SELECT oid FROM pg_constraint WHERE conrelid = t.oid) OR " +
      "d.classid = 'pg_attrdef'::regclass AND d.objid IN (SELECT oid FROM pg_attrdef WHERE adrelid = t.oid) OR " +
      "d.classid = 'pg_type'::regclass AND d.objid IN (t.reltype, y.typarray)))",
    'views, functions, sequences or other objects depend on it',
  ],
];

/** A query of one row, `obstacle`: words, or NULL where nothing stands in the way. No row where there is no table. */
export const obstacleQuery = (target: TableName): string =>
  `SELECT CASE ${OBSTACLES.map(([condition, words]) => `WHEN ${condition} THEN ${literal(words)}`).join(' ')} END AS obstacle ` +
  `FROM pg_class t WHERE t.oid = to_regclass(${literal(quoteTable(target))})`;

/**
 * A query of one row, `shape`: everything about a table that its users could tell, its contents and numbers aside. Two
 * tables of one shape can stand for each other.
 */
export const shapeQuery = (target: TableName): string =>
  "SELECT jsonb_build_object('kind', t.relkind, 'persistence', t.relpersistence, 'owner', t.relowner, 'storage', t.relam, " +
  "'options', (SELECT jsonb_object_agg(option_name, option_value) FROM pg_options_to_table(t.reloptions)), " +
  "'comment', obj_description(t.oid, 'pg_class'), " +
  "'rights', (SELECT jsonb_agg(jsonb_build_array(a.grantor, a.grantee, a.privilege_type, a.is_grantable) ORDER BY a.grantor, a.grantee, a.privilege_type, a.is_grantable) " +
  "FROM aclexplode(coalesce(t.relacl, acldefault('r', t.relowner))) AS a), " +
  "'columns', (SELECT jsonb_agg(jsonb_build_array(a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attcollation, a.attstorage, a.attcompression, a.attgenerated, " +
  'pg_get_expr(d.adbin, d.adrelid), col_description(t.oid, a.attnum)) ORDER BY a.attnum) FROM pg_attribute a ' +
  'LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped), ' +
  "'constraints', (SELECT jsonb_agg(jsonb_build_array(k.conname, k.contype, pg_get_constraintdef(k.oid), obj_description(k.oid, 'pg_constraint')) ORDER BY k.conname) " +
  'FROM pg_constraint k WHERE k.conrelid = t.oid), ' +
  "'indexes', (SELECT jsonb_agg(jsonb_build_array(pg_get_indexdef(i.indexrelid), i.indisprimary, c.reloptions) ORDER BY c.relname) " +
  'FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = t.oid))::text AS shape ' +
  `FROM pg_class t WHERE t.oid = ${literal(quoteTable(target))}::regclass`;
