// An HTTP proxy before the Snowflake stand-in that knows which statement a request carries, and can do things around it.
import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

export interface StatementProxy {
  readonly url: string;
  /** Statements that passed, in order, and other requests as "METHOD path". */
  readonly passed: string[];
  /** Asked for each; what it resolves to happens to it. */
  rule: (statement: string) => Promise<'pass' | 'lose the answer' | 'refuse' | 'not found'>;
  stop(): Promise<void>;
}

const textOf = (incoming: IncomingMessage, body: Buffer): string => {
  if (incoming.url?.startsWith('/queries/v1/query-request') === true) {
    const plain = incoming.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
    return (JSON.parse(plain.toString()) as { sqlText?: string }).sqlText ?? '';
  }
  return `${incoming.method} ${incoming.url}`;
};

export async function startStatementProxy(upstream: string): Promise<StatementProxy> {
  const proxy = { passed: [] as string[], rule: (async () => 'pass') as StatementProxy['rule'] };
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const body = await bodyOf(incoming);
      const statement = textOf(incoming, body);
      proxy.passed.push(statement);
      const fate = await proxy.rule(statement);
      if (fate === 'refuse') return incoming.socket.destroy();
      if (fate === 'not found') return outgoing.writeHead(404).end();
      const { method, url, headers } = incoming;
      const out = request(new URL(url ?? '/', upstream), { method: method ?? 'GET', headers }).end(body);
      const [reply] = (await once(out, 'response')) as [IncomingMessage];
      const answer = await bodyOf(reply);
      if (fate === 'lose the answer') return incoming.socket.destroy();
      const { 'transfer-encoding': _chunked, ...rest } = reply.headers;
      return outgoing
        .writeHead(reply.statusCode ?? 502, { ...rest, 'content-length': answer.length })
        .end(answer);
    })().catch(() => incoming.socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return Object.assign(proxy, { url, stop });
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
