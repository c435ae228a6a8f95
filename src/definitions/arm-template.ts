// Resources inside ARM templates, as Data Factory and Synapse export them: names and texts in "[...]" are evaluated with the
// template's own parameters. What has no value stays as it is written.
import type { JsonObject, JsonValue } from '../core/json.ts';
import { isObject, KINDS, type ResourceKind } from './resource.ts';

export interface TemplateResource {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly properties: JsonObject;
  /** Where its `properties` stand in the template. */
  readonly path: readonly PropertyKey[];
}

/** Whether the file is a deployment template. */
export const isTemplate = (value: JsonObject): boolean =>
  Array.isArray(value['resources']) &&
  (/deploymentTemplate/i.test(String(value['$schema'])) || 'contentVersion' in value);

const SERVICE = /^Microsoft\.(?:DataFactory\/factories|Synapse\/workspaces)(?:\/([A-Za-z]+))?$/i;
const kindOfType = new Map<string, ResourceKind>(KINDS.map((kind) => [`${kind}s`.toLowerCase(), kind]));

/** Every resource of a factory or workspace in the template, also in templates within it. */
export function templateResources(template: JsonObject, values: JsonObject = {}): TemplateResource[] {
  const found: TemplateResource[] = [];
  const parameters: JsonObject = {};
  for (const [name, declared] of Object.entries(
    isObject(template['parameters']) ? template['parameters'] : {},
  )) {
    const value = values[name] ?? (isObject(declared) ? declared['defaultValue'] : undefined);
    if (value !== undefined) parameters[name.toLowerCase()] = value;
  }
  const variables: JsonObject = {};
  for (const [name, value] of Object.entries(isObject(template['variables']) ? template['variables'] : {}))
    variables[name.toLowerCase()] = value;
  const scope: Scope = { parameters, variables };
  const visit = (list: JsonValue | undefined, path: readonly PropertyKey[], parent: string): void => {
    if (!Array.isArray(list)) return;
    list.forEach((entry, index) => {
      if (!isObject(entry)) return;
      const place = [...path, index];
      const own = String(entry['type'] ?? '');
      const type = SERVICE.test(own) || parent === '' ? own : `${parent}/${own}`;
      const properties = isObject(entry['properties']) ? entry['properties'] : {};
      const inner = properties['template'];
      if (/^Microsoft\.Resources\/deployments$/i.test(own) && isObject(inner)) {
        for (const resource of templateResources(inner, values))
          found.push({ ...resource, path: [...place, 'properties', 'template', ...resource.path] });
        return;
      }
      const service = SERVICE.exec(type);
      if (service === null) return;
      const segment = service[1]?.toLowerCase();
      const name =
        String(evaluate(entry['name'] ?? '', scope))
          .split('/')
          .at(-1) ?? '';
      const at = [...place, 'properties'];
      const kind = segment === undefined ? 'factory' : kindOfType.get(segment);
      if (segment === 'globalparameters')
        found.push({
          kind: 'factory',
          name,
          properties: { globalParameters: resolve(properties, scope) },
          path: at,
        });
      else if (kind !== undefined)
        found.push({ kind, name, properties: resolve(properties, scope) as JsonObject, path: at });
      visit(entry['resources'], [...place, 'resources'], type);
    });
  };
  visit(template['resources'], ['resources'], '');
  return found;
}

interface Scope {
  readonly parameters: JsonObject;
  readonly variables: JsonObject;
}

function resolve(value: JsonValue, scope: Scope): JsonValue {
  if (typeof value === 'string') return evaluate(value, scope);
  if (Array.isArray(value)) return value.map((entry) => resolve(entry, scope));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, resolve(entry, scope)]));
}

/** A text of a template: `[[` stands for `[`, and `[...]` is an expression where it is one of the few that exports use. */
function evaluate(text: JsonValue, scope: Scope, depth = 0): JsonValue {
  if (typeof text !== 'string' || !text.startsWith('[')) return text;
  if (text.startsWith('[[')) return text.slice(1);
  if (!text.endsWith(']') || depth > 10) return text;
  const value = new TemplateExpression(text.slice(1, -1), scope, depth).value();
  return value === undefined ? text : value;
}

const TOKEN = /\s*(?:'((?:[^']|'')*)'|(-?\d+)|([A-Za-z_]\w*)|([(),]))/y;

/** `parameters('x')`, `variables('x')` and `concat(...)` over them; undefined where anything else occurs. */
class TemplateExpression {
  private readonly text: string;
  private readonly scope: Scope;
  private readonly depth: number;
  private at = 0;

  constructor(text: string, scope: Scope, depth: number) {
    this.text = text;
    this.scope = scope;
    this.depth = depth;
  }

  value(): JsonValue | undefined {
    const value = this.term(0);
    return this.text.slice(this.at).trim() === '' ? value : undefined;
  }

  private term(level: number): JsonValue | undefined {
    const token = this.next();
    if (token === null || level > 20) return undefined;
    if (token[1] !== undefined) return token[1].replaceAll("''", "'");
    if (token[2] !== undefined) return Number(token[2]);
    const name = token[3]?.toLowerCase();
    if (name === undefined || this.next()?.[4] !== '(') return undefined;
    const args: JsonValue[] = [];
    for (;;) {
      const arg = this.term(level + 1);
      if (arg === undefined) return undefined;
      args.push(arg);
      const separator = this.next()?.[4];
      if (separator === ')') break;
      if (separator !== ',') return undefined;
    }
    const first = String(args[0]).toLowerCase();
    // A name may be put together although the factory's own name is not known.
    if (name === 'parameters') return this.scope.parameters[first] ?? (level > 0 ? `{${first}}` : undefined);
    if (name === 'variables')
      return evaluate(this.scope.variables[first] ?? `{${first}}`, this.scope, this.depth + 1);
    return name === 'concat' ? args.map(String).join('') : undefined;
  }

  private next(): RegExpExecArray | null {
    TOKEN.lastIndex = this.at;
    const token = TOKEN.exec(this.text);
    if (token !== null) this.at = TOKEN.lastIndex;
    return token;
  }
}
