// Errors the EMR stand-in answers with: AWS JSON 1.1 error shapes that the SDKs of every language parse.

/** An error answered to the caller as `{"__type": type, "Message": …}` with the given HTTP status. */
export class ServiceError extends Error {
  readonly type: string;
  readonly status: number;
  readonly errorCode: string | undefined;

  constructor(type: string, message: string, status = 400, errorCode?: string) {
    super(message);
    this.name = type;
    this.type = type;
    this.status = status;
    this.errorCode = errorCode;
  }
}

/** The request is well formed but what it names or wants is not possible (EMR's modelled client error). */
export function invalidRequest(message: string, errorCode?: string): ServiceError {
  return new ServiceError('InvalidRequestException', message, 400, errorCode);
}

/** A member is missing, out of range or at odds with another one. */
export function validation(message: string): ServiceError {
  return new ServiceError('ValidationException', message);
}

/** A member has a JSON type the service's model does not allow. */
export function serialization(message: string): ServiceError {
  return new ServiceError('SerializationException', message);
}

export function unknownOperation(target: string): ServiceError {
  return new ServiceError('UnknownOperationException', `EMR has no operation for the target '${target}'.`);
}

/** A real EMR operation that this stand-in does not have. Never answered by pretending. */
export function notImplemented(operation: string, why = 'this stand-in does not implement it'): ServiceError {
  return new ServiceError('NotImplementedException', `${operation} is an EMR operation, but ${why}.`, 501);
}
