// Parses mapping data flow scripts: statements of streams, each a transformation with arguments. One pass, linear.
import { ExpressionParser } from './parse-expression.ts';
import { Scanner } from './scanner.ts';
import { scriptError } from './script-error.ts';
import type { FlowParameter, Node, Program, Stream, StreamInput } from './syntax.ts';

/** Characters. The largest of 300 public data flows has 60 thousand. */
const MAX_LENGTH = 2_000_000;
const MAX_STREAMS = 2_000;

/**
 * The program of a script. Throws DEFINITION_INVALID with line, column and offset for what is not a script, and for one
 * that is too long or nested too deep. Whether streams exist and functions are known is not looked at.
 */
export function parseScript(script: string): Program {
  if (script.length > MAX_LENGTH) {
    throw scriptError('', 0, `The script is ${script.length} characters long; ${MAX_LENGTH} are allowed`);
  }
  const scan = new Scanner(script);
  const expressions = new ExpressionParser(scan);
  const program: Program = { parameters: [], streams: [] };
  while (!scan.ended) {
    const start = scan.at;
    if (scan.word('parameters') && scan.take('{')) {
      program.parameters.push(...parameters(scan, expressions));
      continue;
    }
    scan.at = start;
    program.streams.push(statement(scan, expressions));
    if (program.streams.length > MAX_STREAMS) {
      throw scriptError(script, start, `The script has more than ${MAX_STREAMS} streams`);
    }
  }
  return program;
}

/** One expression by itself, as parameters of an activity are written. Throws as `parseScript`. */
export function parseExpression(text: string): Node {
  if (text.length > MAX_LENGTH) throw scriptError('', 0, 'The expression is too long');
  const scan = new Scanner(text);
  const node = new ExpressionParser(scan).expression();
  if (!scan.ended) throw scan.unexpected('the end of the expression');
  return node;
}

/** Behind `parameters{`: `name as type (default), …}`. */
function parameters(scan: Scanner, expressions: ExpressionParser): FlowParameter[] {
  const found: FlowParameter[] = [];
  if (scan.take('}')) return found;
  for (;;) {
    const name = scan.bracedOrName("a parameter's name");
    if (!scan.word('as')) throw scan.unexpected('"as" and the type of the parameter');
    const { as, array } = expressions.parameterType(name);
    const type = array ? `${as}[]` : as;
    let value: FlowParameter['default'] = null;
    if (scan.take('(')) {
      value = scan.peek(')') ? null : expressions.expression();
      scan.expect(')');
    }
    found.push({ name, type, default: value });
    if (scan.take('}')) return found;
    scan.expect(',');
  }
}

/** `A, B@Yes join(…) ~> C@(D, E)`. */
function statement(scan: Scanner, expressions: ExpressionParser): Stream {
  scan.space();
  const line = scan.line();
  const inputs: StreamInput[] = [];
  for (;;) {
    const name = scan.bracedOrName('a stream or a transformation');
    if (inputs.length === 0 && scan.take('(')) return finish(scan, expressions, name, inputs, line);
    const output = scan.take('@') ? scan.bracedOrName("a branch's name") : null;
    inputs.push({ stream: name, output });
    if (scan.take(',')) continue;
    const transformation = scan.name();
    if (transformation === undefined) throw scan.unexpected('a transformation');
    scan.expect('(');
    return finish(scan, expressions, transformation, inputs, line);
  }
}

function finish(
  scan: Scanner,
  expressions: ExpressionParser,
  transformation: string,
  inputs: StreamInput[],
  line: number,
): Stream {
  const args = expressions.args();
  if (!scan.take('~>')) throw scan.unexpected('"~>" and the name of the stream');
  const name = scan.bracedOrName("the stream's name");
  const outputs: string[] = [];
  if (scan.take('@')) {
    scan.expect('(');
    do outputs.push(scan.bracedOrName("a branch's name"));
    while (scan.take(','));
    scan.expect(')');
  }
  return { name, outputs, inputs, transformation, arguments: args, line };
}
