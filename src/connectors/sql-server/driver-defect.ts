// A defect of the driver that would end the whole worker, and how to tell it from a mistake of ours.

/**
 * True for the TypeError that tedious (19.2.2, connection.js, `onEndOfMessage`) throws into the event loop when a socket
 * broke while an answer was still being parsed. The request has been failed already, by `socketError` or
 * `cleanupConnection`, and its connection is closed: nothing waits for what is thrown here.
 */
export const isLateEndOfMessage = (error: unknown): boolean =>
  error instanceof TypeError &&
  error.message.includes("reading 'callback'") &&
  /at Parser\.onEndOfMessage \(.*[\\/]tedious[\\/]/.test(error.stack ?? '');
