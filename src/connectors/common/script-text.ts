// A text of several SQL statements with named parameters, cut into statements with the store's own placeholders.
import { WaybillError } from '../../core/errors.ts';
import type { SqlParameter } from '../sql-commands.ts';

/** How one store's text is read. */
export interface ScriptLexis {
  /**
   * Sticky. Groups: `kept` (literals, quoted names, dollar quotes, operators that look like parameters), `comment` (to its
   * end), `end` (a semicolon), `name` (a parameter's name, after its sign), `mark` (a parameter by its place). Anything
   * else is one character.
   */
  readonly tokens: RegExp;
  /** Whether block comments nest: then `comment` matches their first two characters only. */
  readonly nestedComments: boolean;
}

export interface PreparedStatement {
  /** Without the semicolon. */
  readonly text: string;
  /** In the order of the placeholders. */
  readonly parameters: readonly SqlParameter[];
}

/**
 * The statements of `text`, each with the parameters it names. `placeholder` is what stands for the parameter `index` (from
 * 0) of a statement. A name that is not declared is left as it is: it may be the store's own variable.
 */
export function prepareStatements(
  text: string,
  parameters: readonly SqlParameter[],
  lexis: ScriptLexis,
  placeholder: (index: number) => string,
  options: { readonly reuse: boolean },
): PreparedStatement[] {
  const byName = new Map(parameters.map((one) => [one.name.replace(/^[@:]/, '').toLowerCase(), one]));
  const statements: PreparedStatement[] = [];
  let built = '';
  let blank = true;
  let used: SqlParameter[] = [];
  let marks = 0;
  const finish = (): void => {
    if (!blank) statements.push({ text: built.trim(), parameters: used });
    built = '';
    blank = true;
    used = [];
  };
  const take = (parameter: SqlParameter): string => {
    const known = options.reuse ? used.indexOf(parameter) : -1;
    if (known >= 0) return placeholder(known);
    used.push(parameter);
    return placeholder(used.length - 1);
  };
  for (const { piece, groups } of tokens(text, lexis)) {
    if (groups['end'] !== undefined) {
      finish();
      continue;
    }
    const parameter = byName.get(groups['name']?.toLowerCase() ?? '');
    if (parameter !== undefined) built += take(parameter);
    else if (groups['mark'] !== undefined && parameters.length > 0) {
      const positional = parameters[marks++];
      if (positional === undefined) {
        throw new WaybillError(
          'PARAMETER_INVALID',
          `The script has more parameters by place than the ${parameters.length} declared.`,
        );
      }
      built += take(positional);
    } else built += piece;
    if (groups['comment'] === undefined && piece.trim() !== '') blank = false;
  }
  finish();
  return statements;
}

interface Token {
  readonly piece: string;
  readonly groups: Readonly<Record<string, string | undefined>>;
}

function* tokens(text: string, { tokens: pattern, nestedComments }: ScriptLexis): Generator<Token> {
  const sticky = new RegExp(pattern.source, pattern.flags);
  for (let at = 0; at < text.length; ) {
    sticky.lastIndex = at;
    const found = sticky.exec(text);
    const groups = found?.groups ?? {};
    let end = at + (found?.[0].length || 1);
    if (nestedComments && groups['comment'] === '/*') end = commentEnd(text, at);
    yield { piece: text.slice(at, end), groups };
    at = end;
  }
}

function commentEnd(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    if (text.startsWith('/*', at)) depth++;
    else if (text.startsWith('*/', at)) depth--;
    else continue;
    at++;
    if (depth === 0) return at + 1;
  }
  return text.length;
}
