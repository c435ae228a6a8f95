// Remembers that a signed request was accepted: the HTTP door starts one per signature, and Temporal starts no second one.

/** Does nothing: that there is a workflow of its id is all that it is for. */
export async function rememberRequest(): Promise<void> {}
