// Which handler answers which request.
import { callbackHandler } from './callbacks.ts';
import type { Door } from './door.ts';
import { eventGridHandler, eventGridOptionsHandler } from './event-grid.ts';
import { healthHandler, metricsHandler, readyHandler } from './health.ts';
import {
  cancelHandler,
  pipelineRunHandler,
  queryActivityRunsHandler,
  queryPipelineRunsHandler,
  queryTriggerRunsHandler,
} from './monitoring.ts';
import { Refusal } from './refusal.ts';
import type { Answer, DoorRequest } from './request.ts';
import { s3Handler } from './s3.ts';
import { startRunHandler } from './start-run.ts';

type Handler = (door: Door, request: DoorRequest) => Promise<Answer>;

interface Route {
  readonly method: string;
  /** As it is counted and documented. */
  readonly path: string;
  readonly pattern: RegExp;
  readonly handler: Handler;
}

/** Paths are matched to the letter; `<name>` stands for one part of a path, `[/...]` may be absent. */
function route(method: string, path: string, handler: Handler): Route {
  const pattern = path.replace(/\[(.*)\]/, '(?:$1)?').replace(/<(\w+)>/g, '(?<$1>[^/]+)');
  return { method, path, pattern: new RegExp(`^${pattern}$`), handler };
}

const ROUTES: readonly Route[] = [
  route('GET', '/healthz', healthHandler),
  route('GET', '/readyz', readyHandler),
  route('GET', '/metrics', metricsHandler),
  route('POST', '/pipelines/<name>/runs', startRunHandler),
  route('POST', '/callbacks/<token>', callbackHandler),
  route('POST', '/events/eventgrid[/<trigger>]', eventGridHandler),
  route('OPTIONS', '/events/eventgrid[/<trigger>]', eventGridOptionsHandler),
  route('POST', '/events/s3[/<trigger>]', s3Handler),
  route('GET', '/pipelineruns/<id>', pipelineRunHandler),
  route('POST', '/pipelineruns/<id>/queryActivityruns', queryActivityRunsHandler),
  route('POST', '/pipelineruns/<id>/cancel', cancelHandler),
  route('POST', '/queryPipelineRuns', queryPipelineRunsHandler),
  route('POST', '/queryTriggerRuns', queryTriggerRunsHandler),
];

export interface Found {
  readonly route: Route;
  readonly path: Readonly<Record<string, string>>;
}

/** The route of a request. Throws 404 and 405. */
export function findRoute(method: string, pathname: string): Found {
  const matching = ROUTES.flatMap((route) => {
    const match = route.pattern.exec(pathname);
    return match === null ? [] : [{ route, groups: match.groups ?? {} }];
  });
  const found = matching.find(({ route }) => route.method === method);
  if (found !== undefined) return { route: found.route, path: decoded(found.groups) };
  if (matching.length === 0)
    throw new Refusal(
      404,
      'OBJECT_MISSING',
      'There is nothing at this path; docs/http.md lists what there is.',
    );
  const allow = matching.map(({ route }) => route.method).join(', ');
  throw new Refusal(405, 'REQUEST_INVALID', `This path takes ${allow}.`, { allow });
}

function decoded(groups: Readonly<Record<string, string | undefined>>): Record<string, string> {
  try {
    return Object.fromEntries(
      Object.entries(groups).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, decodeURIComponent(value)]],
      ),
    );
  } catch {
    throw new Refusal(400, 'REQUEST_INVALID', 'The path is not URL-encoded as it should be.');
  }
}
