// Keeps secrets out of every text that leaves the process. Whoever resolves a secret remembers it here; whoever
// writes a log line or an error that may quote a driver passes the text through.

const secrets = new Set<string>();

/** Shorter values are not remembered: redacting every "a" would hide everything and protect nothing. */
const SHORTEST = 4;

/** Remembers a secret for the life of the process. */
export function rememberSecret(value: string): void {
  if (value.length >= SHORTEST) secrets.add(value);
}

/** The text with every remembered secret, and its URI-encoded form, replaced. */
export function redact(text: string): string {
  let result = text;
  for (const secret of secrets) {
    result = result.replaceAll(secret, '[secret]');
    const encoded = encodeURIComponent(secret);
    if (encoded !== secret) result = result.replaceAll(encoded, '[secret]');
  }
  return result;
}
