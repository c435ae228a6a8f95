// An HTTP proxy on loopback that does what networks do to single calls: lose the answer, refuse, throttle.
import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface Fault {
  /** Tested against "METHOD path x-amz-target". */
  readonly match: RegExp;
  /**
   * lost: carried out, then the connection is cut; stalled: carried out, never answered; late: answered a second
   * after it was carried out; refused: cut before;
   * status: answered here, not carried out; truncated: half of the answer, then cut; corrupted: one byte of the
   * request is changed on its way.
   */
  readonly kind: 'lost' | 'stalled' | 'late' | 'refused' | 'status' | 'truncated' | 'corrupted';
  readonly status?: number;
  readonly body?: string;
  /** How many calls it hits. */
  times: number;
}

export interface FaultProxy {
  readonly endpoint: string;
  readonly faults: Fault[];
  /** Every call, as `match` sees it, with the fault that hit it. */
  readonly calls: { readonly call: string; readonly fault: string | undefined }[];
  stop(): Promise<void>;
}

export async function startFaultProxy(upstream: string): Promise<FaultProxy> {
  const faults: Fault[] = [];
  const calls: FaultProxy['calls'] = [];
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const body = await bodyOf(incoming);
      const call = `${incoming.method} ${incoming.url} ${incoming.headers['x-amz-target'] ?? ''}`;
      const fault = faults.find((one) => one.times > 0 && one.match.test(call));
      if (fault) fault.times -= 1;
      calls.push({ call, fault: fault?.kind });
      if (fault?.kind === 'refused') return incoming.socket.destroy();
      if (fault?.kind === 'status') {
        return outgoing
          .writeHead(fault.status ?? 500, { 'content-type': 'application/x-amz-json-1.1' })
          .end(fault.body);
      }
      if (fault?.kind === 'corrupted') corrupt(body);
      const answer = await forward(upstream, incoming, body);
      if (fault?.kind === 'stalled') return undefined;
      if (fault?.kind === 'late') await delay(1_000);
      if (fault?.kind === 'lost') return incoming.socket.destroy();
      outgoing.writeHead(answer.status, answer.headers);
      if (fault?.kind === 'truncated') {
        return outgoing.write(answer.body.subarray(0, answer.body.length >> 1), () => outgoing.destroy());
      }
      return outgoing.end(answer.body);
    })().catch(() => incoming.socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { endpoint: `http://127.0.0.1:${port}`, faults, calls, stop };
}

/** Changes a byte in the middle; the length stays. */
function corrupt(body: Buffer): void {
  const at = body.length >> 1;
  body[at] = (body[at] ?? 0) ^ 1;
}

async function forward(upstream: string, incoming: IncomingMessage, body: Buffer) {
  const { method, url, headers } = incoming;
  const out = request(new URL(url ?? '/', upstream), { method: method ?? 'GET', headers }).end(body);
  const [reply] = (await once(out, 'response')) as [IncomingMessage];
  const { 'transfer-encoding': _chunked, ...rest } = reply.headers;
  const answer = await bodyOf(reply);
  return {
    status: reply.statusCode ?? 502,
    // The answer to HEAD says how long the body would be.
    headers: method === 'HEAD' ? rest : { ...rest, 'content-length': answer.length },
    body: answer,
  };
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
