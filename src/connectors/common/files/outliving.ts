// Requests that make something visible are not left in the air when an attempt is cancelled: how they end must be known.

/** ms that such a request, or the removal of what it made, may take once nobody waits for it any more. */
export const GRACE_MS = 10_000;

/** A signal that is aborted so long after the other one. For the life of a store: it leaves a listener behind. */
export function outliving(signal: AbortSignal, milliseconds = GRACE_MS): AbortSignal {
  const later = new AbortController();
  const abort = (): void => {
    setTimeout(() => later.abort(signal.reason), milliseconds).unref();
  };
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  return later.signal;
}

/** For what is tidied up: as long as the attempt lives, and a while for each request after it. */
export const tidying = (signal: AbortSignal, later: AbortSignal): AbortSignal =>
  signal.aborted ? AbortSignal.timeout(GRACE_MS) : later;
