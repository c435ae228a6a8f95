// Which addresses a definition, or an event, may make this process call. Never its own machine, its network link or a
// cloud's metadata service, unless settings allow it: those trust whoever can reach them.
import { lookup } from 'node:dns/promises';
import { BlockList, isIP, isIPv6 } from 'node:net';
import { WaybillError } from '../../core/errors.ts';

/** The one address that a host's name was resolved to. The connection goes there and nowhere else. */
export interface PinnedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

export interface AddressGuard {
  /**
   * Resolves the host of an http or https address once. Throws ADDRESS_REFUSED, or CONNECTION_FAILED for a name that
   * nobody knows.
   */
  resolve(url: URL): Promise<PinnedAddress>;
}

/** Networks that are refused, with what they are. */
const REFUSED: readonly (readonly [network: string, what: string])[] = [
  ['0.0.0.0/8', 'this machine'],
  ['127.0.0.0/8', 'this machine'],
  ['169.254.0.0/16', 'the network link, where metadata services are'],
  ['100.100.100.200/32', "Alibaba Cloud's metadata service"],
  ['168.63.129.16/32', "Azure's platform service"],
  ['192.0.0.0/24', 'protocol assignments, among them a metadata service'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved'],
  ['::/128', 'this machine'],
  ['::1/128', 'this machine'],
  ['fe80::/10', 'the network link'],
  ['fd00:ec2::/32', "AWS's metadata service"],
  ['ff00::/8', 'multicast'],
];

interface Network {
  readonly list: BlockList;
  readonly what: string;
}

/** Makes a guard that lets through `allow`: hosts (`host`, `host:port`) and networks (`127.0.0.0/8`, `::1/128`). */
export function createAddressGuard(allow: readonly string[]): AddressGuard {
  const refused = REFUSED.map(([network, what]) => networkOf(network, what));
  const allowedNetworks = allow
    .filter((entry) => entry.includes('/'))
    .map((entry) => networkOf(entry, entry));
  const allowedHosts = new Set(
    allow.filter((entry) => !entry.includes('/')).map((entry) => entry.toLowerCase()),
  );

  const verdict = (address: string): string | undefined => {
    const forms = formsOf(address);
    if (allowedNetworks.some(({ list }) => isIn(list, address))) return undefined;
    return refused.find(({ list }) => forms.some((form) => isIn(list, form)))?.what;
  };
  return {
    async resolve(url) {
      if (url.protocol !== 'http:' && url.protocol !== 'https:')
        throw refusal(url.protocol, 'only http and https addresses are called');
      const host = url.hostname
        .replace(/^\[|\]$/g, '')
        .replace(/\.$/, '')
        .toLowerCase();
      const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
      const addresses = await addressesOf(host);
      const trusted = [host, url.hostname, `${host}:${port}`, `${url.hostname}:${port}`].some((name) =>
        allowedHosts.has(name),
      );
      // One bad address among good ones is a name that means to deceive.
      const why = trusted
        ? undefined
        : addresses.map(({ address }) => verdict(address)).find((what) => what !== undefined);
      if (why !== undefined) throw refusal(host, `it leads to ${why}`);
      const [first] = addresses;
      if (first === undefined) throw unknownHost(host);
      return first;
    },
  };
}

async function addressesOf(host: string): Promise<PinnedAddress[]> {
  const literal = isIP(host);
  if (literal !== 0) return [{ address: host, family: literal === 6 ? 6 : 4 }];
  try {
    const found = await lookup(host, { all: true });
    return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
  } catch (error) {
    throw unknownHost(host, error);
  }
}

const refusal = (host: string, why: string): WaybillError =>
  new WaybillError('ADDRESS_REFUSED', `"${host}" is not called: ${why}.`, { host });

const unknownHost = (host: string, cause?: unknown): WaybillError =>
  new WaybillError('CONNECTION_FAILED', `The name "${host}" cannot be resolved.`, { host }, { cause });

function networkOf(text: string, what: string): Network {
  const [address = '', bits = ''] = text.split('/');
  const list = new BlockList();
  const family = isIP(address);
  if (family === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 6 ? 128 : 32))
    throw new WaybillError(
      'SETTINGS_INVALID',
      `"${text}" in "allow" of [web] is neither a host nor a network such as 10.1.0.0/16.`,
      { key: 'web.allow' },
    );
  list.addSubnet(address, Number(bits), family === 6 ? 'ipv6' : 'ipv4');
  return { list, what };
}

const isIn = (list: BlockList, address: string): boolean =>
  list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');

/** An address and the IPv4 addresses that it may carry inside: mapped, compatible, NAT64, 6to4. */
function formsOf(address: string): string[] {
  if (!isIPv6(address)) return [address];
  const groups = groupsOf(address);
  const last = ipv4Of(groups[6] ?? 0, groups[7] ?? 0);
  const leading = groups.slice(0, 5).every((group) => group === 0);
  const forms = [address];
  if (leading && (groups[5] === 0xffff || groups[5] === 0) && address !== '::' && address !== '::1')
    forms.push(last);
  if (groups[0] === 0x64 && groups[1] === 0xff9b) forms.push(last);
  if (groups[0] === 0x2002) forms.push(ipv4Of(groups[1] ?? 0, groups[2] ?? 0));
  return forms;
}

const ipv4Of = (high: number, low: number): string => [high >> 8, high & 255, low >> 8, low & 255].join('.');

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): number[] {
  const plain = (address.split('%')[0] ?? '').replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, ...parts: string[]) => {
      const [a, b, c, d] = parts.map(Number) as [number, number, number, number];
      return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
    },
  );
  const [before = '', after] = plain.split('::');
  const parse = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const head = parse(before);
  const tail = after === undefined ? [] : parse(after);
  return [...head, ...Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => 0), ...tail];
}
