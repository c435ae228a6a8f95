// XML as a tree, with its text form: for xml(), xpath() and json() of XML. No platform, no entities beyond the five.

export interface XmlElement {
  readonly kind: 'element' | 'root';
  /** As written, with its prefix; '' for the root. */
  readonly name: string;
  /** '' where there is none. */
  readonly namespace: string;
  readonly attributes: XmlAttribute[];
  readonly children: XmlNode[];
  readonly parent: XmlElement | undefined;
}

export interface XmlAttribute {
  readonly kind: 'attribute';
  readonly name: string;
  readonly namespace: string;
  readonly value: string;
  readonly parent: XmlElement | undefined;
}

export interface XmlText {
  /** `declaration` is <?xml ...?>, `instruction` any other <?...?>. */
  readonly kind: 'text' | 'cdata' | 'comment' | 'instruction' | 'declaration';
  readonly name: string;
  readonly value: string;
  readonly parent: XmlElement | undefined;
}

export type XmlNode = XmlElement | XmlAttribute | XmlText;

export const isElement = (node: XmlNode | undefined): node is XmlElement =>
  node?.kind === 'element' || node?.kind === 'root';

/** The text of a node as XPath's string() has it: of an element, everything written inside it. */
export function textOf(node: XmlNode): string {
  if (!isElement(node)) return node.value;
  let text = '';
  for (const child of node.children)
    if (isElement(child) || child.kind === 'text' || child.kind === 'cdata') text += textOf(child);
  return text;
}

/**
 * The namespaces in scope where an element is cut out of its document, as .NET's OuterXml repeats them: those its own
 * name, the names inside it or their attributes use and it does not declare.
 */
function inherited(element: XmlElement): XmlAttribute[] {
  const wanted = new Set<string>();
  collectPrefixes(element, wanted);
  const found: XmlAttribute[] = [];
  const declared = new Set(element.attributes.map(({ name }) => name));
  for (let outer = element.parent; outer !== undefined; outer = outer.parent)
    for (const attribute of outer.attributes) {
      const { name } = attribute;
      if (!/^xmlns(:|$)/.test(name) || declared.has(name)) continue;
      declared.add(name);
      if (wanted.has(name.slice(6))) found.push(attribute);
    }
  return found;
}

const prefixOf = (name: string): string => (name.includes(':') ? name.slice(0, name.indexOf(':')) : '');

function collectPrefixes(element: XmlElement, wanted: Set<string>): void {
  wanted.add(prefixOf(element.name));
  for (const { name } of element.attributes) if (name.includes(':')) wanted.add(prefixOf(name));
  for (const child of element.children) if (isElement(child)) collectPrefixes(child, wanted);
}

/** An element as XML that stands alone. */
export const writeElement = (element: XmlElement): string =>
  writeXml({ ...element, attributes: [...element.attributes, ...inherited(element)] });

const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const escapeAttribute = (text: string): string => escapeText(text).replaceAll('"', '&quot;');

/** A node as XML. Empty elements are written `<a />`, as .NET does. */
export function writeXml(node: XmlNode): string {
  switch (node.kind) {
    case 'root':
      return node.children.map(writeXml).join('');
    case 'element': {
      const attributes = node.attributes.map((attribute) => ` ${writeXml(attribute)}`).join('');
      if (node.children.length === 0) return `<${node.name}${attributes} />`;
      return `<${node.name}${attributes}>${node.children.map(writeXml).join('')}</${node.name}>`;
    }
    case 'attribute':
      return `${node.name}="${escapeAttribute(node.value)}"`;
    case 'text':
      return escapeText(node.value);
    case 'cdata':
      return `<![CDATA[${node.value}]]>`;
    case 'comment':
      return `<!--${node.value}-->`;
    default:
      return `<?${node.name}${node.value === '' ? '' : ` ${node.value}`}?>`;
  }
}
