// Reads XML text into a tree. White space between elements is left out, as .NET's XmlDocument does; a DTD is refused.
import { expressionError } from '../expression-error.ts';
import type { XmlAttribute, XmlElement, XmlNode, XmlText } from './node.ts';

const MAX_DEPTH = 200;
const NAME = /[\p{L}_:][\p{L}\p{N}\-._:·]*/uy;
const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** The document's root, whose children are its prolog and its one element. Throws EXPRESSION_INVALID with the position. */
export function parseXml(text: string): XmlElement {
  return new Reader(text.replace(/^\uFEFF/, '')).document();
}

class Reader {
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  document(): XmlElement {
    const root: XmlElement = rootElement();
    this.content(root, new Map([['xml', 'http://www.w3.org/XML/1998/namespace']]), 0);
    if (this.at < this.text.length) throw this.fault('an end tag without its start');
    const elements = root.children.filter(({ kind }) => kind === 'element').length;
    if (elements !== 1 || root.children.some(({ kind }) => kind === 'text' || kind === 'cdata'))
      throw this.fault(
        `${elements} elements at the top, or text beside them; a document has exactly one element`,
      );
    return root;
  }

  private content(parent: XmlElement, namespaces: ReadonlyMap<string, string>, depth: number): void {
    if (depth > MAX_DEPTH) throw this.fault(`more than ${MAX_DEPTH} levels`);
    while (this.at < this.text.length) {
      const open = this.text.indexOf('<', this.at);
      const end = open < 0 ? this.text.length : open;
      if (end > this.at) {
        const value = this.decode(this.text.slice(this.at, end));
        if (value.trim() !== '') parent.children.push(textNode('text', value, parent));
        this.at = end;
        continue;
      }
      if (this.text.startsWith('</', this.at)) return;
      if (this.text.startsWith('<!--', this.at)) this.until('<!--', '-->', 'comment', parent);
      else if (this.text.startsWith('<![CDATA[', this.at)) this.until('<![CDATA[', ']]>', 'cdata', parent);
      else if (this.text.startsWith('<?', this.at)) this.instruction(parent);
      else if (this.text.startsWith('<!', this.at)) throw this.fault('a document type, which is not read');
      else this.element(parent, namespaces, depth);
    }
  }

  private until(open: string, close: string, kind: XmlText['kind'], parent: XmlElement): void {
    const from = this.at + open.length;
    const end = this.text.indexOf(close, from);
    if (end < 0) throw this.fault(`"${open}" without "${close}"`);
    parent.children.push(textNode(kind, this.text.slice(from, end), parent));
    this.at = end + close.length;
  }

  private instruction(parent: XmlElement): void {
    this.at += 2;
    const name = this.name();
    const end = this.text.indexOf('?>', this.at);
    if (end < 0) throw this.fault('"<?" without "?>"');
    const value = this.text.slice(this.at, end).trim();
    parent.children.push({ kind: name === 'xml' ? 'declaration' : 'instruction', name, value, parent });
    this.at = end + 2;
  }

  private element(parent: XmlElement, outer: ReadonlyMap<string, string>, depth: number): void {
    this.at++;
    const name = this.name();
    const written: { name: string; value: string }[] = [];
    for (;;) {
      this.space();
      if (this.text[this.at] === '>' || this.text.startsWith('/>', this.at)) break;
      const attribute = this.attribute();
      if (written.some((other) => other.name === attribute.name))
        throw this.fault(`the attribute "${attribute.name}" twice`);
      written.push(attribute);
    }
    const namespaces = new Map(outer);
    for (const { name: key, value } of written) {
      if (key === 'xmlns') namespaces.set('', value);
      else if (key.startsWith('xmlns:')) namespaces.set(key.slice(6), value);
    }
    const attributes: XmlAttribute[] = [];
    const element: XmlElement = {
      kind: 'element',
      name,
      namespace: this.namespaceOf(name, namespaces, true),
      attributes,
      children: [],
      parent,
    };
    for (const { name: key, value } of written)
      attributes.push({
        kind: 'attribute',
        name: key,
        namespace: /^xmlns(:|$)/.test(key)
          ? 'http://www.w3.org/2000/xmlns/'
          : this.namespaceOf(key, namespaces, false),
        value,
        parent: element,
      });
    parent.children.push(element);
    if (this.text[this.at] === '/') {
      this.at += 2;
      return;
    }
    this.at++;
    this.content(element, namespaces, depth + 1);
    if (!this.text.startsWith('</', this.at)) throw this.fault(`<${name}> without its end`);
    this.at += 2;
    const closing = this.name();
    if (closing !== name) throw this.fault(`</${closing}> where </${name}> belongs`);
    this.space();
    if (this.text[this.at] !== '>') throw this.fault(`</${name} without ">"`);
    this.at++;
  }

  private attribute(): { name: string; value: string } {
    const name = this.name();
    this.space();
    if (this.text[this.at] !== '=') throw this.fault(`the attribute "${name}" without "="`);
    this.at++;
    this.space();
    const quote = this.text[this.at];
    if (quote !== '"' && quote !== "'") throw this.fault(`the attribute "${name}" without quotes`);
    const end = this.text.indexOf(quote, this.at + 1);
    if (end < 0) throw this.fault(`the attribute "${name}" without its closing quote`);
    const value = this.text.slice(this.at + 1, end);
    if (value.includes('<')) throw this.fault(`"<" in the attribute "${name}"`);
    this.at = end + 1;
    return { name, value: this.decode(value) };
  }

  private namespaceOf(name: string, namespaces: ReadonlyMap<string, string>, element: boolean): string {
    const colon = name.indexOf(':');
    if (colon < 0) return element ? (namespaces.get('') ?? '') : '';
    const namespace = namespaces.get(name.slice(0, colon));
    if (namespace === undefined) throw this.fault(`the undeclared prefix "${name.slice(0, colon)}"`);
    return namespace;
  }

  private decode(text: string): string {
    if (!text.includes('&')) return text;
    return text.replace(/&([^;]*);?/g, (all: string, name: string) => {
      const number = /^#(?:x([0-9a-f]{1,6})|(\d{1,7}))$/i.exec(name);
      const code = number === null ? -1 : Number.parseInt(number[1] ?? number[2] ?? '', number[1] ? 16 : 10);
      if (code >= 0 && code <= 0x10ffff) return String.fromCodePoint(code);
      const entity = all.endsWith(';') && Object.hasOwn(ENTITIES, name) ? ENTITIES[name] : undefined;
      if (entity === undefined) throw this.fault(`"${all.slice(0, 20)}", which is no entity`);
      return entity;
    });
  }

  private name(): string {
    NAME.lastIndex = this.at;
    const found = NAME.exec(this.text)?.[0];
    if (found === undefined) throw this.fault('no name where one belongs');
    this.at += found.length;
    return found;
  }

  private space(): void {
    while (/\s/.test(this.text[this.at] ?? '')) this.at++;
  }

  private fault(what: string): Error {
    return expressionError(`The text is not XML: it has ${what}, at its character ${this.at + 1}`);
  }
}

export const rootElement = (): XmlElement => ({
  kind: 'root',
  name: '',
  namespace: '',
  attributes: [],
  children: [],
  parent: undefined,
});

export const textNode = (kind: XmlText['kind'], value: string, parent: XmlElement): XmlNode => ({
  kind,
  name: '',
  value,
  parent,
});
