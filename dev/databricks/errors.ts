// Errors the Databricks stand-in answers with: {"error_code", "message"}, as the REST API and its SDKs know them.

export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, headers: Record<string, string> = {}) {
    super(message);
    this.name = code;
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** A member is missing, of the wrong type, or names something that is not there. */
export const invalid = (message: string): ApiError => new ApiError(400, 'INVALID_PARAMETER_VALUE', message);

export const missing = (message: string): ApiError => new ApiError(404, 'RESOURCE_DOES_NOT_EXIST', message);

export const invalidState = (message: string): ApiError => new ApiError(400, 'INVALID_STATE', message);

/** A real part of Databricks that this stand-in does not have. Never answered by pretending. */
export const notImplemented = (what: string): ApiError =>
  new ApiError(
    501,
    'NOT_IMPLEMENTED',
    `${what} exists in Databricks, but this stand-in does not implement it.`,
  );
