// What connectors get for calling out: requests through the address guard, and proofs of who asks.
import type { JsonObject } from '../../core/json.ts';
import type { OutboundHttp, OutboundRequest } from '../../core/outbound-http.ts';
import { createAddressGuard } from './address-guard.ts';
import { proofOf } from './authentication.ts';
import { type HttpRequest, openResponse, sendRequest } from './http-client.ts';

/** `allow`: hosts and networks that may be called though they are refused by default. */
export function createOutboundHttp(allow: readonly string[]): OutboundHttp {
  const guard = createAddressGuard(allow);
  return {
    send: (request) => sendRequest(requestOf(request), guard),
    open: (request) => openResponse(requestOf(request), guard),
    // Secrets of a linked service are resolved before it gets here.
    prove: (authentication: JsonObject, linkedService) =>
      proofOf(authentication, {
        activity: linkedService,
        secret: async (value) => value,
        credential: () => undefined,
      }),
  };
}

const requestOf = ({ proof, body, ...request }: OutboundRequest): HttpRequest => ({
  ...request,
  headers: { ...request.headers, ...proof.headers },
  ...(body === undefined ? {} : { body: Buffer.from(body) }),
  ...(proof.clientCertificate === undefined
    ? {}
    : {
        clientCertificate: {
          pfx: Buffer.from(proof.clientCertificate.pfx),
          passphrase: proof.clientCertificate.passphrase,
        },
      }),
});
