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
