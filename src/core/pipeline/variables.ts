// Pipeline variables: their values, who wrote them, and what Set Variable does to a pipeline's return value.
import { WaybillError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { convertTo } from './parameters.ts';
import type { ParameterSpecification } from './snapshot.ts';

const EMPTY: Readonly<Record<string, JsonValue>> = { array: [], boolean: false, bool: false, integer: 0 };

/** One write, so that a rerun can repeat those of the activities it does not run again. */
export interface VariableWrite {
  /** Lower-case; absent for the pipeline's return value. */
  readonly variable?: string;
  /** The activity of the pipeline's outermost block in which it happened. */
  readonly by: string;
  readonly set?: JsonValue;
  readonly append?: JsonValue[];
}

/** A pipeline's variables and its return value. Names are compared without case. */
export class Variables {
  private readonly values: Map<string, JsonValue>;
  private readonly log: VariableWrite[] = [];
  /** Variables whose array somebody may hold: the next append takes a copy. */
  private readonly shared = new Set<string>();
  readonly returnValue: JsonObject = {};

  /** `current`, by lower-case name, in place of the defaults: where another workflow has written before. */
  constructor(declared: Readonly<Record<string, ParameterSpecification>>, current: JsonObject = {}) {
    this.values = new Map(
      Object.entries(declared).map(([name, { type, defaultValue }]) => [
        name.toLowerCase(),
        current[name.toLowerCase()] ?? defaultValue ?? EMPTY[type.toLowerCase()] ?? '',
      ]),
    );
    for (const name of this.values.keys()) this.shared.add(name);
  }

  get(name: string): JsonValue | undefined {
    const key = name.toLowerCase();
    this.shared.add(key);
    return this.values.get(key);
  }

  set(name: string, value: JsonValue, by: string): void {
    const variable = name.toLowerCase();
    this.values.set(variable, value);
    this.shared.add(variable);
    this.note({ variable, by, set: value });
  }

  /** Throws PARAMETER_INVALID where the variable is no array. */
  append(name: string, value: JsonValue, by: string): void {
    const variable = name.toLowerCase();
    const before = this.values.get(variable);
    if (!Array.isArray(before))
      throw new WaybillError('PARAMETER_INVALID', `Variable "${name}" is not an array.`, { variable: name });
    if (this.shared.delete(variable)) this.values.set(variable, [...before, value]);
    else before.push(value);
    const last = this.log.findLast((write) => write.variable === variable);
    if (last?.by === by && last.append !== undefined) last.append.push(value);
    else this.log.push({ variable, by, append: [value] });
  }

  /** Adds to the pipeline's return value; a later key of the same name replaces the earlier one. */
  addReturnValue(value: JsonObject, by: string): void {
    Object.assign(this.returnValue, value);
    this.note({ by, set: value });
  }

  /** Every write, oldest first; of an activity's writes to one variable only what remains of them. */
  writes(): readonly VariableWrite[] {
    return this.log;
  }

  /** Repeats writes. A variable that the definition no longer has is passed over. */
  repeat(writes: readonly VariableWrite[]): void {
    for (const { variable, by, set, append } of writes) {
      if (variable === undefined) this.addReturnValue((set ?? {}) as JsonObject, by);
      else if (!this.values.has(variable)) continue;
      else if (append === undefined) this.set(variable, set ?? null, by);
      else for (const value of append) this.append(variable, value, by);
    }
  }

  /** Takes writes for its own whose effect is in the values already. */
  claim(writes: readonly VariableWrite[]): void {
    this.log.push(...writes);
  }

  /** Every variable's value, by lower-case name. */
  snapshot(): JsonObject {
    for (const name of this.values.keys()) this.shared.add(name);
    return Object.fromEntries(this.values);
  }

  private note(write: VariableWrite): void {
    // A loop that sets a variable in each iteration leaves one write, not thousands.
    const last = this.log.findLastIndex((other) => other.variable === write.variable);
    const before = this.log[last];
    if (before?.by === write.by && before.append === undefined) {
      const set =
        write.variable === undefined
          ? { ...(before.set as JsonObject), ...(write.set as JsonObject) }
          : write.set;
      this.log[last] = { ...write, ...(set === undefined ? {} : { set }) };
    } else this.log.push(write);
  }
}

/** The value as the variable's type. Throws PARAMETER_INVALID. */
export function variableValue(
  name: string,
  declared: Readonly<Record<string, ParameterSpecification>>,
  value: JsonValue,
): JsonValue {
  const key = Object.keys(declared).find((other) => other.toLowerCase() === name.toLowerCase());
  const type = key === undefined ? undefined : declared[key]?.type;
  const converted = type === undefined ? undefined : convertTo(type, value);
  if (converted !== undefined) return converted;
  throw new WaybillError(
    'PARAMETER_INVALID',
    type === undefined
      ? `The pipeline has no variable "${name}".`
      : `Variable "${name}" is declared ${type}, but the value is ${JSON.stringify(value).slice(0, 100)}.`,
    { variable: name },
  );
}

/**
 * The value that Studio writes for `pipelineReturnValue`: `[{ key, value: { type, content } }]`, nested for arrays and
 * objects. `evaluate` turns an expression's text into its value.
 */
export function returnValue(value: JsonValue, evaluate: (text: JsonValue) => JsonValue): JsonObject {
  const result: JsonObject = {};
  if (!Array.isArray(value)) return result;
  for (const entry of value) {
    if (isObject(entry) && typeof entry['key'] === 'string')
      result[entry['key']] = typed(entry['value'] ?? null, evaluate);
  }
  return result;
}

function typed(value: JsonValue, evaluate: (text: JsonValue) => JsonValue): JsonValue {
  if (!isObject(value) || typeof value['type'] !== 'string') return evaluate(value);
  const content = value['content'] ?? null;
  switch (value['type'].toLowerCase()) {
    case 'null':
      return null;
    case 'array':
      return Array.isArray(content) ? content.map((entry) => typed(entry, evaluate)) : evaluate(content);
    case 'object':
      return Array.isArray(content) ? returnValue(content, evaluate) : evaluate(content);
    case 'int':
    case 'integer':
      return convertTo('Int', evaluate(content)) ?? null;
    case 'float':
      return convertTo('Float', evaluate(content)) ?? null;
    case 'boolean':
      return convertTo('Bool', evaluate(content)) ?? null;
    default:
      return evaluate(content);
  }
}

const isObject = (value: JsonValue): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
